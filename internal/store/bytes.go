package store

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Bytes are stored as text, which both engines read and write alike and a person can copy.

type base64Text struct{ b *[]byte }

func (t base64Text) Scan(value any) (err error) {
	stored, ok := value.(string)
	if !ok {
		return fmt.Errorf("store: bytes are stored as %T, not as text", value)
	}
	*t.b, err = base64.StdEncoding.DecodeString(stored)
	return err
}

type hexText struct{ b *[]byte }

func (t hexText) Scan(value any) (err error) {
	stored, ok := value.(string)
	if !ok {
		return fmt.Errorf("store: a hash is stored as %T, not as text", value)
	}
	*t.b, err = hex.DecodeString(stored)
	return err
}

func encodeBytes(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
