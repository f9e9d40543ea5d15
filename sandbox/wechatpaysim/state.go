package wechatpaysim

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/identity"
	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// Kinds of the provider's records.
const (
	recordOrder        = Name + "/order"
	recordRefund       = Name + "/refund"
	recordCombineOrder = Name + "/combine_order"
	recordNotification = Name + "/notification"
	recordSettings     = Name + "/settings"
	recordPosting      = Name + "/posting"
	recordPaymentCode  = Name + "/payment_code"
	recordPlatformKey  = Name + "/platform_key"
	recordSwitchHour   = Name + "/switch_hour"
)

// stateLock guards the provider's state. What was put under it is written when it is given back, in one piece: a killed process
// never leaves half of a change.
type stateLock struct {
	sync.Mutex
	flush func()
}

func (l *stateLock) Unlock() {
	l.flush()
	l.Mutex.Unlock()
}

// put keeps a record's present value. The caller holds the lock or is alone.
func (p *Provider) put(kind, id string, value any) {
	if p.log != nil {
		p.unwritten.Put(kind, id, value)
	}
}

// flush writes what was put. A failure is logged and not answered: memory stays the truth until the restart.
func (p *Provider) flush() {
	if err := p.log.Write(&p.unwritten); err != nil {
		p.logger.Error("keep the sandbox's state; what happened since will be missing after a restart", "error", err)
	}
}

// keptPlatformKey is a platform certificate as a record.
type keptPlatformKey struct {
	Certificate, Key string // PEM
	PublishedAt      time.Time
	SignsFrom        time.Time
	SignsAloneFrom   time.Time
	DropAt           time.Time
}

func (p *Provider) putPlatformKey(k platformKey) {
	key, err := identity.EncodePrivateKey(k.Key)
	if err != nil {
		p.logger.Error("keep a platform certificate", "error", err)
		return
	}
	p.put(recordPlatformKey, k.SerialNo(), keptPlatformKey{
		string(identity.EncodeCertificate(k.Cert)), string(key), k.publishedAt, k.signsFrom, k.signsAloneFrom, k.dropAt,
	})
}

// restore fills an empty provider from records and schedules what is still to happen. It runs before anything else does.
func (p *Provider) restore(records []record.Record) error {
	kept := map[string]func(record.Record) error{
		recordOrder: p.restoreOrder, recordRefund: p.restoreRefund, recordNotification: p.restoreNotification,
		recordSettings: func(r record.Record) error { return json.Unmarshal(r.Value, &p.settings) },
		recordPosting:  p.restorePosting, recordDifference: p.restoreDifference,
		recordCombineOrder: p.restoreCombineOrder,
		recordPaymentCode:  p.restorePaymentCode,
		recordSwitchHour:   p.restoreSwitchHour,
		recordTransfer:     p.restoreTransfer,
	}
	maps.Copy(kept, p.sharingRestorers())
	var platform []platformKey
	for _, r := range records {
		if r.Kind == recordPlatformKey {
			k, err := restorePlatformKey(r)
			if err != nil {
				return err
			}
			platform = append(platform, k)
			continue
		}
		restore, mine := kept[r.Kind]
		if !mine {
			continue
		}
		if err := restore(r); err != nil {
			return fmt.Errorf("read back %s %s: %w", r.Kind, r.ID, err)
		}
	}
	if len(platform) > 0 {
		p.platform = platform
	}
	for _, r := range p.refunds {
		p.awaitSettlement(r)
	}
	for _, t := range p.transfers {
		p.awaitTransfer(t)
	}
	for _, n := range p.notifications {
		p.schedule(n)
	}
	p.awaitSharings() // last: what ends now schedules its own notification
	return nil
}

func (p *Provider) restoreOrder(r record.Record) error {
	var o order
	if err := json.Unmarshal(r.Value, &o); err != nil {
		return err
	}
	p.orders[o.key()] = &o
	if o.Credential.PrepayID != "" { // 付款码支付 has none
		p.byCredential[o.Credential.PrepayID] = o.key()
	}
	for _, k := range o.Older {
		p.byCredential[k.PrepayID] = o.key()
	}
	if o.Credential.CodeURL != "" {
		p.byCredential[o.Credential.CodeURL] = o.key()
	}
	if o.TransactionID != "" {
		p.byTransaction[o.TransactionID] = &o
	}
	return nil
}

func (p *Provider) restoreRefund(r record.Record) error {
	var made refund
	if err := json.Unmarshal(r.Value, &made); err != nil {
		return err
	}
	p.refunds[made.key()], p.byRefundID[made.RefundID] = &made, &made
	return nil
}

func (p *Provider) restoreNotification(r record.Record) error {
	var n notification
	if err := json.Unmarshal(r.Value, &n); err != nil {
		return err
	}
	p.remember(&n)
	return nil
}

func restorePlatformKey(r record.Record) (platformKey, error) {
	var kept keptPlatformKey
	if err := json.Unmarshal(r.Value, &kept); err != nil {
		return platformKey{}, fmt.Errorf("read back a platform certificate: %w", err)
	}
	certificate, err := identity.ParseCertificate([]byte(kept.Certificate), []byte(kept.Key))
	if err != nil {
		return platformKey{}, fmt.Errorf("read back a platform certificate: %w", err)
	}
	return platformKey{certificate, kept.PublishedAt, kept.SignsFrom, kept.SignsAloneFrom, kept.DropAt}, nil
}
