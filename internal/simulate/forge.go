package simulate

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// What a forger sends.
const (
	forgeUnsigned  = "without a signature"
	forgeOtherKey  = "signed by another key" // under the provider's serial
	forgeOwnSerial = "signed under a serial of its own"
)

// forger is somebody who has learnt the merchant's APIv3 key and numbers, and has no key of the provider's.
type forger struct {
	key     *rsa.PrivateKey
	account sandbox.WeChatPayCredentials
	url     string
	http    *http.Client
}

// forge tells the gateway that a payment was paid, and answers with the gateway's status.
func (f forger) forge(ctx context.Context, p *client.Payment, how string, now time.Time) (status int, err error) {
	content, err := json.Marshal(map[string]any{
		"mchid": f.account.MchID, "appid": f.account.AppID, "out_trade_no": p.TradeNo, "transaction_id": "42" + rand.Text()[:26], "trade_type": "NATIVE",
		"trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "success_time": now.Format(time.RFC3339),
		"payer": map[string]string{"openid": f.account.OpenID}, "amount": map[string]any{"total": p.Amount, "payer_total": p.Amount, "currency": "CNY", "payer_currency": "CNY"},
	})
	if err != nil {
		return 0, err
	}
	body, err := f.envelope(content, now)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if how != forgeUnsigned {
		if err := f.sign(request.Header, body, how, now); err != nil {
			return 0, err
		}
	}
	answer, err := f.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

func (f forger) envelope(content []byte, now time.Time) ([]byte, error) {
	block, err := aes.NewCipher([]byte(f.account.APIv3Key))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce, about := rand.Text()[:12], "transaction"
	return json.Marshal(map[string]any{
		"id": rand.Text(), "create_time": now.Format(time.RFC3339), "resource_type": "encrypt-resource", "event_type": "TRANSACTION.SUCCESS", "summary": "支付成功",
		"resource": map[string]string{
			"original_type": about, "algorithm": "AEAD_AES_256_GCM", "associated_data": about, "nonce": nonce,
			"ciphertext": base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), content, []byte(about))),
		},
	})
}

func (f forger) sign(h http.Header, body []byte, how string, now time.Time) error {
	timestamp, nonce, serial := strconv.FormatInt(now.Unix(), 10), rand.Text(), f.account.PublicKeyID
	if how == forgeOwnSerial {
		serial = fmt.Sprintf("%X", sha256.Sum256(f.key.N.Bytes()))[:40]
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n", timestamp, nonce, body))
	signature, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA256, digest[:])
	if err != nil {
		return err
	}
	h.Set("Wechatpay-Timestamp", timestamp)
	h.Set("Wechatpay-Nonce", nonce)
	h.Set("Wechatpay-Serial", serial)
	h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
	h.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
	return nil
}
