package wechatpaysim

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/md5" //nolint:gosec // the protocol's derivation of the key
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// partiesV2 is who an order is between.
func (o *order) partiesV2() v2Message {
	if o.SpMchID == "" {
		return v2Message{"appid": o.AppID, "mch_id": o.MchID}
	}
	return v2Message{"appid": o.AppID, "mch_id": o.SpMchID, "sub_appid": o.SubAppID, "sub_mch_id": o.MchID}
}

// notifyPaymentV2 tells the merchant of a payment in APIv2 (支付结果通知): as the query does, but for trade_state.
func (p *Provider) notifyPaymentV2(o *order) {
	message := o.messageV2()
	maps.Copy(message, o.partiesV2())
	maps.Copy(message, v2Message{"return_code": "SUCCESS", "result_code": "SUCCESS"})
	p.notify(&notification{
		Operation: notifyPayment, EventType: "TRANSACTION.SUCCESS", Summary: "支付成功", MchID: o.agent(), URL: o.NotifyURL,
		Resource: encode(message), Order: o.key(), OutTradeNo: o.OutTradeNo, V2SignType: o.V2SignType,
	})
}

// notifyRefundV2 tells the merchant how a refund ended (WeChat Pay APIv2, 退款结果通知).
func (p *Provider) notifyRefundV2(o *order, r *refund) {
	message := v2Message{
		"out_refund_no": r.OutRefundNo, "out_trade_no": o.OutTradeNo, "refund_account": refundAccountV2(r.Account), "refund_fee": fenText(r.Amount),
		"refund_id": r.RefundID, "refund_recv_accout": r.Received, "refund_request_source": "API", "refund_status": refundStatusV2(r.Status),
		"settlement_refund_fee": fenText(r.Amount), "settlement_total_fee": fenText(o.Total), "total_fee": fenText(o.Total),
		"transaction_id": o.TransactionID, "cash_refund_fee": fenText(r.PayerAmount),
	}
	if r.Status == RefundSuccess {
		message["success_time"] = r.SuccessAt.In(chinaZone()).Format(time.DateTime)
	}
	p.notify(&notification{
		Operation: notifyRefund, EventType: "REFUND." + r.Status, Summary: "退款结果", MchID: o.agent(), URL: r.NotifyURL,
		Resource: encode(refundNoticeV2{o.partiesV2(), message}), Order: o.key(), OutTradeNo: o.OutTradeNo, OutRefundNo: r.OutRefundNo, V2SignType: r.V2SignType,
	})
}

// refundNoticeV2 is what a refund notification says openly and what it encrypts.
type refundNoticeV2 struct {
	Open   v2Message `json:"open"`
	Secret v2Message `json:"secret"`
}

// deliverV2 makes one attempt at a notification in APIv2. Unlike APIv3's, the body of the answer decides.
func (p *Provider) deliverV2(n notification, entry journal.Entry, effect fault.Effect, timeout time.Duration) journal.Entry {
	body, err := p.bodyV2(n, effect)
	if err != nil {
		entry.Error = "write: " + err.Error()
		return entry
	}
	entry.Request, entry.Signature = string(body), "by the APIv2 key"
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var answer v2Message
	entry.Status, entry.Answer, err = p.transmitV2(ctx, n.URL, body)
	if err == nil {
		answer, _ = readV2([]byte(entry.Answer)) // what cannot be read is no SUCCESS
	}
	switch {
	case err != nil:
		entry.Error = err.Error()
	case effect == fault.LoseAnswer:
		entry.Error = "the answer was lost on its way back"
	case entry.Status != http.StatusOK || answer["return_code"] != "SUCCESS":
		entry.Error = "only 200 with <return_code>SUCCESS</return_code> means received"
	}
	return entry
}

func (p *Provider) transmitV2(ctx context.Context, url string, body []byte) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "text/xml")
	request.Header.Set("Accept", "*/*")
	request.Header.Set("Pragma", "no-cache")
	request.Header.Set("User-Agent", "Mozilla/4.0")
	response, err := p.sender.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, journal.BodyBytesMax))
	return response.StatusCode, string(answer), err
}

// bodyV2 writes the notification, freshly signed or encrypted, and changed as a fault wants it.
func (p *Provider) bodyV2(n notification, effect fault.Effect) ([]byte, error) {
	merchant, known := p.merchant(n.MchID)
	if !known {
		return nil, fmt.Errorf("there is no merchant %s", n.MchID)
	}
	if effect == fault.OtherKey {
		merchant.APIv2Key = p.chance.Alphanumeric(len(merchant.APIv2Key))
	}
	if n.Operation == notifyRefund {
		return p.refundBodyV2(n, merchant, effect)
	}
	var message v2Message
	if err := json.Unmarshal(n.Resource, &message); err != nil {
		return nil, err
	}
	message["nonce_str"] = p.chance.Alphanumeric(32)
	if p.Settings().V2.NotificationSignType {
		message["sign_type"] = n.V2SignType
	}
	changeV2(message, message, effect)
	message["sign"] = message.sign(n.V2SignType, merchant.APIv2Key)
	switch effect {
	case fault.BadSignature, fault.Probe, fault.Corrupt:
		message["nonce_str"] = p.chance.Alphanumeric(32)
	}
	return message.encode("xml"), nil
}

// refundBodyV2 encrypts the refund and signs nothing, as the protocol has it (退款结果通知: 解密步骤).
func (p *Provider) refundBodyV2(n notification, merchant identity.Merchant, effect fault.Effect) ([]byte, error) {
	var notice refundNoticeV2
	if err := json.Unmarshal(n.Resource, &notice); err != nil {
		return nil, err
	}
	changeV2(notice.Open, notice.Secret, effect)
	sealed, err := sealV2(merchant.APIv2Key, notice.Secret.encode("root"))
	if err != nil {
		return nil, err
	}
	switch effect {
	case fault.BadSignature, fault.Probe, fault.Corrupt:
		sealed[len(sealed)-1] ^= 1
	}
	maps.Copy(notice.Open, v2Message{
		"return_code": "SUCCESS", "nonce_str": p.chance.Alphanumeric(32), "req_info": base64.StdEncoding.EncodeToString(sealed),
	})
	return notice.Open.encode("xml"), nil
}

// changeV2 makes the wrong content that a fault asks for: who it is about is in open, the amounts are in content.
func changeV2(open, content v2Message, effect fault.Effect) {
	switch effect {
	case fault.WrongMchID:
		open["mch_id"] = "1900000000"
	case fault.WrongAppID:
		open["appid"] = "wx0000000000000000"
	case fault.WrongAmount:
		total, _ := strconv.ParseInt(content["total_fee"], 10, 64) // we wrote it
		content["total_fee"] = fenText(total + 1)
	}
}

// sealV2 is AES-256-ECB with PKCS#7 under the lower-case hex MD5 of the APIv2 key.
func sealV2(key string, plain []byte) ([]byte, error) {
	sum := md5.Sum([]byte(key)) //nolint:gosec // the protocol's derivation of the key
	block, err := aes.NewCipher([]byte(hex.EncodeToString(sum[:])))
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	sealed := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	for at := 0; at < len(sealed); at += aes.BlockSize {
		block.Encrypt(sealed[at:], sealed[at:at+aes.BlockSize])
	}
	return sealed, nil
}
