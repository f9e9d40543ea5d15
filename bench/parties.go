package main

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	appID       = "wxd678efh567hg6787"
	mchID       = "1900009191"
	serialNo    = "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3"
	publicKeyID = "PUB_KEY_ID_0114232134912410000000000000"
	apiV3Key    = "BenchApiV3Key_0123456789abcdefgh"
	outTradeNo  = "1217752501201407033233368018"
	description = "Image形象店-深圳腾大-QQ公仔"
	notifyURL   = "https://www.weixin.qq.com/wxpay/pay.php"
	totalFen    = 100
	prepayID    = "wx201410272009395522657a690389285100"
	nonce       = "593BEC0C930BF1AFEB40B4A08C8FB242"
	codeURL     = "weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"

	prepayAnswer = `{"code_url":"` + codeURL + `"}`
	transaction  = `{"transaction_id":"1217752501201407033233368018","amount":{"payer_total":100,"total":100,"currency":"CNY","payer_currency":"CNY"},` +
		`"mchid":"1900009191","trade_state":"SUCCESS","bank_type":"CMC","promotion_detail":[{"amount":100,"wechatpay_contribute":0,"coupon_id":"109519",` +
		`"scope":"GLOBAL","merchant_contribute":0,"name":"单品惠-6","other_contribute":0,"currency":"CNY","stock_id":"931386",` +
		`"goods_detail":[{"goods_remark":"商品备注信息","quantity":1,"discount_amount":1,"goods_id":"M1006","unit_price":100}]}],` +
		`"success_time":"2018-06-08T10:34:56+08:00","payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},"out_trade_no":"1217752501201407033233368018",` +
		`"appid":"wxd678efh567hg6787","trade_state_desc":"支付成功","trade_type":"NATIVE","attach":"自定义数据","scene_info":{"device_id":"013467007045764"}}`
)

// parties holds the keys of the merchant and of the provider, made for one run.
type parties struct {
	merchant, provider *rsa.PrivateKey
}

func newParties() (*parties, error) {
	p := &parties{}
	for _, key := range []**rsa.PrivateKey{&p.merchant, &p.provider} {
		var err error
		if *key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
	}
	return p, nil
}

func privatePEM(key *rsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encode a private key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

func publicPEM(key *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// signed is a body of the provider's with its signature: an answer or a notification.
type signed struct {
	header http.Header
	body   string
}

// request is the notification as a server hands it over.
func (s *signed) request() *http.Request {
	return &http.Request{
		Method: http.MethodPost, Header: s.header,
		Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: int64(len(s.body)),
	}
}

// response is the answer as a transport hands it over.
func (s *signed) response() *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: s.header,
		Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: int64(len(s.body)),
	}
}

// sign signs as the provider, now: everybody refuses what is older than five minutes.
func sign(provider *rsa.PrivateKey, body string) (*signed, error) {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + body + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, provider, crypto.SHA256, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign as the provider: %w", err)
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-0")
	header.Set("Wechatpay-Nonce", nonce)
	header.Set("Wechatpay-Serial", publicKeyID)
	header.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
	header.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
	header.Set("Wechatpay-Timestamp", timestamp)
	return &signed{header: header, body: body}, nil
}

// notification is a payment, sealed.
func notification() (string, error) { return seal(transaction, "EV-2018022511223320873") }

// seal is the notification of an order, under its id.
func seal(order, id string) (string, error) {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	const sealNonce, associated = "fdasflkja484", "transaction"
	sealedText := aead.Seal(nil, []byte(sealNonce), []byte(order), []byte(associated)) //nolint:gosec // nothing here is secret
	body, err := json.Marshal(map[string]any{
		"id": id, "create_time": "2015-05-20T13:29:35+08:00", "resource_type": "encrypt-resource",
		"event_type": "TRANSACTION.SUCCESS", "summary": "支付成功",
		"resource": map[string]string{
			"original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "nonce": sealNonce, "associated_data": associated,
			"ciphertext": base64.StdEncoding.EncodeToString(sealedText),
		},
	})
	return string(body), err
}
