package api

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/idempotency"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// operation is a line of the table of routes.
type operation struct {
	pattern string // method and path
	id      string // names the operation in the document
	summary string
	detail  string         // optional
	answers map[int]string // status -> when; the first key in numerical order is the usual one
	codes   []payment.Code // beside those that every operation may answer with
}

// handle puts a handler behind its decoder. The handler runs only on a request that its schema accepts.
func handle[I, O any](a *api, o operation, handler func(context.Context, access.Principal, *I) (*O, error)) {
	method, path, _ := strings.Cut(o.pattern, " ")
	op := a.document(o, method, path)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		idempotency.Executing(ctx)
		x := exchangeOf(ctx)
		out, err := handler(ctx, x.principal, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(ctx, method, err)
		p.RequestID, x.code = x.requestID, p.Code
		concerns(ctx, p.PaymentID, "")
		if p.Code == payment.CodeInvalid {
			idempotency.NotExecuted(ctx)
		}
		return nil, p
	})
	a.completeAnswers(method, path)
}

// output is an answer with a status of its own and a resource.
type output[T any] struct {
	Status     int
	Location   string `header:"Location" hidden:"true"`
	RetryAfter string `header:"Retry-After" hidden:"true"`
	Body       T
}

func ok[T any](body T) *output[T] { return &output[T]{Status: http.StatusOK, Body: body} }

// unsettled is the answer while a provider's word is still missing.
func unsettled[T any](body T) *output[T] {
	return &output[T]{Status: http.StatusAccepted, RetryAfter: "1", Body: body}
}

// plainPath has the characters of every path there is. Others reach neither the routes nor a database.
var plainPath = regexp.MustCompile(`^[0-9A-Za-z/_.-]{1,256}$`)

// route hands the request to its route; where there is none, the answer is a problem too.
func (a *api) route(w http.ResponseWriter, r *http.Request) {
	if !plainPath.MatchString(r.URL.Path) {
		writeProblem(w, r, noSuchPath())
		return
	}
	if _, pattern := a.routes.Handler(r); pattern != "" {
		exchangeOf(r.Context()).route = pattern
		a.routes.ServeHTTP(w, r)
		return
	}
	allowed := a.allowed(r)
	if allowed == "" {
		writeProblem(w, r, noSuchPath())
		return
	}
	w.Header().Set("Allow", allowed)
	writeProblem(w, r, newProblem(codeMethod, "this path does not take the method "+strconv.Quote(bounded(r.Method, 20))+"; it takes "+allowed))
}

// allowed lists the methods that the path takes, or "".
func (a *api) allowed(r *http.Request) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := a.routes.Handler(probe); pattern != "" {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}
