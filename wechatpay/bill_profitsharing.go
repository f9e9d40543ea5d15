package wechatpay

import (
	"context"
	"io"
	"strings"
	"time"
)

// ProfitSharingBillRequest asks for a day's profit sharing bill (WeChat Pay APIv3, 申请分账账单): successful sharings and
// returns. With a Client of [Client.ForSubMerchant] it is the sub-merchant's, else the merchant's own or, of a service
// provider, that of all its sub-merchants.
type ProfitSharingBillRequest struct {
	BillDate string // yyyy-MM-dd, a day in China
	TarType  string // TarTypeGZIP; zero: plain text
}

// ApplyProfitSharingBill asks where the bill is, with the errors of [Client.ApplyTradeBill].
func (c *Client) ApplyProfitSharingBill(ctx context.Context, request ProfitSharingBillRequest) (BillFile, error) {
	const name = "apply profit sharing bill"
	var v validation
	query := c.billQuery(&v, request.BillDate, request.TarType)
	if err := v.err(); err != nil {
		return BillFile{}, failed(name, OutcomeRefused, err)
	}
	return c.applyBill(ctx, name, "/v3/profitsharing/bills", query)
}

// OpenProfitSharingBill applies for the bill and opens it. Range over its rows, then Close it.
func (c *Client) OpenProfitSharingBill(ctx context.Context, request ProfitSharingBillRequest) (*ProfitSharingBill, error) {
	file, err := c.ApplyProfitSharingBill(ctx, request)
	if err != nil {
		return nil, err
	}
	text, err := c.DownloadBill(ctx, file)
	if err != nil {
		return nil, err
	}
	return ReadProfitSharingBill(text), nil
}

// ProfitSharingBill is a profit sharing bill while it is read.
type ProfitSharingBill = Bill[ProfitSharingBillRow, ProfitSharingBillSummary]

// ProfitSharingBillRow is one receiver's part of a sharing, or one return; amounts in fen. Columns that the bill does not
// have are zero.
type ProfitSharingBillRow struct {
	SharingTime   time.Time         // 分账时间
	Initiator     string            // 分账发起方: who asked for it, such as the service provider
	MchID         string            // 分账方: whose money is shared
	TransactionID string            // 微信订单号
	OrderID       string            // 微信分账/回退单号
	DetailID      string            // 分账明细单号
	OutOrderNo    string            // 商户分账/回退单号
	OrderAmount   int64             // 订单金额
	Receiver      string            // 分账接收方
	Amount        int64             // 金额
	BusinessType  string            // 业务类型: 分账, 分账回退, ...; an open list
	Status        string            // 处理状态
	Description   string            // 分账描述
	Remark        string            // 备注
	Other         map[string]string // columns that are not known here, by name; nil without
}

// ProfitSharingBillSummary is the last line of a profit sharing bill. Its columns are not documented: Count is its
// first, whatever the name.
type ProfitSharingBillSummary struct {
	Count int64
}

// ReadProfitSharingBill reads the text of a profit sharing bill from r, as [ReadTradeBill] does.
func ReadProfitSharingBill(r io.Reader) *ProfitSharingBill {
	return newBill(r, billLayout[ProfitSharingBillRow, ProfitSharingBillSummary]{
		columns: profitSharingBillColumns(),
		other:   func(row *ProfitSharingBillRow) *map[string]string { return &row.Other },
		summary: profitSharingBillSummary,
		add:     func(s *ProfitSharingBillSummary, _ *ProfitSharingBillRow) { s.Count++ },
	})
}

// profitSharingBillColumns are those seen in bills; the provider's document does not list them.
func profitSharingBillColumns() []billColumn[ProfitSharingBillRow] {
	type row = ProfitSharingBillRow
	return []billColumn[row]{
		timeColumn("分账时间", func(r *row) *time.Time { return &r.SharingTime }).must(),
		textColumn("分账发起方", func(r *row) *string { return &r.Initiator }),
		textColumn("分账方", func(r *row) *string { return &r.MchID }),
		textColumn("微信订单号", func(r *row) *string { return &r.TransactionID }),
		textColumn("微信分账/回退单号", func(r *row) *string { return &r.OrderID }),
		textColumn("分账明细单号", func(r *row) *string { return &r.DetailID }),
		textColumn("商户分账/回退单号", func(r *row) *string { return &r.OutOrderNo }),
		amountColumn("订单金额", fenDecimals, func(r *row) *int64 { return &r.OrderAmount }),
		textColumn("分账接收方", func(r *row) *string { return &r.Receiver }),
		amountColumn("金额", fenDecimals, func(r *row) *int64 { return &r.Amount }).or("分账金额").must(),
		textColumn("业务类型", func(r *row) *string { return &r.BusinessType }),
		textColumn("处理状态", func(r *row) *string { return &r.Status }),
		textColumn("分账描述", func(r *row) *string { return &r.Description }),
		textColumn("备注", func(r *row) *string { return &r.Remark }),
	}
}

func profitSharingBillSummary(names []string) []billColumn[ProfitSharingBillSummary] {
	if !strings.HasPrefix(names[0], "总") {
		return nil
	}
	return []billColumn[ProfitSharingBillSummary]{
		amountColumn(names[0], countDecimals, func(s *ProfitSharingBillSummary) *int64 { return &s.Count }).must(),
	}
}
