package wechatpaysim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// bodyBytesMax bounds a request's body; the largest legal one is a prepay with full details.
const bodyBytesMax = 1 << 20

// call is one request on its way to a handler.
type call struct {
	http        *http.Request
	body        []byte         // raw
	fields      map[string]any // decoded and checked against the operation's fields
	query       url.Values
	serial      string // Wechatpay-Serial: the key the merchant wants the answer signed with
	caller      string // mchid of the merchant who signed; empty until then
	verdict     string // on the signature, for the journal
	outTradeNo  string // for the journal and for faults; empty where the request names none
	outRefundNo string
	form        *uploadForm // of an upload; nil: the body is none
	outBillNo   string
}

// decode copies the fields into a struct: those that were checked, not the raw body, which may say a thing twice.
func (c *call) decode(into any) *apiError {
	if err := json.Unmarshal(encode(c.fields), into); err != nil {
		return paramError(internalIllegalParameter, fieldDetail{Issue: "the body does not have the shape of this request", Location: "body"})
	}
	return nil
}

// reply is an answer before it is signed.
type reply struct {
	status int
	body   []byte
	err    *apiError // what body says, if it is an error
	file   bool      // body is a download: no JSON, not signed and not journalled
}

func (p *Provider) serve(host string, op operation, w http.ResponseWriter, r *http.Request) {
	started := p.clock.Real()
	english := strings.HasPrefix(r.Header.Get("Accept-Language"), "en")
	entry := journal.Entry{
		Time: p.clock.Now(), Kind: journal.Request, Provider: Name, Host: host, Operation: op.name, Method: r.Method, Target: r.RequestURI,
	}
	c := &call{http: r, query: r.URL.Query(), serial: r.Header.Get("Wechatpay-Serial")}
	var err error
	if c.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, op.bodyMax())); err != nil {
		broken := paramError(internalOutOfRange, fieldDetail{Issue: "the body is too large or broke off", Location: "body"})
		p.answer(w, c, refusal(broken, english), "", entry)
		return
	}
	if op.isUpload() {
		c.form = readForm(r.Header.Get("Content-Type"), c.body)
	}
	p.identify(c)
	entry.OutTradeNo, entry.OutRefundNo, entry.OutBillNo, entry.Request = c.outTradeNo, c.outRefundNo, c.outBillNo, string(c.signed())
	behaviour := p.host(host)
	p.cutIfDown(behaviour, w, entry)
	rule, _ := p.faults.Take(Name, op.name, cmp.Or(c.outTradeNo, c.outBillNo))
	entry.Fault = string(rule.Effect)
	pause(r.Context(), behaviour.Delay.Std()+rule.Delay.Std())
	if rule.Effect == fault.Refuse || rule.Effect == fault.LoseRequest {
		entry.Error = "the connection was cut before the request was executed"
		entry.DurationMS = p.clock.Real().Sub(started).Milliseconds()
		p.journal.Add(entry)
		cut(w, rule.Effect == fault.Refuse)
	}
	answer := p.carryOut(op, c, rule, english)
	if behaviour.State == HostError {
		entry.Error = executedWith(answer.status)
		answer = refusal(serviceUnavailable(), english)
	}
	entry.Signature = c.verdict
	entry.DurationMS = p.clock.Real().Sub(started).Milliseconds()
	p.answer(w, c, answer, rule.Effect, entry)
}

// carryOut executes the request unless the fault keeps it from being executed, and makes the answer the fault asks for.
func (p *Provider) carryOut(op operation, c *call, rule fault.Rule, english bool) reply {
	switch rule.Effect {
	case fault.RateLimit:
		p.mu.Lock()
		defer p.mu.Unlock()
		return refusal(p.settings.asTold(op.name, p.frequencyLimited()), english)
	case fault.Status, fault.HTML:
		if rule.Executed {
			p.execute(op, c, english)
		}
		if rule.Effect == fault.Status {
			return refusal(errorOfStatus(statusOr(rule.Status, http.StatusInternalServerError), rule.Code), english)
		}
		return reply{status: statusOr(rule.Status, http.StatusOK), body: []byte("<html><head><title>nginx</title></head><body><h1>Welcome</h1></body></html>\n")}
	}
	return p.execute(op, c, english)
}

