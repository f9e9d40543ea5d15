// Package control is both ends of the sandbox's control API: how the sandbox reads what it is told and answers, in strict,
// bounded JSON with errors that say what to do; and a client of it.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// BodyBytesMax bounds what a control call may send.
const BodyBytesMax = 64 << 10

// Problem is the body of every error answer.
type Problem struct {
	Error   string   `json:"error"`             // what is wrong and what to do
	Field   string   `json:"field,omitempty"`   // the field it is about
	Allowed []string `json:"allowed,omitempty"` // the values the field may have
}

// Read decodes the body into v. An empty body leaves v as it is; unknown fields, several values and a body over
// [BodyBytesMax] are refused with an answer, and Read returns false.
func Read(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, BodyBytesMax))
	if err != nil {
		Refuse(w, http.StatusRequestEntityTooLarge, Problem{Error: "the body is larger than 64 KiB or broke off; send one small JSON object"})
		return false
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		Refuse(w, http.StatusBadRequest, describe(err))
		return false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		Refuse(w, http.StatusBadRequest, Problem{Error: "the body holds more than one JSON value; send one object"})
		return false
	}
	return true
}

func describe(err error) Problem {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return Problem{Error: "a JSON " + wrong.Value + " does not fit here; the field is of type " + wrong.Type.String(), Field: wrong.Field}
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return Problem{Error: "there is no such field; remove it or correct its spelling", Field: strings.Trim(name, `"`)}
	}
	return Problem{Error: "the body is not the JSON object this call takes: " + err.Error()}
}

// Write answers with v as JSON.
func Write(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		Refuse(w, http.StatusInternalServerError, Problem{Error: "the answer could not be written as JSON"})
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a caller who has gone needs no answer
}

// Refuse answers with the problem.
func Refuse(w http.ResponseWriter, status int, p Problem) { Write(w, status, p) }
