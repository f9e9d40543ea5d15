// Package api is the REST face of the gateway: it serves /v1/, the OpenAPI document that describes it, and a page to
// read that.
//
// A request passes, from outside in: its id and the access log, the security headers, the recovery from panics, the
// deadline, the authentication (for which the body is read once, bounded), the checks of what every request must be,
// the idempotency key, and then the route's own decoder and handler. Whatever goes wrong on the way leaves as one
// shape, [Problem]; [Codes] is the one table of what can.
//
// The package holds no rules about money. It decodes, asks the domain, and shows what the domain answered.
package api

//go:generate go run ./openapi ../../docs/openapi.yaml
