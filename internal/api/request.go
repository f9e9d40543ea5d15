package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// BodyMax bounds the body of a request.
const BodyMax = 64 << 10

// bodyTimeout bounds how long a body may take to arrive.
const bodyTimeout = 5 * time.Second

// readBody reads a body whole, bounded in size and time. Its problems tell nothing that a stranger may not know.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	x := exchangeOf(r.Context())
	// The deadline is lifted again: left in place it would end the request itself, not only its reading.
	if x.connection != nil && x.connection.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer func() { _ = x.connection.SetReadDeadline(time.Time{}) }()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, BodyMax))
	if err == nil {
		return body, nil
	}
	w.Header().Set("Connection", "close") // what is left of the body is not worth reading
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, newProblem(codeTooLarge, "the body is larger than 64 KiB; no request of this API needs so much")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, newProblem(codeTimeout, "the body took longer than 5 seconds to arrive; send the request again")
	}
	return nil, invalid(FieldError{Location: "body", Message: "did not arrive whole"})
}

// checked refuses what no route takes: bodies where none belongs or of another kind, and ambiguous parameters.
func checked(body []byte, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem := checkQuery(r.URL.RawQuery)
		if problem == nil {
			problem = checkBody(r, body)
		}
		if problem != nil {
			writeProblem(w, r, problem)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Del("Accept") // there is one format: nothing to negotiate
		next.ServeHTTP(w, r)
	})
}

func checkBody(r *http.Request, body []byte) *Problem {
	if len(body) == 0 {
		return nil
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return invalid(FieldError{Location: "body", Message: "must be empty with the method " + r.Method})
	}
	mediaType, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || mediaType != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) ||
		len(r.Header.Values("Content-Type")) > 1 || r.Header.Get("Content-Encoding") != "" {
		return newProblem(codeMediaType, "send the body as JSON in UTF-8, not compressed, with the header Content-Type: application/json")
	}
	return nil
}

func checkQuery(raw string) *Problem {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return invalid(FieldError{Location: "query", Message: "must be well-formed: name=value pairs, percent-encoded"})
	}
	var mistakes []FieldError
	for name, v := range values {
		if len(v) > 1 {
			mistakes = append(mistakes, FieldError{Location: "query." + name, Message: "must not be given twice"})
		}
	}
	if len(mistakes) == 0 {
		return nil
	}
	slices.SortFunc(mistakes, func(a, b FieldError) int { return strings.Compare(a.Location, b.Location) })
	return invalid(mistakes...)
}

// timed bounds a request. Use cases that must end what they began go on behind it, within bounds of their own.
func (a *api) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.config.RequestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// secured sets what keeps an answer from being more than data.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
