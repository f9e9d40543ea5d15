package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// depthMax bounds how deep a request may be nested; the deepest that has a meaning is 3.
const depthMax = 8

// absent stands for a null: no field takes one, and unlike nil it fits no schema.
type absent struct{}

// decodeJSON reads a request's body more strictly than encoding/json: UTF-8 only, no field twice, no null, nothing
// behind the value, no U+0000 in a text. Into an any, integers are int64 and every other number stays a json.Number,
// which fits no schema: an amount is never rounded on its way in.
func decodeJSON(data []byte, into any) error {
	tree, ok := into.(*any)
	if !ok {
		return json.Unmarshal(data, into)
	}
	if !utf8.Valid(data) {
		return errors.New("must be UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("must be one JSON value with nothing behind it")
	}
	*tree = v
	return nil
}

// malformed keeps what encoding/json says about where the mistake is.
func malformed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("must be JSON: it ends too early")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("must be JSON: %s, at byte %d", syntax, syntax.Offset)
	}
	return err
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == depthMax {
			return nil, fmt.Errorf("must not be nested deeper than %d", depthMax)
		}
		if t == '{' {
			return decodeObject(d, depth+1)
		}
		return decodeArray(d, depth+1)
	case json.Number:
		if i, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return i, nil
		}
		return t, nil
	case string:
		return t, plainText(t)
	case nil:
		return absent{}, nil
	}
	return token, nil // a bool
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("must be JSON: a field has no name") // unreachable: the decoder refuses it
		}
		if err := plainText(name); err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("must not give the field %q twice", name)
		}
		if object[name], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	array := []any{}
	for d.More() {
		v, err := decodeValue(d, depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.Token()
	return array, err
}

// plainText refuses what PostgreSQL cannot store as text.
func plainText(s string) error {
	if strings.ContainsRune(s, 0) {
		return errors.New("must not have the character U+0000 in a text")
	}
	return nil
}
