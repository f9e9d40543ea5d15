// Package direct sends requests over HTTP/1.1 in the caller's own goroutine: no other goroutine wakes up for a request, and
// what [net/http.Transport] allocates for its many abilities is not allocated. A call of package wechatpay costs about half as
// much of its own with it; the RSA signature, which is most of a call, costs the same.
//
//	config.Transport = direct.New(wechatpay.NewTransport()) // wechatpay.Config
//
// It is for services that sign with OpenSSL (module openssl) and are still short of processor time. Everybody else is better
// served by [net/http.Transport], which is the default.
//
// What it does: requests with small bodies, kept connections, TLS, deadlines and cancellation. A kept connection that the other
// side has closed is noticed before it is used. It never sends a request twice. Everything else, a proxy for example, goes to
// the http.Transport that it was made from. It emits no httptrace events.
package direct