// execute finds out who calls, whether he calls too often, and what the answer is.
func (p *Provider) execute(op operation, c *call, english bool) reply {
	caller, err := p.authenticate(c.http, c.signed())
	if err != nil {
		c.verdict = "invalid: " + err.english
		return refusal(err, english)
	}
	c.caller = caller
	c.verdict = "valid"
	if err := p.throttle(op.name, c); err != nil {
		return refusal(p.Settings().asTold(op.name, err), english)
	}
	answer := p.fulfil(op, c, english)
	if answer.err != nil {
		p.countFailure(op.name, c)
		answer = refusal(p.Settings().asTold(op.name, answer.err), english)
	}
	return answer
}

// fulfil checks the request in the provider's order and runs its handler.
func (p *Provider) fulfil(op operation, c *call, english bool) reply {
	settings := p.Settings()
	if settings.StrictHeaders {
		if err := checkHeaders(c.http, len(c.body) > 0 && c.form == nil); err != nil {
			return refusal(err, english)
		}
	}
	if op.fields != nil {
		fields, err := decodeBody(c.body)
		if err == nil {
			err = checkFields("", fields, op.fields, settings.StrictFields)
		}
		if err != nil {
			return refusal(err, english)
		}
		c.fields = fields
	}
	result, err := op.handle(p, c)
	if err != nil {
		return refusal(err, english)
	}
	if result == nil {
		return reply{status: http.StatusNoContent}
	}
	if file, ok := result.(downloadedFile); ok {
		return reply{status: http.StatusOK, body: file, file: true}
	}
	return reply{status: http.StatusOK, body: encode(result)}
}

func checkHeaders(r *http.Request, hasBody bool) *apiError {
	for _, name := range []string{"Accept", "User-Agent"} {
		if r.Header.Get(name) == "" {
			return headerError(name, "the header is required")
		}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if hasBody && (err != nil || media != "application/json") {
		return headerError("Content-Type", "a body must be application/json")
	}
	return nil
}

func refusal(err *apiError, english bool) reply {
	return reply{status: err.status, body: encode(err.body(english)), err: err}
}

func statusOr(status, fallback int) int {
	if status == 0 {
		return fallback
	}
	return status
}

// answer signs, journals and sends the reply, as far as the effect lets it.
func (p *Provider) answer(w http.ResponseWriter, c *call, a reply, effect fault.Effect, entry journal.Entry) {
	internal := 0
	if a.err != nil {
		internal, entry.Code = a.err.internal, a.err.code
	}
	requestID := p.newRequestID(internal)
	header := w.Header()
	header["Request-ID"] = []string{requestID} // the provider's spelling, which Set would change
	header.Set("Server", "nginx")
	header.Set("Cache-Control", "no-cache, must-revalidate")
	header.Set("Content-Language", "zh-CN")
	header.Set("X-Content-Type-Options", "nosniff")
	switch {
	case effect == fault.HTML:
		header.Set("Content-Type", "text/html")
	case a.file:
		header.Set("Content-Type", http.DetectContentType(a.body)) // text/plain, application/x-gzip, or encrypted
	case len(a.body) > 0:
		header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if effect != fault.HTML && p.signs(a, c) {
		if err := p.signAnswer(header, c, a.body, effect); err != nil {
			p.logger.Error("sign an answer", "error", err)
		}
	}
	entry.Status, entry.RequestID, entry.Answer = a.status, requestID, string(a.body)
	if a.file {
		entry.Answer = fmt.Sprintf("a file of %d bytes", len(a.body))
	}
	if effect == fault.LoseAnswer {
		entry.Status, entry.Error = 0, "executed, then the connection was cut"
	}
	p.journal.Add(entry) // before the answer leaves: whoever has it finds the entry
	switch effect {
	case fault.Corrupt:
		a.body = corrupted(a.body)
	case fault.LoseAnswer:
		cut(w, false)
	case fault.Truncate:
		breakOff(w, a)
	}
	w.WriteHeader(a.status)
	w.Write(a.body) // a client who has gone is an unknown result for him, not for us
}

// breakOff sends half of the body and ends the connection. It does not return.
func breakOff(w http.ResponseWriter, a reply) {
	status := a.status
	if status == http.StatusNoContent {
		status = http.StatusOK // 204 has no body that could break off
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)+1))
	w.WriteHeader(status)
	w.Write(a.body[:len(a.body)/2])
	http.NewResponseController(w).Flush() // best effort: without it the whole answer is lost, which is no worse
	cut(w, false)
}

