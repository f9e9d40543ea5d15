package wechatpaysim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	text kind = iota
	integer
	boolean
	object
	list
)

// field describes one field of a request as the provider's documents do.
type field struct {
	name     string
	kind     kind
	required bool
	min, max int64    // text: characters; integer: value; list: items. max 0: no limit
	symbols  string   // text: the characters allowed beside letters and digits; empty: any character
	oneOf    []string // text, and each item of a list of texts: the only values
	fields   []field  // object, and each item of a list of objects
}

func str(name string, limit int64) field { return field{name: name, kind: text, min: 1, max: limit} }

func number(name string, least int64) field {
	return field{name: name, kind: integer, min: least, max: amountMax}
}

func group(name string, fields ...field) field {
	return field{name: name, kind: object, fields: fields}
}

func items(name string, fields ...field) field {
	return field{name: name, kind: list, min: 1, max: 6000, fields: fields}
}

// choices is a list of texts, each one of the values.
func choices(name string, values ...string) field {
	return field{name: name, kind: list, min: 1, max: int64(len(values)), oneOf: values}
}

func enum(name string, values ...string) field { return field{name: name, kind: text, oneOf: values} }

func required(f field) field {
	f.required = true
	return f
}

// between returns the text field with a lower limit and the symbols its numbers may hold.
func (f field) between(least int64, symbols string) field {
	f.min, f.symbols = least, symbols
	return f
}

// amountMax is the largest amount in fen: ten digits of yuan.
const amountMax = 1_000_000_000_000

// decodeBody reads a request body as strictly as the provider: one JSON object in UTF-8, no null, no character outside
// the basic plane (WeChat Pay APIv3, 基本规则: 仅支持UTF-8且字符为1-3字节).
func decodeBody(raw []byte) (map[string]any, *apiError) {
	refuse := func(issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: "", Issue: issue, Location: "body"})
	}
	if !utf8.Valid(raw) {
		return nil, refuse("the body is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil || body == nil {
		return nil, refuse("the body is not a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse("the body holds more than one JSON value")
	}
	if err := checkPlain("", body); err != nil {
		return nil, err
	}
	return body, nil
}

func checkPlain(pointer string, value any) *apiError {
	refuse := func(issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: pointer, Issue: issue, Location: "body"})
	}
	switch v := value.(type) {
	case nil:
		return refuse("null is not allowed; leave the field out")
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return r > 0xffff }) {
			return refuse("characters of four bytes in UTF-8, such as emoji, are not allowed")
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := checkPlain(pointer+"/"+name, v[name]); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range v {
			if err := checkPlain(pointer+"/"+strconv.Itoa(i), item); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkFields compares an object with its description. Unknown fields are an error only where strict.
func checkFields(pointer string, value map[string]any, fields []field, strict bool) *apiError {
	known := make(map[string]bool, len(fields))
	for _, f := range fields {
		known[f.name] = true
		at := pointer + "/" + f.name
		v, present := value[f.name]
		if !present {
			if f.required {
				return paramError(internalIllegalParameter, fieldDetail{Field: at, Issue: "the field is required", Location: "body"})
			}
			continue
		}
		if err := f.check(at, v, strict); err != nil {
			return err
		}
	}
	if !strict {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		if !known[name] {
			return paramError(internalExtraParameter, fieldDetail{Field: pointer + "/" + name, Issue: "there is no such field in this request", Location: "body"})
		}
	}
	return nil
}

func (f field) check(at string, value any, strict bool) *apiError {
	refuse := func(internal int, issue string) *apiError {
		return paramError(internal, fieldDetail{Field: at, Value: value, Issue: issue, Location: "body"})
	}
	switch f.kind {
	case text:
		s, ok := value.(string)
		if !ok {
			return refuse(internalIllegalParameter, "the value must be a string")
		}
		if issue := f.checkText(s); issue != "" {
			return refuse(internalOutOfRange, issue)
		}
	case integer:
		n, ok := value.(json.Number)
		if !ok {
			return refuse(internalIllegalParameter, "the value must be an integer")
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil {
			return refuse(internalIllegalParameter, "the value must be an integer without fraction or exponent")
		}
		if i < f.min || i > f.max {
			return refuse(internalOutOfRange, fmt.Sprintf("the value must be %d to %d", f.min, f.max))
		}
	case boolean:
		if _, ok := value.(bool); !ok {
			return refuse(internalIllegalParameter, "the value must be true or false")
		}
	case object:
		m, ok := value.(map[string]any)
		if !ok {
			return refuse(internalIllegalParameter, "the value must be an object")
		}
		return checkFields(at, m, f.fields, strict)
	case list:
		return f.checkList(at, value, strict)
	}
	return nil
}

func (f field) checkList(at string, value any, strict bool) *apiError {
	l, ok := value.([]any)
	if !ok || int64(len(l)) < f.min || int64(len(l)) > f.max {
		return paramError(internalIllegalParameter, fieldDetail{Field: at, Issue: fmt.Sprintf("the value must be an array of %d to %d items", f.min, f.max), Location: "body"})
	}
	for i, item := range l {
		place := at + "/" + strconv.Itoa(i)
		if len(f.oneOf) > 0 {
			if err := enum(place, f.oneOf...).check(place, item, strict); err != nil {
				return err
			}
			continue
		}
		m, ok := item.(map[string]any)
		if !ok {
			return paramError(internalIllegalParameter, fieldDetail{Field: place, Issue: "the item must be an object", Location: "body"})
		}
		if err := checkFields(place, m, f.fields, strict); err != nil {
			return err
		}
	}
	return nil
}

// checkText returns what is wrong with the text, or nothing.
func (f field) checkText(s string) string {
	if len(f.oneOf) > 0 {
		if !slices.Contains(f.oneOf, s) {
			return "the value must be one of " + strings.Join(f.oneOf, ", ")
		}
		return ""
	}
	if n := int64(utf8.RuneCountInString(s)); n < f.min || n > f.max {
		return fmt.Sprintf("the value must have %d to %d characters", f.min, f.max)
	}
	if f.symbols != "" && strings.ContainsFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(f.symbols, r) }) {
		return "the value may hold letters, digits and " + f.symbols + " only"
	}
	return ""
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// The characters that a merchant's numbers may hold beside letters and digits.
const (
	tradeNoSymbols  = "_-|*"
	refundNoSymbols = "_-|*@"
)
