package wechatpaysim

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func FuzzPrepayBody(f *testing.F) {
	f.Add([]byte(`{"appid":"wx8888888888888888","mchid":"1900009191","description":"d","out_trade_no":"VEC20240601000001","notify_url":"https://pay.example.com/n","amount":{"total":100,"currency":"CNY"},"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}}`))
	f.Add([]byte(`{"amount":{"total":1e3}}`))
	f.Add([]byte(`{"amount":{"total":5},"amount":{"total":0}}`))
	f.Add([]byte(`{"a":null}`))
	f.Add([]byte("[[[[[["))
	fields := prepayFields(JSAPI, false)
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, err := decodeBody(raw)
		if err != nil {
			return
		}
		if checkFields("", body, fields, true) != nil {
			return
		}
		var r prepayRequest
		if err := json.Unmarshal(encode(body), &r); err != nil {
			t.Fatalf("a body that passed the checks does not decode: %v", err)
		}
		if r.Amount.Total < 1 || r.Amount.Total > amountMax || len(r.OutTradeNo) < 6 || len(r.OutTradeNo) > 32 ||
			utf8.RuneCountInString(r.Description) > 127 || r.MchID == "" || r.Payer.OpenID == "" {
			t.Fatalf("accepted %+v", r)
		}
	})
}
