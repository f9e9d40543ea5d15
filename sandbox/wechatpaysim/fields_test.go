package wechatpaysim

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func FuzzUploadForm(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n{}\r\n--b\r\n"+
		"Content-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nx\r\n--b--\r\n"))
	f.Add("multipart/form-data", []byte("--\r\n"))
	f.Add("multipart/form-data; boundary=b", []byte("--b--"))
	f.Add("application/json", []byte("{}"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		form := readForm(contentType, body)
		if form == nil {
			return
		}
		if form.meta == nil || form.file == nil || len(form.meta)+len(form.file) > len(body) {
			t.Fatalf("read %+v", form)
		}
		c := &call{body: body, form: form}
		if !bytes.Equal(c.signed(), form.meta) {
			t.Fatal("more than meta is signed")
		}
	})
}

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

func FuzzTransferBody(f *testing.F) {
	f.Add([]byte(`{"appid":"wx8888888888888888","out_bill_no":"BILL1","transfer_scene_id":"1000","openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","transfer_amount":500,"transfer_remark":"r","transfer_scene_report_infos":[{"info_type":"a","info_content":"b"}],"user_recv_style":{"type":"RED_PACKET"}}`))
	f.Add([]byte(`{"transfer_scene_report_infos":[]}`))
	f.Add([]byte(`{"transfer_amount":-0}`))
	fields := transferFields(true)
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, err := decodeBody(raw)
		if err != nil || checkFields("", body, fields, true) != nil {
			return
		}
		var r transferRequest
		if err := json.Unmarshal(encode(body), &r); err != nil {
			t.Fatalf("a body that passed the checks does not decode: %v", err)
		}
		if r.TransferAmount < 1 || r.TransferAmount > amountMax || r.OutBillNo == "" || r.OpenID == "" || r.SubMchID == "" || len(r.ReportInfos) == 0 {
			t.Fatalf("accepted %+v", r)
		}
	})
}
