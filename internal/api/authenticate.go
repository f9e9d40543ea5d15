package api

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
)

// challenge names the ways to authenticate, whatever was wrong.
const challenge = `Bearer realm="tongbao", TONGBAO-HMAC-SHA256 realm="tongbao"`

// missingHeader is the log's reason where no Authorization header was sent at all.
const missingHeader access.Reason = "missing_header"

// authenticated lets in who holds a key, with the body as it was verified. It stands before the routes: a stranger
// cannot even find out which exist.
func (a *api) authenticated(next func(body []byte) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := remote(r)
		if wait := a.config.Limiter.Stranger(from); wait > 0 {
			writeProblem(w, r, limited(wait, "too many requests from your address were not authenticated; check the API key, and wait as long as Retry-After says"))
			return
		}
		body, problem := readBody(w, r)
		if problem != nil {
			writeProblem(w, r, problem)
			return
		}
		x := exchangeOf(r.Context())
		principal, err := a.principal(r, body)
		if refusal, ok := errors.AsType[*access.Refusal](err); ok {
			a.config.Limiter.Refused(from)
			x.refusal = reasonOf(r, refusal)
			w.Header().Set("WWW-Authenticate", challenge)
			writeProblem(w, r, newProblem(codeUnauthenticated, refusalDetail(refusal)))
			return
		}
		if err != nil {
			writeProblem(w, r, problemOf(r.Context(), r.Method, err))
			return
		}
		x.principal = principal
		a.config.Limiter.Admitted(from)
		if wait := a.config.Limiter.Key(r.Context(), principal.KeyID); wait > 0 {
			writeProblem(w, r, limited(wait, "this key sends more requests than it may; wait as long as Retry-After says, then send the request again. The operator sets the limit (rate_limit)"))
			return
		}
		next(body).ServeHTTP(w, r)
	})
}

// principal asks who sends the request. No key, half a key and two keys cost the same work as a wrong one.
func (a *api) principal(r *http.Request, body []byte) (access.Principal, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return a.config.Authenticator.Bearer(r.Context(), "")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if strings.EqualFold(scheme, "TONGBAO-HMAC-SHA256") {
		return a.config.Authenticator.Signed(r.Context(), access.SignedRequest{
			Authorization: values[0], Method: r.Method, Target: r.RequestURI, Body: body,
		})
	}
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	return a.config.Authenticator.Bearer(r.Context(), token)
}

// reasonOf tells the log a forgotten header from a wrong key. The caller is not told: the answers stay alike.
func reasonOf(r *http.Request, refusal *access.Refusal) *access.Refusal {
	if len(r.Header.Values("Authorization")) == 0 {
		return &access.Refusal{Reason: missingHeader}
	}
	return refusal
}

// refusalDetail adds how a key is sent, except for an app that must not send it.
func refusalDetail(refusal *access.Refusal) string {
	if refusal.Reason == access.SignatureRequired {
		return refusal.Error()
	}
	return refusal.Error() + ". Send an API key in the header Authorization: Bearer sk_..."
}

func limited(wait time.Duration, detail string) *Problem {
	p := newProblem(codeRateLimited, detail)
	p.retryAfter = max(p.retryAfter, (wait + time.Second - 1).Truncate(time.Second))
	return p
}

// remote is the address that a request came from. A peer on a private network or this machine is taken for the proxy in
// front, and the address that it saw, the last one in X-Forwarded-For, for the caller's. Only limits depend on it: who
// makes an address up is at worst not limited.
func remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	from := peer.Addr().Unmap()
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 || !from.IsPrivate() && !from.IsLoopback() {
		return from
	}
	last := forwarded[len(forwarded)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if seen, err := netip.ParseAddr(last); err == nil {
		return seen.WithZone("")
	}
	return from
}
