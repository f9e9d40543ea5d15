package api

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/webhook"
)

// Problem is how every refusal leaves: problem details by RFC 9457.
type Problem struct {
	Type         string                `json:"type,omitempty" doc:"left out: the code says what it is"`
	Title        string                `json:"title" doc:"the status in words" example:"Bad Request"`
	Status       int                   `json:"status" example:"400"`
	Code         payment.Code          `json:"code" doc:"stable: branch on it"`
	Detail       string                `json:"detail" doc:"what to do"`
	RequestID    string                `json:"request_id" doc:"name it when you ask about this answer; the gateway's log has it" example:"req_8KX4QJ2M7ZP5TNWD3VYR6HBCAE"`
	PaymentID    string                `json:"payment_id,omitempty" doc:"the payment concerned, where one exists"`
	Errors       []FieldError          `json:"errors,omitempty" doc:"every field at fault"`
	ChannelError *payment.ChannelError `json:"channel_error,omitempty" doc:"the provider's own code and message"`

	retryAfter time.Duration
}

// FieldError is one mistake in a request.
type FieldError struct {
	Location string `json:"location" doc:"where, such as body.amount or query.limit" example:"body.amount"`
	Message  string `json:"message" example:"must be an integer"`
}

func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problem details.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// retryAfterMax bounds what a caller is told to wait where the gateway itself waits longer.
const retryAfterMax = time.Minute

// GetHeaders says when to come again, where coming again helps.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	return h
}

// newProblem makes a problem of a code in [Codes].
func newProblem(code payment.Code, detail string, fields ...FieldError) *Problem {
	k := kindOf(code)
	return &Problem{Title: http.StatusText(k.Status), Status: k.Status, Code: k.Code, Detail: detail, Errors: fields, retryAfter: k.retryAfter}
}

func invalid(fields ...FieldError) *Problem {
	return newProblem(payment.CodeInvalid, "mend the fields named in errors and send the request again; nothing was done", fields...)
}

func notFound(what, id string) *Problem {
	return newProblem(payment.CodeNotFound, "there is no "+what+" "+strconv.Quote(id)+"; check the id and that the key belongs to the same app")
}

// problemOf turns what a use case answered into a problem. What nobody foresaw leaves as "internal": its text stays
// in the log, under the request's id.
func problemOf(ctx context.Context, method string, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if e, ok := errors.AsType[*payment.Error](err); ok {
		return domainProblem(method, e)
	}
	switch {
	case errors.Is(err, payment.ErrConflict), errors.Is(err, webhook.ErrConflict):
		return newProblem(payment.CodeInProgress, "somebody else is changing this at the same moment; send the request again")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		exchangeOf(ctx).cause = err
		return newProblem(codeTimeout, "the request took too long and was given up; send it again, nothing is done twice")
	}
	exchangeOf(ctx).cause = err
	return internal()
}

func internal() *Problem {
	return newProblem(codeInternal, "the gateway failed; send the request again, nothing is done twice. If it stays, give the operator the request_id")
}

func domainProblem(method string, e *payment.Error) *Problem {
	p := newProblem(e.Code, e.Detail)
	if e.Field != "" {
		location := "body."
		if method == http.MethodGet {
			location = "query."
		}
		p.Errors = []FieldError{{Location: location + e.Field, Message: e.Detail}}
	}
	if e.Code == payment.CodeInvalid && e.Field != "" {
		p.Detail = invalid().Detail
	}
	if e.Payment != nil {
		p.PaymentID = e.Payment.ID
	}
	if ce := e.Channel; ce != nil {
		if ce.Code != "" || ce.Message != "" || ce.RequestID != "" {
			p.ChannelError = ce
		}
		if ce.Wait > 0 {
			p.retryAfter = min(max(ce.Wait, p.retryAfter), retryAfterMax)
		}
	}
	return p
}

// writeProblem answers outside of the routes.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	x := exchangeOf(r.Context())
	x.code, p.RequestID = p.Code, x.requestID
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller has gone
}

// TransformSchema lists the codes in the document.
func (*Problem) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	for _, k := range Codes() {
		s.Properties["code"].Enum = append(s.Properties["code"].Enum, string(k.Code))
	}
	return s
}
