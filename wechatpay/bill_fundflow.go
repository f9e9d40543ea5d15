package wechatpay

import (
	"context"
	"io"
	"slices"
	"time"
)

// FundFlowBillRequest asks for a day's fund flow bill of one of the merchant's own accounts (WeChat Pay APIv3,
// 申请资金账单). A sub-merchant's is another call, [Client.ApplySubMerchantFundFlowBill].
type FundFlowBillRequest struct {
	BillDate    string // yyyy-MM-dd, a day in China
	AccountType string // BillAccountBasic, BillAccountOperation or BillAccountFees; zero: basic
	TarType     string // TarTypeGZIP; zero: plain text
}

// ApplyFundFlowBill asks where the bill is, with the errors of [Client.ApplyTradeBill].
func (c *Client) ApplyFundFlowBill(ctx context.Context, request FundFlowBillRequest) (BillFile, error) {
	const name = "apply fund flow bill"
	var v validation
	query := c.billQuery(&v, request.BillDate, request.TarType)
	v.billWord("account_type", request.AccountType)
	if c.isPartner() {
		v.add("sub_mchid", "has a call of its own: ApplySubMerchantFundFlowBill")
	}
	if err := v.err(); err != nil {
		return BillFile{}, failed(name, OutcomeRefused, err)
	}
	if request.AccountType != "" {
		query.Set("account_type", request.AccountType)
	}
	return c.applyBill(ctx, name, "/v3/bill/fundflowbill", query)
}

// OpenFundFlowBill applies for the bill and opens it. Range over its rows, then Close it.
func (c *Client) OpenFundFlowBill(ctx context.Context, request FundFlowBillRequest) (*FundFlowBill, error) {
	file, err := c.ApplyFundFlowBill(ctx, request)
	if err != nil {
		return nil, err
	}
	text, err := c.DownloadBill(ctx, file)
	if err != nil {
		return nil, err
	}
	return ReadFundFlowBill(text), nil
}

// FundFlowBill is a fund flow bill while it is read.
type FundFlowBill = Bill[FundFlowBillRow, FundFlowBillSummary]

// Whether money came into the account or went out of it (收支类型).
const (
	FundFlowIncome  = "收入"
	FundFlowExpense = "支出"
)

// FundFlowBillRow is one movement of an account's money, amounts in fen. Columns that the bill does not have are zero.
type FundFlowBillRow struct {
	AccountingTime time.Time         // 记账时间
	BusinessNo     string            // 微信支付业务单号: the provider's number of the order, refund, ... behind it
	FlowNo         string            // 资金流水单号
	BusinessName   string            // 业务名称
	BusinessType   string            // 业务类型: 交易, 退款, 提现, 充值, 分账, 扣除交易手续费, ...; an open list
	Direction      string            // 收支类型: FundFlowIncome or FundFlowExpense
	Amount         int64             // 收支金额, not signed: Direction says
	Balance        int64             // 账户结余, after it
	Applicant      string            // 资金变更提交申请人
	Remark         string            // 备注
	VoucherNo      string            // 业务凭证号
	Other          map[string]string // columns that are not known here, by name; nil without
}

// FundFlowBillSummary is the last line of a fund flow bill, amounts in fen.
type FundFlowBillSummary struct {
	Count         int64 // 资金流水总笔数
	IncomeCount   int64 // 收入笔数
	IncomeAmount  int64 // 收入金额
	ExpenseCount  int64 // 支出笔数
	ExpenseAmount int64 // 支出金额
}

// ReadFundFlowBill reads the text of a fund flow bill from r, as [ReadTradeBill] does. A bill in several files is one
// [io.MultiReader] of them.
func ReadFundFlowBill(r io.Reader) *FundFlowBill {
	return newBill(r, billLayout[FundFlowBillRow, FundFlowBillSummary]{
		columns: fundFlowBillColumns(), summary: fundFlowBillSummary,
		other: func(row *FundFlowBillRow) *map[string]string { return &row.Other },
		add: func(s *FundFlowBillSummary, row *FundFlowBillRow) {
			s.Count++
			switch row.Direction {
			case FundFlowIncome:
				s.IncomeCount++
				s.IncomeAmount += row.Amount
			case FundFlowExpense:
				s.ExpenseCount++
				s.ExpenseAmount += row.Amount
			}
		},
	})
}

const fundFlowCount = "资金流水总笔数"

// fundFlowBillColumns are those of WeChat Pay APIv3, 下载资金账单.
func fundFlowBillColumns() []billColumn[FundFlowBillRow] {
	type row = FundFlowBillRow
	return []billColumn[row]{
		timeColumn("记账时间", func(r *row) *time.Time { return &r.AccountingTime }).must(),
		textColumn("微信支付业务单号", func(r *row) *string { return &r.BusinessNo }),
		textColumn("资金流水单号", func(r *row) *string { return &r.FlowNo }),
		textColumn("业务名称", func(r *row) *string { return &r.BusinessName }),
		textColumn("业务类型", func(r *row) *string { return &r.BusinessType }),
		textColumn("收支类型", func(r *row) *string { return &r.Direction }).must(),
		amountColumn("收支金额", fenDecimals, func(r *row) *int64 { return &r.Amount }).must(),
		amountColumn("账户结余", fenDecimals, func(r *row) *int64 { return &r.Balance }),
		textColumn("资金变更提交申请人", func(r *row) *string { return &r.Applicant }),
		textColumn("备注", func(r *row) *string { return &r.Remark }),
		textColumn("业务凭证号", func(r *row) *string { return &r.VoucherNo }),
	}
}

// fundFlowBillSummary counts with decimals: the provider's example has 20.0.
func fundFlowBillSummary(names []string) []billColumn[FundFlowBillSummary] {
	if !slices.Contains(names, fundFlowCount) {
		return nil
	}
	type sum = FundFlowBillSummary
	return []billColumn[sum]{
		amountColumn(fundFlowCount, countDecimals, func(s *sum) *int64 { return &s.Count }).must(),
		amountColumn("收入笔数", countDecimals, func(s *sum) *int64 { return &s.IncomeCount }),
		amountColumn("收入金额", fenDecimals, func(s *sum) *int64 { return &s.IncomeAmount }),
		amountColumn("支出笔数", countDecimals, func(s *sum) *int64 { return &s.ExpenseCount }),
		amountColumn("支出金额", fenDecimals, func(s *sum) *int64 { return &s.ExpenseAmount }),
	}
}
