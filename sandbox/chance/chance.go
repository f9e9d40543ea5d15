// Package chance is where the sandbox's identifiers and probabilities come from: unpredictable by default, repeatable
// from a seed.
package chance

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
)

const (
	digits   = "0123456789"
	alphanum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Source is safe for concurrent use. It never makes keys; those come from the operating system.
type Source struct {
	mu     sync.Mutex
	stream *rand.ChaCha8
	r      *rand.Rand // over stream
}

// New returns a source that repeats itself for the same seed and generation. Seed zero starts from the operating system's randomness.
// The generation keeps a restarted sandbox from making its earlier identifiers again.
func New(seed, generation uint64) *Source {
	var key [32]byte
	if seed == 0 {
		crand.Read(key[:]) // never fails: crypto/rand ends the program instead
	} else {
		binary.LittleEndian.PutUint64(key[:8], seed)
		binary.LittleEndian.PutUint64(key[8:16], generation)
	}
	stream := rand.NewChaCha8(key)
	return &Source{stream: stream, r: rand.New(stream)}
}

// Happens returns true with the given probability: never at 0 and below, always at 1 and above.
func (s *Source) Happens(probability float64) bool {
	if probability <= 0 {
		return false
	}
	if probability >= 1 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Float64() < probability
}

// Digits returns n decimal digits.
func (s *Source) Digits(n int) string { return s.text(digits, n) }

// Alphanumeric returns n letters and digits.
func (s *Source) Alphanumeric(n int) string { return s.text(alphanum, n) }

// Hex returns n lower-case hexadecimal digits; n is even.
func (s *Source) Hex(n int) string { return hex.EncodeToString(s.bytes(n / 2)) }

// UUID returns a random (version 4) UUID.
func (s *Source) UUID() string {
	b := s.bytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Source) text(alphabet string, n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.r.IntN(len(alphabet))]
	}
	return string(b)
}

func (s *Source) bytes(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	_, _ = s.stream.Read(b) // never fails
	return b
}
