package wechatpaysim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/fault"
	"github.com/tongbao-pay/tongbao/sandbox/journal"
)

// heldAtMost is how long a reordered notification waits, on the sandbox's clock, if no other one is sent meanwhile.
const heldAtMost = time.Minute

func newSender() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConns: 256, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second,
			TLSHandshakeTimeout: 5 * time.Second, DisableCompression: true, // no proxy: the merchant is called directly
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sendDue sends a notification whose time has come, or does what a fault wants instead.
func (p *Provider) sendDue(id string, due time.Time) {
	p.mu.Lock()
	n := p.notifications[id]
	if n == nil || n.State != pending || !n.NextAt.Equal(due) {
		p.mu.Unlock()
		return
	}
	rule, _ := p.faults.Take(Name, n.Operation, cmp.Or(n.OutTradeNo, n.OutBillNo))
	p.mu.Unlock()

	switch {
	case rule.Effect == fault.Withhold:
		p.withhold(id, due)
	case rule.Effect == fault.Reorder:
		p.hold(id, due, rule)
	case rule.Delay > 0:
		p.clock.At(due.Add(rule.Delay.Std()), func(later time.Time) { p.send(id, later, rule) })
	default:
		p.send(id, due, rule)
	}
}

// withhold gives up a notification before it was sent: their delivery is not guaranteed.
func (p *Provider) withhold(id string, due time.Time) {
	p.mu.Lock()
	n := p.notifications[id]
	if n == nil || n.State != pending { // the sandbox was reset meanwhile, or a resend by hand got through first
		p.mu.Unlock()
		return
	}
	n.State, n.NextAt = withheld, time.Time{}
	p.put(recordNotification, id, n)
	shown := *n
	p.mu.Unlock()
	entry := shown.entry(p.clock.Now(), due)
	entry.Fault, entry.Error = string(fault.Withhold), "never sent"
	p.journal.Add(entry)
}

// hold keeps a notification back until another one has been sent.
func (p *Provider) hold(id string, due time.Time, rule fault.Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[id] = func() { p.clock.At(p.clock.Now(), func(later time.Time) { p.send(id, later, rule) }) }
	p.clock.At(due.Add(max(heldAtMost, rule.Delay.Std())), func(time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(id)
	})
}

// release sends a held notification, once. The caller holds the lock.
func (p *Provider) release(id string) {
	if send, ok := p.held[id]; ok {
		delete(p.held, id)
		send()
	}
}

// send makes one try of the schedule and plans the next if it failed.
func (p *Provider) send(id string, due time.Time, rule fault.Rule) {
	p.mu.Lock()
	n := p.notifications[id]
	if n == nil || n.State != pending {
		p.mu.Unlock()
		return
	}
	if n.Sends == 0 {
		n.FirstAt = due // repeats count from the first send
	}
	n.Sends++
	shown := *n
	p.mu.Unlock()

	received := p.deliverCopies(shown, due, rule)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.notifications[id] != n { // the sandbox was reset meanwhile
		return
	}
	for other := range p.held {
		if other != id {
			p.release(other)
		}
	}
	if n.State != pending { // a resend by hand got through first
		return
	}
	repeats := p.repeatsOf(n)
	switch {
	case received:
		n.State, n.NextAt = delivered, time.Time{}
	case n.Sends > len(repeats):
		n.State, n.NextAt = exhausted, time.Time{}
	default:
		n.NextAt = n.FirstAt.Add(repeats[n.Sends-1])
		p.schedule(n)
	}
	p.put(recordNotification, id, n)
}

// deliverCopies sends the notification once, or as often at once as a fault wants, and reports whether a copy was received.
func (p *Provider) deliverCopies(n notification, due time.Time, rule fault.Rule) bool {
	copies := 1
	if rule.Effect == fault.Duplicate {
		copies = max(2, rule.Copies)
	}
	received := make([]bool, copies)
	var group sync.WaitGroup
	for i := range received {
		group.Go(func() { received[i] = p.deliver(n, due, rule.Effect).Error == "" })
	}
	group.Wait()
	for _, ok := range received {
		if ok {
			return true
		}
	}
	return false
}

// deliver makes one attempt and writes it down. An entry without an error was received: answered in time with 200 or 204.
func (p *Provider) deliver(n notification, due time.Time, effect fault.Effect) journal.Entry {
	entry := n.entry(p.clock.Now(), due)
	entry.Attempt = n.Sends
	entry.Fault = string(effect)
	p.mu.Lock()
	key := p.notificationKey(n.PublicKey)
	p.countSigned(key, true)
	settings := p.settings
	p.mu.Unlock()
	if effect == "" && p.chance.Happens(settings.ProbeRateNotifications) {
		effect = fault.Probe
	}
	started := p.clock.Real()
	defer func() {
		entry.DurationMS = p.clock.Real().Sub(started).Milliseconds()
		p.journal.Add(entry)
	}()
	if effect == fault.LoseRequest {
		entry.Error = "lost before it reached the merchant"
		return entry
	}
	if n.V2SignType != "" {
		entry = p.deliverV2(n, entry, effect, settings.NotifyTimeout.Std())
		return entry
	}
	body, err := p.envelope(n, effect)
	if err != nil {
		entry.Error = "encrypt: " + err.Error()
		return entry
	}
	signed, err := p.signWith(effect, key, body)
	if err != nil {
		entry.Error = "sign: " + err.Error()
		return entry
	}
	entry.Request = string(body)
	entry.Signature = "by " + signed.serial
	if effect == fault.Probe {
		entry.Signature = "probe"
	}
	entry.RequestID = p.newRequestID(0)
	ctx, cancel := context.WithTimeout(context.Background(), settings.NotifyTimeout.Std())
	defer cancel()
	entry.Status, entry.Answer, err = p.transmit(ctx, n.URL, body, signed, entry.RequestID)
	switch {
	case err != nil:
		entry.Error = err.Error()
	case effect == fault.LoseAnswer:
		entry.Error = "the answer was lost on its way back"
	case entry.Status != http.StatusOK && entry.Status != http.StatusNoContent:
		entry.Error = "only 200 and 204 mean received"
	case effect == fault.Probe:
		entry.Error = "the merchant accepted a signature probe: it does not verify signatures"
	}
	return entry
}

