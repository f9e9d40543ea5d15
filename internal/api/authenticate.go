package api

import (
	"errors"
	"net/http"
	"strings"

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
		body, problem := readBody(w, r)
		if problem != nil {
			writeProblem(w, r, problem)
			return
		}
		x := exchangeOf(r.Context())
		principal, err := a.principal(r, body)
		if refusal, ok := errors.AsType[*access.Refusal](err); ok {
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
