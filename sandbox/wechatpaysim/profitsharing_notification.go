package wechatpaysim

import "time"

const notifyProfitSharing = "notify/profitsharing"

// The event types that the provider's pages give to notifications of sharings, and to those of returns.
func sharingEvents() map[string]string {
	return map[string]string{
		"TRANSACTION.SUCCESS":   "TRANSACTION.SUCCESS",
		"PROFITSHARING":         "PROFITSHARING_RETURN",
		"PROFITSHARING.SUCCESS": "PROFITSHARING.RETURN",
	}
}

// sharingNotice tells a merchant of money that reached it (WeChat Pay APIv3, 分账动账通知).
type sharingNotice struct {
	MchID         string              `json:"mchid,omitempty"`
	SpMchID       string              `json:"sp_mchid,omitempty"`
	SubMchID      string              `json:"sub_mchid,omitempty"`
	TransactionID string              `json:"transaction_id"`
	OrderID       string              `json:"order_id"`
	OutOrderNo    string              `json:"out_order_no"`
	Receiver      sharingNoticeAmount `json:"receiver"`
	SuccessTime   string              `json:"success_time"`
}

type sharingNoticeAmount struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

func (p *Provider) notifySharing(s *sharing, part *sharingPart, at time.Time) {
	notice := sharingNotice{
		OrderID: s.OrderID, OutOrderNo: s.OutOrderNo, SuccessTime: chinaTime(at),
		Receiver: sharingNoticeAmount{part.Type, part.Account, part.Amount, part.Description},
	}
	p.notifyMovement(s, notice, p.settings.ProfitSharing.EventType, "分账", s.PublicKey)
}

func (p *Provider) notifyReturn(s *sharing, r *sharingReturn) {
	notice := sharingNotice{
		OrderID: r.ReturnID, OutOrderNo: r.OutReturnNo, SuccessTime: chinaTime(r.FinishedAt),
		Receiver: sharingNoticeAmount{receiverMerchant, r.MchID, r.Amount, r.Description},
	}
	p.notifyMovement(s, notice, sharingEvents()[p.settings.ProfitSharing.EventType], "分账回退", r.PublicKey)
}

// notifyMovement tells the merchant that received, at the address of its own console and under its own APIv3 key. Without an
// address nobody is told. The caller holds the lock.
func (p *Provider) notifyMovement(s *sharing, notice sharingNotice, event, summary string, publicKey bool) {
	url := p.settings.ProfitSharing.NotifyURLs[notice.Receiver.Account]
	if url == "" {
		return
	}
	notice.TransactionID = s.TransactionID
	if s.SpMchID == "" {
		notice.MchID = s.MchID
	} else {
		notice.SpMchID, notice.SubMchID = s.SpMchID, s.MchID
	}
	p.notify(&notification{
		Operation: notifyProfitSharing, EventType: event, OriginalType: "profitsharing", Summary: summary, MchID: notice.Receiver.Account,
		URL: url, Resource: encode(notice), Order: s.order(), OutTradeNo: s.OutTradeNo, PublicKey: publicKey,
	})
}
