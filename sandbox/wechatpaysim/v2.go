package wechatpaysim

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// v2Operation is one call of APIv2.
type v2Operation struct {
	name   string // in faults and in the journal
	path   string
	mutual bool   // wants the merchant's certificate in the TLS handshake (需要证书)
	likeV3 string // the operation of APIv3 whose published limits it shares; empty: none
	fields []v2Field
	handle func(*Provider, *v2Call) (v2Message, *v2Error)
}

// v2Call is one request of APIv2 on its way to a handler.
type v2Call struct {
	http     *http.Request
	body     []byte    // raw
	message  v2Message // as it was read; nil if it could not be
	merchant identity.Merchant
	owner    merchantNo // whose orders it is about; its No is empty
	verdict  string     // on the signature, for the journal
	file     []byte     // the answer, where that is no message
}

func v2Operations() []v2Operation {
	operations := append(v2OrderOperations(), v2RefundOperations()...)
	operations = append(operations, v2CodeOperations()...)
	return append(operations, v2BillOperations()...)
}

// hostV2 adds APIv2, as the named host serves it, to its mux.
func (p *Provider) hostV2(name string, mux *http.ServeMux) {
	for _, op := range v2Operations() {
		mux.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { p.serveV2(name, op, w, r) })
	}
}

// v2Effects are the faults a call of APIv2 knows.
func v2Effects() []fault.Effect {
	return []fault.Effect{
		fault.Delay, fault.Refuse, fault.LoseRequest, fault.LoseAnswer, fault.Status, fault.RateLimit, fault.BadSignature, fault.Truncate, fault.HTML,
	}
}

func (p *Provider) serveV2(host string, op v2Operation, w http.ResponseWriter, r *http.Request) {
	started := p.clock.Real()
	entry := journal.Entry{
		Time: p.clock.Now(), Kind: journal.Request, Provider: Name, Host: host, Operation: op.name, Method: r.Method, Target: r.RequestURI,
	}
	c := &v2Call{http: r}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if c.body = body; err == nil && utf8.Valid(body) {
		c.message, _ = readV2(body) // what cannot be read is refused below
	}
	entry.OutTradeNo, entry.OutRefundNo, entry.Request = p.orderOfV2(c.message), c.message["out_refund_no"], string(body)
	behaviour := p.host(host)
	p.cutIfDown(behaviour, w, entry)
	rule, _ := p.faults.Take(Name, op.name, entry.OutTradeNo)
	entry.Fault = string(rule.Effect)
	pause(r.Context(), behaviour.Delay.Std()+rule.Delay.Std())
	if rule.Effect == fault.Refuse || rule.Effect == fault.LoseRequest {
		entry.Error = "the connection was cut before the request was executed"
		p.journal.Add(entry)
		cut(w, rule.Effect == fault.Refuse)
	}
	answer := p.carryOutV2(op, c, rule)
	if behaviour.State == HostError {
		entry.Error = executedWith(answer.status)
		answer = pageV2(http.StatusServiceUnavailable)
	}
	entry.Signature, entry.Code = c.verdict, answer.code
	entry.Status, entry.Answer = answer.status, string(answer.body)
	entry.DurationMS = p.clock.Real().Sub(started).Milliseconds()
	if rule.Effect == fault.LoseAnswer {
		entry.Status, entry.Error = 0, "executed, then the connection was cut"
	}
	p.journal.Add(entry) // before the answer leaves: whoever has it finds the entry
	w.Header().Set("Server", "nginx")
	w.Header().Set("Content-Type", answer.contentType)
	switch rule.Effect {
	case fault.LoseAnswer:
		cut(w, false)
	case fault.Truncate:
		breakOff(w, reply{status: answer.status, body: answer.body})
	}
	w.WriteHeader(answer.status)
	w.Write(answer.body) // a client who has gone is an unknown result for him, not for us
}

// orderOfV2 finds out which order a request is about, before anything about it is believed.
func (p *Provider) orderOfV2(m v2Message) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.byTransaction[m["transaction_id"]]; o != nil {
		return o.OutTradeNo
	}
	if r := p.findRefundAnywhere(m["out_refund_no"]); r != nil && m["out_trade_no"] == "" {
		return r.OutTradeNo
	}
	return m["out_trade_no"]
}

// replyV2 is an answer as it leaves.
type replyV2 struct {
	status      int
	contentType string
	body        []byte
	code        string // err_code, for the journal
}

