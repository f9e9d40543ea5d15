package wechatpay

import "fmt"

// sealed is what the provider encrypts with the APIv3 key: the resource of a notification and each
// downloaded certificate.
type sealed struct {
	Algorithm      string `json:"algorithm"`
	Nonce          string `json:"nonce"`
	AssociatedData string `json:"associated_data"`
	Ciphertext     []byte `json:"ciphertext"` // base64 in JSON
}

// open decrypts with the suite's cipher in GCM (WeChat Pay APIv3, 回调和平台证书报文解密): the nonce is its own
// ASCII bytes, the last 16 bytes of the ciphertext are the tag. The plaintext takes the ciphertext's place.
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
	plaintext, err := aead.Open(s.Ciphertext[:0], []byte(s.Nonce), s.Ciphertext, []byte(s.AssociatedData))
	if err != nil {
		return nil, fmt.Errorf("%w: wrong APIv3 key or altered text", ErrDecrypt)
	}
	return plaintext, nil
}