func (p *Provider) transmit(ctx context.Context, url string, body []byte, s signature, requestID string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "*/*")
	request.Header.Set("Pragma", "no-cache")
	request.Header.Set("User-Agent", "Mozilla/4.0")
	request.Header["Request-ID"] = []string{requestID}
	s.write(request.Header)
	response, err := p.sender.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, journal.BodyBytesMax))
	return response.StatusCode, string(answer), err
}

// envelope writes the notification's body, freshly encrypted (WeChat Pay APIv3, 支付成功回调通知).
func (p *Provider) envelope(n notification, effect fault.Effect) ([]byte, error) {
	merchant, known := p.merchant(n.MchID)
	if !known {
		return nil, fmt.Errorf("there is no merchant %s", n.MchID)
	}
	key := merchant.APIv3Key
	if effect == fault.OtherKey {
		key = p.chance.Alphanumeric(len(key))
	}
	sealed, err := p.seal(key, n.plaintext(effect), n.OriginalType)
	if err != nil {
		return nil, err
	}
	if effect == fault.Corrupt {
		raw, err := base64.StdEncoding.DecodeString(sealed.Ciphertext)
		if err != nil {
			return nil, err
		}
		raw[len(raw)-1] ^= 1 // a bit of the tag
		sealed.Ciphertext = base64.StdEncoding.EncodeToString(raw)
	}
	id := n.ID
	if n.Sends > 1 && p.Settings().NotificationIDChanges {
		id = p.chance.UUID()
	}
	return encode(envelope{
		ID: id, CreateTime: chinaTime(n.CreatedAt), ResourceType: "encrypt-resource", EventType: n.EventType, Summary: n.Summary,
		Resource: envelopeResource{OriginalType: n.OriginalType, encrypted: sealed},
	}), nil
}

type envelope struct {
	ID           string           `json:"id"`
	CreateTime   string           `json:"create_time"`
	ResourceType string           `json:"resource_type"`
	EventType    string           `json:"event_type"`
	Summary      string           `json:"summary"`
	Resource     envelopeResource `json:"resource"`
}

type envelopeResource struct {
	OriginalType string `json:"original_type"`
	encrypted
}

// plaintext is the content, changed as a fault wants it.
func (n notification) plaintext(effect fault.Effect) []byte {
	alter := map[fault.Effect]func(map[string]any){
		fault.WrongMchID: func(m map[string]any) { change(m, "1900000000", "mchid", "mch_id", "sub_mchid", "combine_mchid") },
		fault.WrongAppID: func(m map[string]any) { change(m, "wx0000000000000000", "appid", "sp_appid", "combine_appid") },
		fault.WrongAmount: func(m map[string]any) {
			firstSubAmount(m, func(amount map[string]any) {
				more(amount, "total_amount")
				more(amount, "payer_amount")
			})
			more(m, "transfer_amount")
			if amount, ok := m["amount"].(map[string]any); ok {
				more(amount, "total")
				more(amount, "payer_total")
			}
		},
	}[effect]
	if alter == nil {
		return n.Resource
	}
	decoder := json.NewDecoder(bytes.NewReader(n.Resource))
	decoder.UseNumber()
	var content map[string]any
	if err := decoder.Decode(&content); err != nil {
		return n.Resource // unreachable: we wrote it
	}
	alter(content)
	return encode(content)
}

// change gives another value to those of the names that the content has: what it is called depends on the mode.
func change(content map[string]any, value string, names ...string) {
	for _, name := range names {
		if _, has := content[name]; has {
			content[name] = value
		}
	}
}

// more adds a fen to an amount.
func more(amount map[string]any, name string) {
	if value, ok := amount[name].(json.Number); ok {
		if fen, err := value.Int64(); err == nil {
			amount[name] = fen + 1
		}
	}
}

// entry is what every attempt at the notification has in common.
func (n notification) entry(now, due time.Time) journal.Entry {
	return journal.Entry{
		Time: now, Kind: journal.Notification, Provider: Name, Operation: n.Operation, Method: http.MethodPost, Target: n.URL,
		OutTradeNo: n.OutTradeNo, OutRefundNo: n.OutRefundNo, OutBillNo: n.OutBillNo, NotificationID: n.ID, ScheduledFor: &due,
	}
}
