package sandbox_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"net/url"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox"
)

const sharingPath = "/v3/profitsharing/"

// sharer is a bundle whose merchant shares profits: with another merchant and with a person.
type sharer struct {
	*bundle
	appID  string
	self   string // mchid
	other  sandbox.SubMerchantCredentials
	person string // openid
	real   func() time.Time
}

// setupSharing starts a sandbox with both receivers added. Its clock moves only when it is moved, so that what must happen within
// a second does on a slow machine too.
func setupSharing(t *testing.T) *sharer {
	t.Helper()
	started := time.Now()
	c := config(newDir(t))
	c.Real = func() time.Time { return started }
	s := sharerOf(run(t, c))
	s.real = c.Real
	s.merchant.must("POST", sharingPath+"receivers/add", s.merchantReceiver(s.other.Name))
	s.merchant.must("POST", sharingPath+"receivers/add", s.personReceiver())
	return s
}

func sharerOf(b *bundle) *sharer {
	w := b.sandbox.Credentials().WeChatPay
	b.merchant.serial = w.PublicKeyID
	return &sharer{bundle: b, appID: w.AppID, self: w.MchID, other: w.SubMerchants[0], person: w.OpenID}
}

// sealed encrypts a name for the provider.
func (s *sharer) sealed(name string) string {
	s.t.Helper()
	return seal(s.t, s.merchant.keys[s.sandbox.Credentials().WeChatPay.PublicKeyID], name)
}

func (s *sharer) merchantReceiver(name string) object {
	return object{"appid": s.appID, "type": "MERCHANT_ID", "account": s.other.MchID, "name": s.sealed(name), "relation_type": "STORE"}
}

func (s *sharer) personReceiver() object {
	return object{"appid": s.appID, "type": "PERSONAL_OPENID", "account": s.person, "relation_type": "STAFF"}
}

// shareable places an order for sharing, pays it, waits the minute and returns its transaction_id.
func (s *sharer) shareable(outTradeNo string, total int64) string {
	s.t.Helper()
	transactionID := s.payForSharing(outTradeNo, total)
	s.advance(time.Minute)
	return transactionID
}

func (s *sharer) payForSharing(outTradeNo string, total int64) string {
	s.t.Helper()
	body := s.prepayBody(outTradeNo, total)
	body["settle_info"] = object{"profit_sharing": true}
	s.merchant.must("POST", nativePath, body)
	return s.pay(object{"out_trade_no": outTradeNo, "result": "success"})["transaction_id"].(string)
}

func (s *sharer) toMerchant(amount int64) object {
	return object{"type": "MERCHANT_ID", "account": s.other.MchID, "amount": amount, "description": "分给商户"}
}

func (s *sharer) toPerson(amount int64) object {
	return object{"type": "PERSONAL_OPENID", "account": s.person, "amount": amount, "description": "分给个人"}
}

func (s *sharer) sharingBody(transactionID, outOrderNo string, receivers ...object) object {
	return object{
		"appid": s.appID, "transaction_id": transactionID, "out_order_no": outOrderNo, "receivers": receivers, "unfreeze_unsplit": false,
	}
}

// share asks for a sharing that has to be accepted.
func (s *sharer) share(transactionID, outOrderNo string, receivers ...object) object {
	s.t.Helper()
	return s.decode(s.merchant.must("POST", sharingPath+"orders", s.sharingBody(transactionID, outOrderNo, receivers...)).body)
}

func (s *sharer) shareRefused(transactionID, outOrderNo string, status int, code string, receivers ...object) {
	s.t.Helper()
	s.merchant.refused("POST", sharingPath+"orders", s.sharingBody(transactionID, outOrderNo, receivers...), status, code)
}

func (s *sharer) querySharing(transactionID, outOrderNo string) object {
	s.t.Helper()
	return s.decode(s.merchant.must("GET", sharingPath+"orders/"+url.PathEscape(outOrderNo)+"?transaction_id="+transactionID, nil).body)
}

func unfreezeBody(transactionID, outOrderNo string) object {
	return object{"transaction_id": transactionID, "out_order_no": outOrderNo, "description": "解冻全部剩余资金"}
}

func (s *sharer) unsplit(transactionID string) any {
	s.t.Helper()
	return s.decode(s.merchant.must("GET", sharingPath+"transactions/"+transactionID+"/amounts", nil).body)["unsplit_amount"]
}

func (s *sharer) sharingSettings(change object) {
	s.t.Helper()
	s.settings(object{"profit_sharing": change})
}

// part is the n-th receiver of a sharing order.
func part(order object, n int) object { return order["receivers"].([]any)[n].(object) }

func unseal(t *testing.T, key *rsa.PrivateKey, field string) string {
	t.Helper()
	ciphertext, err := base64.StdEncoding.DecodeString(field)
	if err != nil {
		t.Fatal(err)
	}
	plaintext, err := rsa.DecryptOAEP(sha1.New(), nil, key, ciphertext, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(plaintext)
}
