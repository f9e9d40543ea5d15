package client

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

// signer makes the Authorization header of signed requests.
type signer struct {
	keyID  string
	secret Secret
	now    func() time.Time
}

// authorization signs one request. Each try gets a nonce of its own: the gateway accepts a nonce once.
func (s *signer) authorization(method, target string, body []byte) string {
	timestamp, nonce := strconv.FormatInt(s.now().Unix(), 10), rand.Text()
	mac := hmac.New(sha256.New, []byte(s.secret))
	fmt.Fprintf(mac, "%s\n%s\n%s\n%s\n%s\n", method, target, timestamp, nonce, body)
	return fmt.Sprintf(`TONGBAO-HMAC-SHA256 key_id="%s",timestamp="%s",nonce="%s",signature="%s"`,
		s.keyID, timestamp, nonce, hex.EncodeToString(mac.Sum(nil)))
}
