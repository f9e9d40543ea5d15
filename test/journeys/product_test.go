package journeys_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

func TestEveryProductIsPaidAndRefunded(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		w := open(t, e)
		w.provider.set(object{"refund_interval": "0s"})
		openid := w.sandbox.Credentials().WeChatPay.OpenID
		for product, change := range map[string]func(*client.CreatePayment){
			"native":      func(*client.CreatePayment) {},
			"jsapi":       func(r *client.CreatePayment) { r.Payer = &client.Payer{OpenID: openid} },
			"miniprogram": func(r *client.CreatePayment) { r.Payer = &client.Payer{OpenID: openid} },
			"app":         func(*client.CreatePayment) {},
			"h5":          func(r *client.CreatePayment) { r.ClientIP = "203.0.113.7" },
		} {
			request := order(8800)
			request.Product = product
			change(&request)
			w.paysAndRefunds(request)
		}
		w.reconcile()
	})
}

// paysAndRefunds follows one payment from its creation to its last fen.
func (w *world) paysAndRefunds(request client.CreatePayment) {
	w.t.Helper()
	p, err := w.client.CreatePayment(w.t.Context(), request)
	if err != nil {
		w.t.Fatalf("%s: %v", request.Product, err)
	}
	if p.Status != client.PaymentPending || p.Product != request.Product || p.Credential == nil {
		w.t.Fatalf("%s: the new payment is %s of product %s with credential %v", request.Product, p.Status, p.Product, p.Credential)
	}
	w.provider.acts(w.opens(p))
	w.inbox.wait(client.EventPaymentSucceeded, p.ID)
	if p = w.show(p.ID, client.PaymentSucceeded); p.AmountPaid != 8800 || p.TransactionID != w.provider.order(p.TradeNo).TransactionID || p.PaidAt == nil {
		w.t.Errorf("%s: %d paid as %q at %v", request.Product, p.AmountPaid, p.TransactionID, p.PaidAt)
	}

	first := w.refund(p, 3000)
	w.settled(first)
	if p = w.show(p.ID, client.PaymentSucceeded); p.AmountRefunded != 3000 {
		w.t.Errorf("%s: %d refunded, want 3000", request.Product, p.AmountRefunded)
	}
	second := w.refund(p, 5800)
	w.settled(second)
	w.inbox.wait(client.EventPaymentRefunded, p.ID)
	if p = w.show(p.ID, client.PaymentRefunded); p.AmountRefunded != 8800 {
		w.t.Errorf("%s: %d refunded, want 8800", request.Product, p.AmountRefunded)
	}
}

// opens checks that the credential is the product's, and returns how its payer opens the cashier with it.
func (w *world) opens(p *client.Payment) object {
	w.t.Helper()
	c := p.Credential
	payer := object{"result": "success"}
	switch p.Product {
	case "native":
		payer["code_url"] = c.CodeURL
	case "h5":
		payer["h5_url"] = c.H5URL
	default:
		w.verifyInvoke(p)
		payer["prepay_id"] = c.PrepayID
	}
	given := 0
	for _, field := range []string{c.CodeURL, c.PrepayID, c.H5URL} {
		if field != "" {
			given++
		}
	}
	if given != 1 || !c.ExpiresAt.After(p.CreatedAt) {
		w.t.Errorf("%s: credential %+v", p.Product, c)
	}
	return payer
}

// verifyInvoke checks the parameters for the payer's front end as WeChat itself does, with the merchant's public key
// (WeChat Pay APIv3, JSAPI调起支付 and APP调起支付: 签名).
func (w *world) verifyInvoke(p *client.Payment) {
	w.t.Helper()
	var in map[string]string
	if err := json.Unmarshal(p.Credential.Invoke, &in); err != nil {
		w.t.Fatalf("%s: invoke parameters %s: %v", p.Product, p.Credential.Invoke, err)
	}
	signed, signature := []string{in["appId"], in["timeStamp"], in["nonceStr"], in["package"]}, in["paySign"]
	if in["package"] != "prepay_id="+p.Credential.PrepayID && p.Product != "app" {
		w.t.Errorf("%s: package is %q", p.Product, in["package"])
	}
	if p.Product == "app" {
		signed, signature = []string{in["appId"], in["timeStamp"], in["nonceStr"], p.Credential.PrepayID}, in["sign"]
		if in["prepayId"] != p.Credential.PrepayID || in["partnerId"] != w.sandbox.Credentials().WeChatPay.MchID || in["packageValue"] != "Sign=WXPay" {
			w.t.Errorf("app: invoke parameters %s", p.Credential.Invoke)
		}
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		w.t.Fatalf("%s: signature %q: %v", p.Product, signature, err)
	}
	digest := sha256.Sum256([]byte(strings.Join(signed, "\n") + "\n"))
	if err := rsa.VerifyPKCS1v15(w.merchantKey(), crypto.SHA256, digest[:], raw); err != nil {
		w.t.Errorf("%s: the merchant's public key does not verify the invoke parameters: %v", p.Product, err)
	}
}

// merchantKey is the merchant's public key, from its certificate.
func (w *world) merchantKey() *rsa.PublicKey {
	w.t.Helper()
	credentials := w.sandbox.Credentials()
	block, _ := pem.Decode(credentials.PEM(credentials.WeChatPay.MerchantCertificateFile))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	return certificate.PublicKey.(*rsa.PublicKey)
}
