package wechatpaysim

import (
	"encoding/json"
	"fmt"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

// restorers are how the records of sharing are read back.
func (p *Provider) sharingRestorers() map[string]func(record.Record) error {
	return map[string]func(record.Record) error{
		recordFrozen: func(r record.Record) error {
			f := &frozenFunds{}
			err := json.Unmarshal(r.Value, f)
			p.frozen[f.order()] = f
			return err
		},
		recordSharing: func(r record.Record) error {
			s := &sharing{}
			err := json.Unmarshal(r.Value, s)
			p.sharings[s.key()], p.byOrderID[s.OrderID] = s, s
			return err
		},
		recordSharingReturn: func(r record.Record) error {
			made := &sharingReturn{}
			err := json.Unmarshal(r.Value, made)
			p.sharingReturns[made.key()], p.byReturnID[made.ReturnID] = made, made
			return err
		},
		recordReceiver: func(r record.Record) error {
			added := &sharingReceiver{}
			err := json.Unmarshal(r.Value, added)
			p.receivers[added.receiverKey] = added
			return err
		},
	}
}

// awaitSharings schedules what is still to happen after a restart.
func (p *Provider) awaitSharings() {
	for _, s := range p.sharings {
		p.awaitSharing(s)
	}
	for _, f := range p.frozen {
		p.awaitRelease(f)
	}
	for _, r := range p.sharingReturns {
		p.awaitReturn(r)
	}
}

// sharingDisagreements compares the frozen and shared money with the rows. The caller holds the lock.
func (p *Provider) sharingDisagreements(t Totals) []string {
	var problems []string
	var frozen, shared int64
	for _, f := range p.frozen {
		frozen += f.Left + f.Pending
		if f.Left < 0 || f.Pending < 0 || (f.Pending > 0) != (f.Processing != "") {
			problems = append(problems, fmt.Sprintf("order %s: %d fen left to share and %d being shared", f.OutTradeNo, f.Left, f.Pending))
		}
		if !f.ReleasedAt.IsZero() && f.Left+f.Pending != 0 {
			problems = append(problems, fmt.Sprintf("order %s: released, but %d fen are frozen", f.OutTradeNo, f.Left+f.Pending))
		}
	}
	for _, s := range p.sharings {
		for _, part := range s.Parts {
			if part.Type != receiverMerchant && part.Result == PartSuccess {
				shared += part.Amount
			}
			if part.Returned < 0 || part.Returning < 0 || part.Returned+part.Returning > part.Amount {
				problems = append(problems, fmt.Sprintf("sharing %s: %d of %d returned and %d returning", s.OutOrderNo, part.Returned, part.Amount, part.Returning))
			}
		}
	}
	if t.Frozen != frozen {
		problems = append(problems, fmt.Sprintf("frozen: the ledger says %d, the rows say %d", t.Frozen, frozen))
	}
	if t.Shared != shared {
		problems = append(problems, fmt.Sprintf("shared: the ledger says %d, the rows say %d", t.Shared, shared))
	}
	return problems
}
