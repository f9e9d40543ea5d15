package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// configureDecoder sets what huma keeps in package variables, once and before anything is served: the shape of its
// errors, exact field names, and messages that say what a value must be.
var configureDecoder = sync.OnceFunc(func() {
	huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
		return decoderProblem(nil, status, detail, errs...)
	}
	huma.NewErrorWithContext = decoderProblem
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	validation.MsgUnexpectedProperty = "is not a field of this request"
	validation.MsgExpectedBoolean = "must be true or false"
	validation.MsgExpectedInteger = "must be an integer, written without fraction, exponent or quotes"
	validation.MsgExpectedString = "must be a text"
	validation.MsgExpectedArray = "must be a list"
	validation.MsgExpectedObject = "must be an object"
	validation.MsgExpectedArrayItemsUnique = "must not name anything twice"
	validation.MsgExpectedOneOf = "must be one of %s"
	validation.MsgExpectedMinimumNumber = "must be at least %.0f"
	validation.MsgExpectedMaximumNumber = "must be at most %.0f"
	validation.MsgExpectedMinLength = "must have at least %d characters"
	validation.MsgExpectedMaxLength = "must have at most %d characters"
	validation.MsgExpectedMinItems = "must have at least %d items"
	validation.MsgExpectedMaxItems = "must have at most %d items"
	validation.MsgExpectedMinProperties = "must have at least %d fields"
	validation.MsgExpectedMaxProperties = "must have at most %d fields"
	validation.MsgExpectedBePattern = "must be %s"
	validation.MsgExpectedMatchPattern = "must match %s"
	validation.MsgExpectedRequiredProperty = missingField
	validation.MsgExpectedRFC3339DateTime = expectedTime
	validation.MsgExpectedRFCIPAddr = "must be an IPv4 or IPv6 address"
	validation.MsgExpectedRFC3986URI = "must be a URL: %v"
})

// missingField is huma's message about the object that lacks a field; we name the field itself.
const missingField = "lacks the field %s"

// expectedTime has an example in UTC: the + of another offset would have to be encoded in a query.
const expectedTime = "must be an RFC 3339 time such as 2026-01-31T02:00:00Z"

// unreadTime is how huma's message about a parameter begins that is no time; it goes on with a layout of Go's.
const unreadTime = "invalid date/time"

// jsonFormat is the only one spoken.
var jsonFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: decodeJSON,
}

// decoderProblem is what the decoder refuses, in our shape. The values at fault are not repeated: they may be personal.
func decoderProblem(c huma.Context, status int, detail string, errs ...error) huma.StatusError {
	x := &exchange{}
	if c != nil {
		x = exchangeOf(c.Context())
	}
	var p *Problem
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		p = invalid(fieldErrors(detail, errs)...)
	default: // unreachable: size, time and kind of the body were settled before
		x.cause = fmt.Errorf("decoder: %d %s: %v", status, detail, errs)
		p = internal()
	}
	p.RequestID, x.code = x.requestID, p.Code
	return p
}

func fieldErrors(detail string, errs []error) []FieldError {
	if len(errs) == 0 {
		return []FieldError{{Location: "body", Message: detail}}
	}
	fields := make([]FieldError, 0, len(errs))
	for _, err := range errs {
		f := FieldError{Location: "body", Message: err.Error()}
		if d, ok := err.(huma.ErrorDetailer); ok {
			f = FieldError{Location: d.ErrorDetail().Location, Message: d.ErrorDetail().Message}
		}
		prefix, _, _ := strings.Cut(missingField, "%s")
		if name, missing := strings.CutPrefix(f.Message, prefix); missing {
			f = FieldError{Location: f.Location + "." + name, Message: "is required"}
		}
		if strings.HasPrefix(f.Message, unreadTime) {
			f.Message = expectedTime
		}
		fields = append(fields, f)
	}
	slices.SortStableFunc(fields, func(a, b FieldError) int { return strings.Compare(a.Location, b.Location) })
	return fields
}
