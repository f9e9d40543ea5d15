package wechatpay

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

// Sensitive is personal data in the clear, such as a card number. It prints, logs and marshals as
// "[redacted]"; convert it to a string to read it.
type Sensitive string

// Format writes a placeholder, whatever the verb.
func (Sensitive) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// LogValue is a placeholder.
func (Sensitive) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON writes a placeholder.
func (Sensitive) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// EncryptSensitive encrypts up to 214 bytes for the provider (WeChat Pay APIv3, 敏感信息加密) and
// returns the base64 text with the serial that must travel as Wechatpay-Serial. The methods of
// Client encrypt their own fields; this is for calls made by hand.
func (c *Client) EncryptSensitive(ctx context.Context, plaintext Sensitive) (ciphertext, serial string, err error) {
	key, err := c.encryptionKey(ctx)
	if err != nil {
		return "", "", failed("encrypt", OutcomeRetry, err)
	}
	ciphertext, err = key.encrypt(plaintext)
	if err != nil {
		return "", "", failed("encrypt", OutcomeRefused, err)
	}
	return ciphertext, key.serial, nil
}

// encryptionKey is the current key, downloaded first if none is known.
func (c *Client) encryptionKey(ctx context.Context) (*verificationKey, error) {
	if err := c.prepareKeys(ctx); err != nil {
		return nil, err
	}
	key := c.keys.Load().current(c.now())
	if key == nil {
		return nil, errNoCurrentKey
	}
	return key, nil
}

func (k *verificationKey) encrypt(plaintext Sensitive) (string, error) {
	sealed, err := k.suite.Encrypt(k.public, []byte(plaintext))
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// DecryptSensitive opens a sensitive field of an answer (WeChat Pay APIv3, 敏感信息解密) with the
// merchant's private key. It fails with [ErrDecrypt] for anything the provider did not encrypt for this
// key, and when Config.Signer is no [crypto.Decrypter].
func (c *Client) DecryptSensitive(ciphertext string) (Sensitive, error) {
	decrypter, ok := c.merchant.signer.(crypto.Decrypter)
	if !ok {
		return "", failed("decrypt", OutcomeRefused,
			errors.Join(ErrDecrypt, errors.New("Config.Signer cannot decrypt: give one that is a crypto.Decrypter")))
	}
	sealed, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil {
		return "", failed("decrypt", OutcomeRefused, fmt.Errorf("%w: the field is not base64", ErrDecrypt))
	}
	plaintext, err := c.merchant.suite.Decrypt(decrypter, sealed)
	if err != nil {
		return "", failed("decrypt", OutcomeRefused,
			fmt.Errorf("%w: the field is not encrypted for this private key", ErrDecrypt))
	}
	return Sensitive(plaintext), nil
}
