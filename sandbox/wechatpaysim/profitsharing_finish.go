package wechatpaysim

import "time"

// freeze keeps the money of an order that was just paid for its sharing. The caller holds the lock.
func (p *Provider) freeze(o *order) {
	f := &frozenFunds{
		SpMchID: o.SpMchID, MchID: o.MchID, OutTradeNo: o.OutTradeNo, Left: o.Total - o.Fee, ReleasesAt: o.SuccessAt.Add(sharingHold),
	}
	p.frozen[f.order()] = f
	p.putFrozen(f)
	p.awaitRelease(f)
}

// landingPot is where the money of a payment goes.
func (o *order) landingPot() string {
	if o.ProfitSharing {
		return potFrozen
	}
	return potUnsettled
}

// awaitSharing finishes the request when its time comes, or now if it has. The caller holds the lock.
func (p *Provider) awaitSharing(s *sharing) {
	if s.State != SharingProcessing || s.FinishesAt.IsZero() {
		return
	}
	if !s.FinishesAt.After(p.clock.Now()) {
		p.finishSharing(s, nil, s.FinishesAt)
		return
	}
	n := s.key()
	p.clock.At(s.FinishesAt, func(due time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s := p.sharings[n]; s != nil && s.State == SharingProcessing && s.FinishesAt.Equal(due) {
			p.finishSharing(s, nil, due)
		}
	})
}

// finishSharing carries a request out: each receiver by its own outcome, or the request's. The caller holds the lock.
func (p *Provider) finishSharing(s *sharing, outcomes map[string]string, at time.Time) {
	f := p.frozen[s.order()]
	for i := range s.Parts {
		part := &s.Parts[i]
		outcome := s.Outcome
		if own, named := outcomes[part.Account]; named {
			outcome = own
		}
		f.Pending -= part.Amount
		part.FinishedAt = at
		if part.FailReason = p.failure(s, part, outcome); part.FailReason != "" {
			part.Result = PartClosed
			f.Left += part.Amount
			continue
		}
		part.Result = PartSuccess
		p.payPart(s, part, at)
		if !s.Unfreeze {
			f.Shared += part.Amount
		}
	}
	s.State, s.FinishesAt = SharingFinished, time.Time{}
	f.Processing = ""
	if f.Ending {
		p.unfreezeRest(f, at)
	}
	p.putSharing(s)
	p.putFrozen(f)
}

// failure says why a receiver gets nothing: as a test wants it, or because it was removed meanwhile. The caller holds the lock.
func (p *Provider) failure(s *sharing, part *sharingPart, outcome string) string {
	if outcome != "" && outcome != OutcomeSuccess {
		return outcome
	}
	k := receiverKey{s.SpMchID, s.MchID, part.Type, part.Account}
	if k.isOwner() {
		return ""
	}
	if added := p.receivers[k]; added == nil || added.Removed {
		return "NO_RELATION"
	}
	return ""
}

// payPart moves a part to its receiver: to a merchant's available balance, or out of the books. The caller holds the lock.
func (p *Provider) payPart(s *sharing, part *sharingPart, at time.Time) {
	to, kind := world(potShared), postSharing
	if part.Type == receiverMerchant {
		to = account{part.Account, potAvailable}
	}
	if s.Unfreeze {
		kind = postSharingRelease
	}
	p.post(posting{At: at, Kind: kind, Ref: s.OrderID, OutNo: s.OutOrderNo, Note: part.Description, Legs: []leg{
		{account{s.MchID, potFrozen}, -part.Amount}, {to, part.Amount},
	}})
	if part.Type == receiverMerchant && part.Account != s.MchID {
		p.notifySharing(s, part, at)
	}
}

// awaitRelease gives the merchant what nobody shared when the time comes, or now if it has. The caller holds the lock.
func (p *Provider) awaitRelease(f *frozenFunds) {
	if !f.ReleasedAt.IsZero() {
		return
	}
	if !f.ReleasesAt.After(p.clock.Now()) {
		p.releaseByTime(f, f.ReleasesAt)
		return
	}
	n := f.order()
	p.clock.At(f.ReleasesAt, func(due time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if f := p.frozen[n]; f != nil && f.ReleasedAt.IsZero() && f.ReleasesAt.Equal(due) {
			p.releaseByTime(f, due)
		}
	})
}

// releaseByTime ends the sharing of an order after 30 days; a request that is still being processed is its last one.
func (p *Provider) releaseByTime(f *frozenFunds, at time.Time) {
	if f.Processing != "" {
		f.Ending = true
	} else {
		p.unfreezeRest(f, at)
	}
	p.putFrozen(f)
}

// unfreezeRest gives what is left of an order to its merchant, for good. The caller holds the lock and keeps the record.
func (p *Provider) unfreezeRest(f *frozenFunds, at time.Time) {
	f.ReleasedAt = at
	if f.Left == 0 {
		return
	}
	o := p.orders[f.order()]
	p.post(posting{At: at, Kind: postSharingRelease, Ref: o.TransactionID, OutNo: o.OutTradeNo, Note: "剩余资金解冻", Legs: []leg{
		{account{f.MchID, potFrozen}, -f.Left}, {account{f.MchID, potAvailable}, f.Left},
	}})
	f.Left = 0
}