// pageV2 is what the provider's web server says by itself.
func pageV2(status int) replyV2 {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return replyV2{
		status: status, contentType: "text/html",
		body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"),
	}
}

// carryOutV2 executes the request unless the fault keeps it from being executed, and makes the answer the fault asks for.
func (p *Provider) carryOutV2(op v2Operation, c *v2Call, rule fault.Rule) replyV2 {
	if op.mutual && (c.http.TLS == nil || len(c.http.TLS.PeerCertificates) == 0) {
		page := pageV2(http.StatusBadRequest) // the web server's, before the request is looked at
		page.body = bytes.Replace(page.body, []byte("<hr>"), []byte("<center>No required SSL certificate was sent</center>\r\n<hr>"), 1)
		return page
	}
	switch rule.Effect {
	case fault.RateLimit:
		err := p.authenticateV2(c)
		if err == nil {
			err = &v2Error{v2Frequency, "频率超过限制，请稍后重试"}
		}
		return p.replyV2(c, nil, err, "")
	case fault.Status, fault.HTML:
		return p.breakV2(op, c, rule)
	}
	message, err := p.executeV2(op, c)
	return p.replyV2(c, message, err, rule.Effect)
}

// breakV2 answers an error that was asked for: a page, or with a code and no status the code as APIv2 has it.
func (p *Provider) breakV2(op v2Operation, c *v2Call, rule fault.Rule) replyV2 {
	refusal := p.authenticateV2(c)
	if rule.Executed {
		_, refusal = p.executeV2(op, c)
	}
	switch {
	case rule.Effect == fault.HTML:
		return pageV2(statusOr(rule.Status, http.StatusOK))
	case rule.Status == 0 && rule.Code != "" && c.verdict == "valid":
		return p.replyV2(c, nil, &v2Error{rule.Code, "沙箱按要求返回的错误"}, "")
	case rule.Status == 0 && rule.Code != "":
		return p.replyV2(c, nil, refusal, "")
	}
	return pageV2(statusOr(rule.Status, http.StatusInternalServerError))
}

// executeV2 checks the request in the provider's order and runs its handler.
func (p *Provider) executeV2(op v2Operation, c *v2Call) (v2Message, *v2Error) {
	if err := p.authenticateV2(c); err != nil {
		return nil, err
	}
	asV3 := &call{caller: c.merchant.MchID}
	if err := p.throttle(op.likeV3, asV3); err != nil {
		return nil, v2ErrorOf(err)
	}
	message, err := p.fulfilV2(op, c)
	if err != nil {
		p.countFailure(op.likeV3, asV3)
	}
	return message, err
}

// fulfilV2 checks what a well signed request asks for, and does it.
func (p *Provider) fulfilV2(op v2Operation, c *v2Call) (v2Message, *v2Error) {
	if op.mutual && c.http.TLS.PeerCertificates[0].Subject.CommonName != c.merchant.MchID {
		return nil, &v2Error{v2CertError, "证书与商户号不匹配"}
	}
	if err := p.checkPartiesV2(c); err != nil {
		return nil, err
	}
	if err := checkFieldsV2(c.message, op.fields); err != nil {
		return nil, err
	}
	return op.handle(p, c)
}

// authenticateV2 checks form and signature (WeChat Pay APIv2, 协议规则). What is wrong there is not answered under a signature.
func (p *Provider) authenticateV2(c *v2Call) *v2Error {
	refuse := func(text string) *v2Error {
		c.verdict = "invalid: " + text
		return notTaken(text)
	}
	switch {
	case c.http.Method != http.MethodPost:
		return refuse("请使用post方法")
	case len(c.body) == 0:
		return refuse("post数据为空")
	case !utf8.Valid(c.body):
		return refuse("编码格式错误")
	case c.message == nil:
		return refuse("XML格式错误")
	}
	if err := checkFieldsV2(c.message, v2Common()); err != nil {
		return refuse(err.text)
	}
	merchant, known := p.merchant(c.message["mch_id"])
	if !known {
		return refuse("mch_id不存在")
	}
	signType := c.message["sign_type"]
	if signType != "" && signType != v2MD5 && signType != v2HMAC {
		return refuse("sign_type参数格式错误")
	}
	if c.message["sign"] != c.message.sign(signType, merchant.APIv2Key) {
		return refuse("签名错误")
	}
	c.merchant, c.owner, c.verdict = merchant, merchantNo{MchID: merchant.MchID}, "valid"
	return nil
}

