package wechatpaysim

import (
	"fmt"
	"slices"
)

// The accounts of a fund flow bill (WeChat Pay APIv3, account_type).
const (
	billBasic     = "BASIC"
	billOperation = "OPERATION"
	billFees      = "FEES"
	billDeposit   = "DEPOSIT"
)

// applyFundFlowBill offers what moved in one of the caller's accounts (WeChat Pay APIv3, 申请资金账单).
func (p *Provider) applyFundFlowBill(c *call) (any, *apiError) {
	q, err := p.readBillQuery(c)
	if err != nil {
		return nil, err
	}
	accountType, err := billWord(c, "account_type", billBasic, billBasic, billOperation, billFees)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offerBill(c, q, p.fundSheet(q.day, c.caller, accountType))
}

// fundPots are the pots that an account of a bill holds together. Fees are taken from each payment here, so that their account, like
// that of deposits, is empty.
func fundPots(accountType string) []string {
	switch accountType {
	case billBasic:
		return []string{potUnsettled, potAvailable, potFrozen}
	case billOperation:
		return []string{potOperation}
	}
	return nil
}

// fundMove is one line of a fund flow bill: fen, negative out of the account.
type fundMove struct {
	posting  posting
	business string // 业务名称
	kind     string // 业务类型
	amount   int64
}

// fundSheet prints the ledger: what each posting of the day did to the account, with the balance after it. The caller holds the lock.
func (p *Provider) fundSheet(day billDay, mchID, accountType string) billSheet {
	sheet := billSheet{
		header: []string{"记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号"},
		sums:   []string{"资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"},
	}
	var balance, income, expense int64
	var incomes, expenses int
	for _, e := range p.postings {
		for i, move := range fundMoves(e, mchID, fundPots(accountType)) {
			balance += move.amount
			if !dayOf(e.At).Equal(day.Time) {
				continue
			}
			direction, amount := "收入", move.amount
			if amount < 0 {
				direction, amount = "支出", -amount
				expenses++
				expense += amount
			} else {
				incomes++
				income += amount
			}
			sheet.rows = append(sheet.rows, []string{
				billTime(e.At), e.Ref, flowNo(mchID, e, i), move.business, move.kind, direction, yuan(amount), yuan(balance), "system", e.Note, e.OutNo,
			})
		}
	}
	sheet.summary = []string{billCount(incomes + expenses), billCount(incomes), yuan(income), billCount(expenses), yuan(expense)}
	return sheet
}

// billCount writes a number as the provider does in the summary of this bill, with a decimal.
func billCount(n int) string { return fmt.Sprintf("%d.0", n) }

// flowNo is the number of a line: the same whenever the bill is made.
func flowNo(mchID string, e posting, line int) string {
	return fmt.Sprintf("%s%s%09d%d", mchID, dayOf(e.At).Format("20060102"), e.No, line)
}

// fundMoves are the lines that a posting makes in an account. A fee is a line of its own beside the gross amount. A movement between
// pots of the same account makes none.
func fundMoves(e posting, mchID string, pots []string) []fundMove {
	var moved, fee int64
	alone := true
	for _, l := range e.Legs {
		switch {
		case l.Account.Owner == mchID && slices.Contains(pots, l.Account.Pot):
			moved += l.Amount
		case l.Account == world(potFees):
			fee += l.Amount
		case l.Account.Owner != "" && l.Account.Owner != mchID:
			alone = false
		}
	}
	if moved == 0 {
		return nil
	}
	business, kind := businessOf(e.Kind)
	if fee == 0 || !alone {
		return []fundMove{{e, business, kind, moved}}
	}
	return []fundMove{{e, business, kind, moved + fee}, {e, business, "扣除交易手续费", -fee}}
}

// businessOf names what a posting was for (业务名称, 业务类型). A kind that has no name here keeps its own, so that its money is seen.
func businessOf(kind string) (name, businessType string) {
	words := map[string][2]string{
		postPayment:          {"交易", "交易"},
		postRefund:           {"退款", "退款"},
		postRefundReturned:   {"退款失败退回", "退款"},
		postTopUp:            {"充值", "充值"},
		postWithdraw:         {"提现", "提现"},
		postReverse:          {"撤销", "退款"},
		postSharing:          {"分账", "分账"},
		postSharingReturn:    {"分账回退", "分账"},
		postTransfer:         {"商家转账", "商家转账"},
		postTransferReturned: {"商家转账退回", "商家转账"},
	}
	if known, ok := words[kind]; ok {
		return known[0], known[1]
	}
	return kind, "其他"
}
