package wechatpaysim

// canceledTransfer is the answer of a cancel.
type canceledTransfer struct {
	OutBillNo      string `json:"out_bill_no"`
	TransferBillNo string `json:"transfer_bill_no"`
	State          string `json:"state"`
	UpdateTime     string `json:"update_time"`
}

// cancelTransfer takes back a transfer that the user has not confirmed; the money comes back later (WeChat Pay APIv3, 撤销转账).
func (p *Provider) cancelTransfer(c *call, partner bool) (any, *apiError) {
	var r struct {
		SubMchID string `json:"sub_mchid"`
	}
	if partner {
		if err := c.decode(&r); err != nil {
			return nil, err
		}
	}
	owner, err := p.transferOwner(c, partner, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	owner.No = c.http.PathValue("out_bill_no")
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.transfers[owner]
	if t == nil {
		return nil, unknownTransfer(p.settings.Transfer.UnknownCode)
	}
	switch {
	case t.short() || t.State == TransferWaitConfirm:
		now := p.clock.Now()
		t.State, t.UpdatedAt, t.DueAt = TransferCanceling, now, now.Add(p.settings.Transfer.CancelDelay.Std())
		p.keepTransfer(t)
		p.awaitTransfer(t)
	case t.State != TransferCanceling && t.State != TransferCancelled:
		return nil, invalidRequest(internalOrderInvalid, "当前单据状态不允许撤销", "the user has confirmed, or the transfer is over: "+t.State)
	}
	return canceledTransfer{t.OutBillNo, t.TransferBillNo, t.State, chinaTime(t.UpdatedAt)}, nil
}