// signs reports whether the provider signs this answer: every 2xx, and error answers if the knob says so.
func (p *Provider) signs(a reply, c *call) bool {
	if a.status < 300 {
		return !a.file // (WeChat Pay APIv3, 下载账单: 应答不含签名)
	}
	return c.verdict == "valid" && a.status != http.StatusUnauthorized && p.Settings().SignErrors
}

func (p *Provider) signAnswer(header http.Header, c *call, body []byte, effect fault.Effect) error {
	p.mu.Lock()
	key := p.answerKey(c.serial)
	p.countSigned(key, false)
	rate := p.settings.ProbeRateAnswers
	p.mu.Unlock()
	if effect != fault.Probe && p.chance.Happens(rate) {
		effect = fault.Probe
	}
	s, err := p.signWith(effect, key, body)
	if err != nil {
		return err
	}
	s.write(header)
	return nil
}

// signWith signs as the fault wants it: truly, unless the effect is one of the signature.
func (p *Provider) signWith(effect fault.Effect, key signingKey, body []byte) (signature, error) {
	at := p.clock.Real()
	switch effect {
	case fault.StaleTimestamp:
		at = at.Add(-10 * time.Minute)
	case fault.BadSignature:
		body = append(bytes.Clone(body), ' ')
	}
	s, err := p.sign(key, at, body)
	if err != nil {
		return signature{}, err
	}
	switch effect {
	case fault.Probe:
		s = s.probe()
	case fault.UnknownSerial:
		s.serial = strings.ToUpper(p.chance.Hex(40))
	}
	return s, nil
}

func (s signature) write(header http.Header) {
	header.Set("Wechatpay-Timestamp", s.timestamp)
	header.Set("Wechatpay-Nonce", s.nonce)
	header.Set("Wechatpay-Serial", s.serial)
	header.Set("Wechatpay-Signature", s.value)
	header.Set("Wechatpay-Signature-Type", scheme)
}

// identify finds out which order a request is about, before anything about it is believed.
func (p *Provider) identify(c *call) {
	var named struct {
		OutTradeNo    string `json:"out_trade_no"`
		CombineNo     string `json:"combine_out_trade_no"`
		TransactionID string `json:"transaction_id"`
		OutRefundNo   string `json:"out_refund_no"`
		OutBillNo     string `json:"out_bill_no"`
	}
	if json.Unmarshal(c.body, &named) != nil {
		named.OutTradeNo, named.CombineNo, named.TransactionID, named.OutRefundNo, named.OutBillNo = "", "", "", "", ""
	}
	pathOr := func(name, value string) string {
		if v := c.http.PathValue(name); v != "" {
			return v
		}
		return value
	}
	c.outTradeNo = cmp.Or(pathOr("out_trade_no", named.OutTradeNo), pathOr("combine_out_trade_no", named.CombineNo))
	c.outRefundNo = pathOr("out_refund_no", named.OutRefundNo)
	c.outBillNo = pathOr("out_bill_no", named.OutBillNo)
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.byTransferBill[c.http.PathValue("transfer_bill_no")]; t != nil {
		c.outBillNo = t.OutBillNo
	}
	if o := p.byTransaction[pathOr("transaction_id", named.TransactionID)]; o != nil {
		c.outTradeNo = o.OutTradeNo
	}
	if r := p.findRefundAnywhere(c.outRefundNo); r != nil && c.outTradeNo == "" {
		c.outTradeNo = r.OutTradeNo
	}
}

func (p *Provider) host(name string) Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings.Hosts[name]
}

// cutIfDown ends the connection to a host that is down: its own door is shut, but not the one that the hosts share by name.
func (p *Provider) cutIfDown(host Host, w http.ResponseWriter, entry journal.Entry) {
	if host.State != HostDown {
		return
	}
	entry.Error = "the host is down"
	p.journal.Add(entry)
	cut(w, true)
}

// executedWith is what the journal says of a request to a host that fails.
func executedWith(status int) string {
	return fmt.Sprintf("executed with %d, answered with %d", status, http.StatusServiceUnavailable)
}

// pause waits in real time, but not longer than the caller does.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// cut ends the connection without an answer, by a reset where that is possible. It does not return.
func cut(w http.ResponseWriter, reset bool) {
	if reset {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // best effort: without it the connection merely closes
			}
			conn.Close()
		}
	}
	panic(http.ErrAbortHandler)
}

// encode writes JSON as the provider does: no HTML escapes, no newline at the end.
func encode(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // unreachable: only our own structs are encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