// checkPartiesV2 checks the apps and, in partner mode (服务商), that the merchants belong together.
func (p *Provider) checkPartiesV2(c *v2Call) *v2Error {
	if !p.bound(c.message["appid"], c.merchant.MchID) {
		return &v2Error{v2AppIDMchID, "appid和mch_id不匹配"}
	}
	sub := c.message["sub_mch_id"]
	switch {
	case sub == "" && c.message["sub_appid"] != "":
		return &v2Error{v2ParamError, "sub_mch_id不能为空"}
	case sub == "":
		return nil
	case !p.subMerchant(c.merchant.MchID, sub):
		return &v2Error{v2NoAuth, "商户号与特约商户号没有受理关系"}
	case c.message["sub_appid"] != "" && !p.bound(c.message["sub_appid"], sub):
		return &v2Error{v2AppIDMchID, "sub_appid和sub_mch_id不匹配"}
	}
	c.owner = merchantNo{SpMchID: c.merchant.MchID, MchID: sub}
	return nil
}

// signType is how the request was signed.
func (c *v2Call) signType() string {
	if c.message["sign_type"] == "" {
		return v2MD5
	}
	return c.message["sign_type"]
}

// number is the merchant's own number of an order or a refund.
func (c *v2Call) number(no string) merchantNo {
	n := c.owner
	n.No = no
	return n
}

func checkFieldsV2(message v2Message, fields []v2Field) *v2Error {
	for _, f := range fields {
		value := message[f.name]
		if value == "" {
			if f.required {
				return &v2Error{v2LackParams, "缺少参数" + f.name}
			}
			continue
		}
		if utf8.RuneCountInString(value) > f.most {
			return &v2Error{v2ParamError, f.name + "参数长度有误"}
		}
		if f.number && !isNumberV2(value) || f.own && !isOwnNumberV2(value) {
			return &v2Error{v2ParamError, f.name + "参数格式有误"}
		}
	}
	return nil
}

// isNumberV2 tells an amount in fen or a count: no sign and no zeros in front, so that each has one spelling.
func isNumberV2(text string) bool {
	n, err := strconv.ParseUint(text, 10, 63)
	return err == nil && n <= amountMax && strconv.FormatUint(n, 10) == text
}

// isOwnNumberV2 tells what a merchant may number orders and refunds with (WeChat Pay APIv2, 商户订单号, 商户退款单号).
func isOwnNumberV2(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(refundNoSymbols, r) })
}

// replyV2 writes an answer and signs it as the request was signed, if it was taken.
func (p *Provider) replyV2(c *v2Call, message v2Message, err *v2Error, effect fault.Effect) replyV2 {
	answer := replyV2{status: http.StatusOK, contentType: "text/plain"} // the provider's, XML or not
	if err != nil && (err.code == "" || c.verdict != "valid") {
		full := v2Message{"return_code": "FAIL", "return_msg": err.text}
		maps.Copy(full, message)
		answer.body = full.encode("xml")
		return answer
	}
	if c.file != nil {
		answer.body = c.file
		return answer
	}
	full := v2Message{"return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS", "nonce_str": p.chance.Alphanumeric(32)}
	for _, name := range []string{"appid", "mch_id", "sub_appid", "sub_mch_id"} {
		if value := c.message[name]; value != "" {
			full[name] = value
		}
	}
	if err != nil {
		answer.code = err.code
		full["result_code"], full["err_code"], full["err_code_des"] = "FAIL", err.code, err.text
	}
	for name, value := range message {
		if value != "" {
			full[name] = value
		}
	}
	full["sign"] = full.sign(p.answerSignTypeV2(c), c.merchant.APIv2Key)
	if effect == fault.BadSignature {
		full["nonce_str"] = p.chance.Alphanumeric(32)
	}
	answer.body = full.encode("xml")
	return answer
}

func (p *Provider) answerSignTypeV2(c *v2Call) string {
	if p.Settings().V2.AnswerSignType == V2SignedMD5 {
		return v2MD5
	}
	return c.signType()
}

// v2Time writes a moment as APIv2 does.
func v2Time(t time.Time) string { return t.In(chinaZone()).Format("20060102150405") }
