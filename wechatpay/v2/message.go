package wechatpayv2

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// The largest message that is read: larger than any the provider sends.
const (
	messageBytesMax = 1 << 20
	fieldsMax       = 2048
	nameBytesMax    = 64
	valueBytesMax   = 64 << 10
	entityBytesMax  = 10 // &#x10FFFF;
)

// Fields is a message of APIv2: the provider's names and their values, flat. An empty value is as good as none.
type Fields map[string]string

// encode writes the message as XML, its fields in order. Values are escaped rather than put into CDATA sections, so that none
// can end its section.
func (f Fields) encode() []byte {
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if f[name] == "" {
			continue
		}
		b.WriteString("<" + name + ">")
		escape(&b, f[name])
		b.WriteString("</" + name + ">")
	}
	b.WriteString("</xml>")
	return b.Bytes()
}

func escape(b *bytes.Buffer, value string) {
	for _, r := range value {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '\r':
			b.WriteString("&#xD;") // a reader may make a line feed of a bare one
		default:
			b.WriteRune(r)
		}
	}
}

// decode reads a message whose outermost element is called root. It knows nothing of XML but what such a message needs: flat
// elements of text and CDATA sections, the five named characters and character references, and one XML declaration at the
// start. Whatever else there is, above all a document type with its entities, is refused where it begins, so that no
// external entity can be asked for and none can grow (WeChat Pay APIv2, 关于XML解析存在的安全问题指引).
func decode(message []byte, root string) (Fields, error) {
	if len(message) > messageBytesMax {
		return nil, fmt.Errorf("message: %w", wechatpay.ErrBodyTooLarge)
	}
	if !utf8.Valid(message) {
		return nil, malformed("not UTF-8")
	}
	r := &reader{rest: strings.TrimPrefix(string(message), "\ufeff")}
	if err := r.begin(root); err != nil {
		return nil, err
	}
	fields := make(Fields)
	for {
		r.space()
		if r.take("</" + root + ">") {
			break
		}
		name, value, err := r.element()
		if err != nil {
			return nil, err
		}
		if _, again := fields[name]; again {
			return nil, malformed("a field comes twice")
		}
		if len(fields) == fieldsMax {
			return nil, malformed("too many fields")
		}
		fields[name] = value
	}
	if r.space(); r.rest != "" {
		return nil, malformed("something after the message")
	}
	return fields, nil
}

func malformed(problem string) error {
	return fmt.Errorf("%w: XML: %s", wechatpay.ErrMalformed, problem)
}

// reader goes through a message once, from its start to its end.
type reader struct{ rest string }

func (r *reader) space() { r.rest = strings.TrimLeft(r.rest, " \t\r\n") }

func (r *reader) take(text string) bool {
	rest, found := strings.CutPrefix(r.rest, text)
	if found {
		r.rest = rest
	}
	return found
}

// until takes the text before mark, and mark.
func (r *reader) until(mark string) (text string, found bool) {
	text, rest, found := strings.Cut(r.rest, mark)
	if found {
		r.rest = rest
	}
	return text, found
}

func (r *reader) begin(root string) error {
	r.space()
	if r.take("<?xml ") {
		if declaration, found := r.until("?>"); !found || strings.ContainsAny(declaration, "<>&") {
			return malformed("the declaration does not end")
		}
	}
	r.space()
	if !r.take("<" + root + ">") {
		return malformed("does not begin with <" + root + ">")
	}
	return nil
}

// element reads one field, which holds text and nothing else.
func (r *reader) element() (name, value string, err error) {
	if !r.take("<") {
		return "", "", malformed("text where a field is due")
	}
	tag, found := r.until(">")
	name, empty := strings.CutSuffix(tag, "/")
	if !found || !isFieldName(name) {
		return "", "", malformed("something that is no field")
	}
	if empty {
		return name, "", nil
	}
	var b strings.Builder
	for !r.take("</" + name + ">") {
		if b.Len() > valueBytesMax {
			return "", "", malformed("a value is too long")
		}
		if err := r.text(&b); err != nil {
			return "", "", err
		}
	}
	if b.Len() > valueBytesMax {
		return "", "", malformed("a value is too long")
	}
	return name, b.String(), nil
}

// text reads the next piece of a value: a CDATA section, a reference, or what comes before one.
func (r *reader) text(to *strings.Builder) error {
	switch {
	case r.take("<![CDATA["):
		section, found := r.until("]]>")
		if !found {
			return malformed("a CDATA section does not end")
		}
		return write(to, section)
	case r.take("&"):
		reference, found := r.until(";")
		if !found || len(reference) > entityBytesMax {
			return malformed("a reference does not end")
		}
		char, err := resolve(reference)
		if err != nil {
			return err
		}
		return write(to, char)
	}
	n := strings.IndexAny(r.rest, "<&")
	if n <= 0 {
		return malformed("a field holds more than text")
	}
	piece := r.rest[:n]
	r.rest = r.rest[n:]
	if strings.Contains(piece, "]]>") {
		return malformed("a CDATA section ends that did not begin")
	}
	return write(to, piece)
}

func write(to *strings.Builder, text string) error {
	for _, char := range text {
		if !isXMLChar(char) {
			return malformed("a control character")
		}
	}
	to.WriteString(text)
	return nil
}

// resolve knows the references that XML itself defines, and no others.
func resolve(reference string) (string, error) {
	switch reference {
	case "amp":
		return "&", nil
	case "lt":
		return "<", nil
	case "gt":
		return ">", nil
	case "quot":
		return `"`, nil
	case "apos":
		return "'", nil
	}
	digits, numeric := strings.CutPrefix(reference, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	code, err := strconv.ParseUint(digits, base, 21)
	if !numeric || err != nil || !utf8.ValidRune(rune(code)) {
		return "", malformed("an entity that XML does not define")
	}
	return string(rune(code)), nil
}

func isXMLChar(char rune) bool {
	return char >= ' ' && char != 0xFFFE && char != 0xFFFF || char == '\t' || char == '\n' || char == '\r'
}

func isFieldName(name string) bool {
	if name == "" || len(name) > nameBytesMax {
		return false
	}
	for _, b := range []byte(name) {
		if !isAlphanumeric(b) && b != '_' && b != '-' && b != '.' {
			return false
		}
	}
	return true
}
