package wechatpay

import (
	"encoding/base64"
	"unicode/utf8"
)

// plainJSON reads JSON of the plainest kind in one pass: objects whose values are such objects or strings without escapes,
// as the provider writes the envelope of a notification. Anything else ends the reading with false, and encoding/json
// reads the whole again. What is read here, encoding/json reads alike: of a key that comes twice the last value stays.
type plainJSON struct{ rest []byte }

// readPlain reads a text that is one object and nothing after it. It calls member for each key, to read the value or to
// say false to a key it does not know by just this spelling.
func readPlain(text []byte, member func(p *plainJSON, key []byte) bool) bool {
	if !utf8.Valid(text) { // encoding/json mends it
		return false
	}
	p := plainJSON{rest: text}
	if !p.object(member) {
		return false
	}
	p.skipSpace()
	return len(p.rest) == 0
}

// object reads an object with at least one member.
func (p *plainJSON) object(member func(p *plainJSON, key []byte) bool) bool {
	if !p.next('{') {
		return false
	}
	for {
		key, ok := p.text()
		if !ok || !p.next(':') || !member(p, key) {
			return false
		}
		if !p.next(',') {
			return p.next('}')
		}
	}
}

func (p *plainJSON) string(to *string) bool {
	text, ok := p.text()
	*to = string(text)
	return ok
}

func (p *plainJSON) base64(to *[]byte) bool {
	text, ok := p.text()
	if !ok {
		return false
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	*to = decoded[:n]
	return err == nil
}

func (p *plainJSON) time(to *wireTime) bool {
	text, ok := p.text()
	return ok && to.UnmarshalJSON(text) == nil
}

// text is the inside of a string, a part of the text read.
func (p *plainJSON) text() ([]byte, bool) {
	if !p.next('"') {
		return nil, false
	}
	for i, b := range p.rest {
		switch {
		case b == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text, true
		case b == '\\' || b < ' ':
			return nil, false
		}
	}
	return nil, false
}

// next steps over a byte and the space before it; false if another one is there.
func (p *plainJSON) next(want byte) bool {
	p.skipSpace()
	if len(p.rest) == 0 || p.rest[0] != want {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *plainJSON) skipSpace() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\r' || p.rest[0] == '\t') {
		p.rest = p.rest[1:]
	}
}
