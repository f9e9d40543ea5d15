package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printer sees instead of a secret.
const redacted = "[redacted]"

// String is a text that must not be printed: fmt with any verb, slog, JSON and every encoder that asks for text see
// "[redacted]". The zero value is the empty text. It is immutable and safe for concurrent use.
type String struct {
	_ [0]func() // not comparable: == would compare addresses
	// A pointer, because fmt calls no methods on the unexported fields of a struct that holds a String: there it
	// prints an address instead of the text.
	text *string
}

// NewString wraps a text.
func NewString(text string) String { return String{text: &text} }

// Reveal returns the text. Call it only where the secret is used, never where something is printed.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty.
func (s String) IsZero() bool { return s.Reveal() == "" }

// String returns "[redacted]".
func (String) String() string { return redacted }

// Format prints "[redacted]" for every verb and flag.
func (String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is "[redacted]".
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText encodes "[redacted]": what was encoded cannot be decoded back.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the text as the secret, so that configuration can be read straight into a String.
func (s *String) UnmarshalText(text []byte) error {
	*s = NewString(string(text))
	return nil
}
