package wechatpay

import (
	"encoding/base64"
	"fmt"
)

// sealed is what the provider encrypts with the APIv3 key: the resource of a notification and each
// downloaded certificate.
type sealed struct {
	Algorithm      string `json:"algorithm"`
	Nonce          string `json:"nonce"`
	AssociatedData string `json:"associated_data"`
	Ciphertext     string `json:"ciphertext"`
}

// open decrypts with the suite's cipher in GCM (WeChat Pay APIv3, 回调和平台证书报文解密): the nonce is its own
// ASCII bytes, the last 16 bytes of the ciphertext are the tag.
func (s *sealed) open(aead *apiV3Cipher) ([]byte, error) {
	if aead == nil {
		return nil, fmt.Errorf("%w: set Config.APIv3Key", ErrDecrypt)
	}
	if s.Algorithm != aead.algorithm {
		return nil, fmt.Errorf("%w: algorithm must be %s", ErrMalformed, aead.algorithm)
	}
	if len(s.Nonce) != aead.NonceSize() { // the cipher would panic
		return nil, fmt.Errorf("%w: nonce must have %d bytes", ErrMalformed, aead.NonceSize())
	}
	ciphertext, err := base64.StdEncoding.DecodeString(s.Ciphertext)
	if err != nil {
		return nil, fmt.Errorf("%w: ciphertext is not base64", ErrMalformed)
	}
	plaintext, err := aead.Open(ciphertext[:0], []byte(s.Nonce), ciphertext, []byte(s.AssociatedData))
	if err != nil {
		return nil, fmt.Errorf("%w: wrong APIv3 key or altered text", ErrDecrypt)
	}
	return plaintext, nil
}
