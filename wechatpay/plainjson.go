package wechatpay

import (
	"encoding/base64"
	"unicode/utf8"
)

// plainJSON reads JSON of the plainest kind in one pass: an object whose values are strings without escapes or objects of
// the same kind, as the provider writes most of its small ones. Anything else fails the whole reading, and encoding/json
// reads the text from its start. What is read here, encoding/json reads alike: of a key that comes twice the last value
// stays.
//
// An object is read by open and then next until it is false; after each next the value of key must be read, or fail called
// for a key not known by just this spelling. Values read before a failure mean nothing.
type plainJSON struct {
	rest   []byte
	key    []byte // a part of the text
	opened bool   // no member of the object was read yet
	failed bool
}

// readPlainMember reads the one member that an object has; false if encoding/json must read the text.
func readPlainMember(text []byte, name string, value *string) bool {
	p := newPlainJSON(text)
	p.open()
	for p.next() {
		if string(p.key) == name {
			*value = p.string()
		} else {
			p.fail()
		}
	}
	return p.end()
}

func newPlainJSON(text []byte) plainJSON {
	return plainJSON{rest: text, failed: !utf8.Valid(text)} // encoding/json mends what is not valid
}

func (p *plainJSON) fail() { p.failed = true }

// end reports that the text was read to its end without a failure.
func (p *plainJSON) end() bool {
	p.skipSpace()
	return !p.failed && len(p.rest) == 0
}

// open enters an object, which must have a member.
func (p *plainJSON) open() {
	p.must('{')
	p.opened = true
}

// next comes to the next member of the object; false at its end or after a failure.
func (p *plainJSON) next() bool {
	if !p.opened && !p.take(',') {
		p.must('}')
		return false
	}
	p.opened = false
	p.key = p.text()
	p.must(':')
	return !p.failed
}

func (p *plainJSON) string() string { return string(p.text()) }

func (p *plainJSON) base64() []byte {
	text := p.text()
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	if err != nil {
		p.fail()
	}
	return decoded[:n]
}

// text is the inside of a string, a part of the text read.
func (p *plainJSON) text() []byte {
	p.must('"')
	for i, b := range p.rest {
		switch {
		case b == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text
		case b == '\\' || b < ' ':
			p.fail()
			return nil
		}
	}
	p.fail()
	return nil
}

// must takes a byte or fails.
func (p *plainJSON) must(want byte) {
	if !p.take(want) {
		p.fail()
	}
}

// take steps over space and then over a byte; false if another one is there.
func (p *plainJSON) take(want byte) bool {
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
