package wechatpaysim

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// sharingRow is a part of a sharing, or a return, that succeeded. Amounts are in fen.
type sharingRow struct {
	at          time.Time
	sharing     *sharing
	number      string // 微信分账/回退单号
	detail      string // 分账明细单号
	outNo       string // 商户分账/回退单号
	receiver    string
	amount      int64
	business    string // 业务类型
	description string
}

// applyProfitSharingBill offers a day's sharings and returns (WeChat Pay APIv3, 申请分账账单). What failed is not in it.
func (p *Provider) applyProfitSharingBill(c *call) (any, *apiError) {
	q, err := p.readBillQuery(c)
	if err != nil {
		return nil, err
	}
	subMchID, err := p.billSubMerchant(c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := slices.DeleteFunc(p.sharingRows(), func(row sharingRow) bool {
		o := p.orders[row.sharing.order()]
		return !dayOf(row.at).Equal(q.day.Time) || !o.isInBillOf(c.caller, subMchID)
	})
	return p.offerBill(c, q, p.sharingSheet(rows))
}

// sharingRows are all there ever were, oldest first. The caller holds the lock.
func (p *Provider) sharingRows() []sharingRow {
	var rows []sharingRow
	for _, s := range p.sharings {
		for _, part := range s.Parts {
			if !s.Unfreeze && part.Result == PartSuccess {
				rows = append(rows, sharingRow{part.FinishedAt, s, s.OrderID, part.DetailID, s.OutOrderNo, part.Account, part.Amount, "分账", part.Description})
			}
		}
	}
	for _, r := range p.sharingReturns {
		if r.Result == ReturnSuccess {
			rows = append(rows, sharingRow{r.FinishedAt, p.sharings[r.sharing()], r.ReturnID, "", r.OutReturnNo, r.ReturnMchID, r.Amount, "分账回退", r.Description})
		}
	}
	slices.SortFunc(rows, func(a, b sharingRow) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.number, b.number), cmp.Compare(a.detail, b.detail))
	})
	return rows
}

// sharingSheet writes the columns seen in such bills; the provider's document does not list them. The caller holds the lock.
func (p *Provider) sharingSheet(rows []sharingRow) billSheet {
	sheet := billSheet{
		header: []string{
			"分账时间", "分账发起方", "分账方", "微信订单号", "微信分账/回退单号", "分账明细单号", "商户分账/回退单号", "订单金额", "分账接收方", "金额", "业务类型", "处理状态",
			"分账描述", "备注",
		},
		sums: []string{"总笔数", "总金额"},
	}
	var sum int64
	for _, row := range rows {
		o := p.orders[row.sharing.order()]
		sheet.rows = append(sheet.rows, []string{
			billTime(row.at), o.agent(), o.MchID, o.TransactionID, row.number, row.detail, row.outNo, yuan(o.Total), row.receiver, yuan(row.amount),
			row.business, "处理成功", row.description, "",
		})
		sum += row.amount
	}
	sheet.summary = []string{strconv.Itoa(len(rows)), yuan(sum)}
	return sheet
}
