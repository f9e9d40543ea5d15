package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Request is a call to an endpoint that this package has no method for.
type Request struct {
	// Method is GET, POST, PUT, PATCH or DELETE.
	Method string
	// Path is absolute and escaped, such as "/v3/applyment4sub/applyment/": use [url.PathEscape] for what is put
	// into it. Host, query and fragment stay out.
	Path string
	// Query is encoded and appended to Path.
	Query url.Values
	// Body is written as JSON; a [json.RawMessage] or []byte is JSON already and sent as it is. Nil: no body.
	// With File, it is the meta part.
	Body any
	// File is sent as multipart/form-data, for uploads. Nil: the body is JSON.
	File *File
	// Header holds further headers: Wechatpay-Serial with the serial that [Client.EncryptSensitive] gave for the
	// encrypted fields of Body, Idempotency-Key, Accept-Language. The Client sets the others itself.
	Header http.Header
	// Repeatable says that repeating the request is harmless: the endpoint only reads, or knows a repeat by a number
	// of the merchant's or by the Idempotency-Key. Then lost tries are repeated inside the call, as for a GET, which
	// is always repeatable. Otherwise only a try that surely had no effect is.
	Repeatable bool
}

// Do makes any call of WeChat Pay APIv3, so that nothing is out of reach: signed, sent to both access points, its
// answer verified, its errors read as those of every other method. The answer's JSON is decoded into answer, a
// pointer. A nil answer takes any success, as of endpoints that answer 204; so does a *[json.RawMessage], which holds
// the body or nothing. After an error, answer is as it was. An answer 202, accepted and not final, is an *[Error] with that Status: ask again later.
//
// Do adds nothing to the request: a Client of [Client.ForSubMerchant] sends the same as its parent. It cannot know
// what the answer should be about: compare the numbers in it with your own. Encrypted fields of the answer are for
// [Client.DecryptSensitive]. Files, which the provider does not sign, come by [Client.DownloadFile].
func (c *Client) Do(ctx context.Context, request Request, answer any) error {
	name := request.Method + " " + request.Path
	k, err := request.call()
	if err != nil {
		return failed(name, OutcomeRefused, err)
	}
	if pointer := reflect.ValueOf(answer); answer != nil && (pointer.Kind() != reflect.Pointer || pointer.IsNil()) {
		return failed(name, OutcomeRefused, &FieldError{Field: "answer", Problem: "must be a pointer"})
	}
	k.name, k.timeout = name, c.queryTimeout
	if k.write {
		k.timeout = c.writeTimeout
	}
	k.decode = decodeInto(answer)
	return c.do(ctx, k)
}

// decodeInto reads a body into answer; nil if answer does not care.
func decodeInto(answer any) func(body []byte) error {
	switch answer := answer.(type) {
	case nil:
		return nil
	case *json.RawMessage:
		return func(body []byte) error {
			if len(body) > 0 && !json.Valid(body) {
				return fmt.Errorf("%w: body is not JSON", ErrMalformed)
			}
			*answer = body
			return nil
		}
	}
	to := reflect.ValueOf(answer).Elem()
	return func(body []byte) error {
		read := reflect.New(to.Type()) // an answer that is not accepted leaves nothing to the next
		if err := decodeJSON(body, read.Interface()); err != nil {
			return err
		}
		to.Set(read.Elem())
		return nil
	}
}

// call checks the request and makes it ready to sign.
func (r *Request) call() (call, error) {
	k := call{
		method: r.Method, target: r.Path, header: r.furtherHeader(),
		write: r.Method != http.MethodGet, once: r.Method != http.MethodGet && !r.Repeatable,
	}
	if len(r.Query) > 0 {
		k.target += "?" + r.Query.Encode()
	}
	if serial := k.header[headerSerial]; len(serial) > 0 {
		k.keySerial = serial[0]
	}
	var v validation
	r.validate(&v)
	content, err := r.content()
	v.addErr("Body", err)
	if r.File != nil {
		r.File.validate(&v, "File.")
	}
	if err := v.err(); err != nil {
		return call{}, err
	}
	k.body = content
	if r.File == nil {
		return k, nil
	}
	form, err := r.File.form(content)
	if err != nil {
		return call{}, err
	}
	form.sendWith(&k)
	return k, nil
}

// content is the JSON of Body.
func (r *Request) content() ([]byte, error) {
	switch body := r.Body.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return rawJSON(body)
	case []byte:
		return rawJSON(body)
	}
	text, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("cannot be written as JSON: %w", err)
	}
	return text, nil
}

func rawJSON(text []byte) ([]byte, error) {
	if !json.Valid(text) {
		return nil, fmt.Errorf("must be JSON")
	}
	return text, nil
}

// furtherHeader is Header by canonical name.
func (r *Request) furtherHeader() http.Header {
	further := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		further[name] = append(further[name], values...)
	}
	return further
}

func (r *Request) validate(v *validation) {
	switch r.Method {
	case http.MethodGet:
		if r.Body != nil || r.File != nil {
			v.add("Body", "must be empty for a GET")
		}
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		v.add("Method", "must be GET, POST, PUT, PATCH or DELETE")
	}
	path, err := url.ParseRequestURI(r.Path)
	switch {
	case err != nil || !strings.HasPrefix(r.Path, "/") || strings.HasPrefix(r.Path, "//"):
		v.add("Path", "must be an escaped path from the root, such as /v3/certificates")
	case strings.ContainsAny(r.Path, "?#"):
		v.add("Path", "must hold no query and no fragment; use Query")
	case path.EscapedPath() != r.Path: // what is signed must be what is sent
		v.add("Path", "must be escaped; use url.PathEscape for what is put into it")
	}
	for name, values := range r.Header {
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Authorization", "Accept", "Content-Type", "Content-Length", "User-Agent", "Host":
			v.add("Header", name+" is set by the Client")
		case headerSerial:
			if len(values) != 1 || !isVisibleASCII(values[0]) {
				v.add("Header", name+" must be one serial")
			}
		}
		// The transport would refuse them once the call has begun, as if they might have been sent.
		switch {
		case !isHeaderName(name):
			v.add("Header", "a name may hold letters, digits, - and _ only")
		case slices.ContainsFunc(values, func(value string) bool { return strings.ContainsFunc(value, isControl) }):
			v.add("Header", name+" must not hold control characters")
		}
	}
}

func isHeaderName(name string) bool {
	for _, b := range []byte(name) {
		if !isAlphanumeric(b) && b != '-' && b != '_' {
			return false
		}
	}
	return name != ""
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }
