package wechatpaysim

// transferView is a transfer as a query answers it.
type transferView struct {
	MchID          string `json:"mch_id"`
	OutBillNo      string `json:"out_bill_no"`
	TransferBillNo string `json:"transfer_bill_no"`
	AppID          string `json:"appid"`
	State          string `json:"state"`
	TransferAmount int64  `json:"transfer_amount"`
	TransferRemark string `json:"transfer_remark"`
	FailReason     string `json:"fail_reason,omitempty"`
	OpenID         string `json:"openid"`
	UserName       string `json:"user_name,omitempty"` // encrypted for the caller
	CreateTime     string `json:"create_time"`
	UpdateTime     string `json:"update_time"`
}

func (t *transfer) view() transferView {
	return transferView{
		MchID: t.MchID, OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, AppID: t.AppID, State: t.State,
		TransferAmount: t.Amount, TransferRemark: t.Remark, FailReason: t.FailReason, OpenID: t.OpenID,
		CreateTime: chinaTime(t.CreatedAt), UpdateTime: chinaTime(t.UpdatedAt),
	}
}

// queryTransfer answers a transfer of the last 30 days (WeChat Pay APIv3, 商户单号查询转账单).
func (p *Provider) queryTransfer(c *call, partner bool) (any, *apiError) {
	owner, err := p.transferOwner(c, partner, c.query.Get("sub_mchid"), "query")
	if err != nil {
		return nil, err
	}
	owner.No = c.http.PathValue("out_bill_no")
	p.mu.Lock()
	found := p.transfers[owner]
	return p.answerTransfer(c, found)
}

// queryTransferByBillNo answers the same by the provider's number; only in merchant mode (WeChat Pay APIv3, 微信单号查询转账单).
func (p *Provider) queryTransferByBillNo(c *call) (any, *apiError) {
	p.mu.Lock()
	found := p.byTransferBill[c.http.PathValue("transfer_bill_no")]
	if found != nil && (found.SpMchID != "" || found.MchID != c.caller) {
		found = nil
	}
	return p.answerTransfer(c, found)
}

// answerTransfer shows the transfer, or says that there is none. The caller holds the lock and gives it up: encryption is slow.
func (p *Provider) answerTransfer(c *call, found *transfer) (any, *apiError) {
	code, now := p.settings.Transfer.UnknownCode, p.clock.Now()
	if found == nil || now.Sub(found.CreatedAt) > transferQueryLife {
		p.mu.Unlock()
		return nil, unknownTransfer(code)
	}
	view, userName := found.view(), found.UserName
	p.mu.Unlock()
	if userName == "" {
		return view, nil
	}
	sealed, err := p.sealField(c.caller, userName)
	if err != nil {
		p.logger.Error("encrypt a user's name", "error", err)
		return nil, systemError()
	}
	view.UserName = sealed
	return view, nil
}
