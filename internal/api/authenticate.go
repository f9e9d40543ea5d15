package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tongbao-pay/tongbao/internal/access"
)

// challenge names the ways to authenticate, whatever was wrong.
const challenge = `Bearer realm="tongbao", TONGBAO-HMAC-SHA256 realm="tongbao"`

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
			x.refusal = refusal
			w.Header().Set("WWW-Authenticate", challenge)
			writeProblem(w, r, newProblem(codeUnauthenticated, refusal.Error()))
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
