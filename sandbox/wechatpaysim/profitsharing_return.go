package wechatpaysim

import (
	"net/http"
	"time"
)

// Values of a return's result (WeChat Pay APIv3, 请求分账回退).
const (
	ReturnProcessing = "PROCESSING"
	ReturnSuccess    = "SUCCESS"
	ReturnFailed     = "FAILED"
)

// The rules of returns (WeChat Pay APIv3, 请求分账回退: 注意).
const (
	returnWindow   = 180 * 24 * time.Hour // after the sharing
	returnsMax     = 50                   // per sharing order
	returnTimeout  = 5 * 24 * time.Hour   // one that is processed for so long fails
	shortOfBalance = "BALANCE_NOT_ENOUGH"
	timedOut       = "TIME_OUT_CLOSED"
)

// sharingReturn takes shared money back from a receiver. Amounts are in fen.
type sharingReturn struct {
	SpMchID     string // of the sharing
	MchID       string // of the sharing: who gets the money back
	OutReturnNo string
	ReturnID    string
	OutOrderNo  string
	ReturnMchID string
	Amount      int64
	Description string
	Parameters  string // the first call's, for comparing repeats
	PublicKey   bool   // the first call named the public key

	Result     string
	FailReason string
	CreatedAt  time.Time
	FinishedAt time.Time
}

func (r *sharingReturn) key() merchantNo { return merchantNo{r.SpMchID, r.MchID, r.OutReturnNo} }

func (r *sharingReturn) sharing() merchantNo { return merchantNo{r.SpMchID, r.MchID, r.OutOrderNo} }

func sharingReturnFields() []field {
	return []field{
		str("order_id", 64), str("out_order_no", 64).between(1, refundNoSymbols), required(str("out_return_no", 64).between(1, refundNoSymbols)),
		required(str("return_mchid", 32)), required(number("amount", 1)), required(str("description", 80)), str("sub_mchid", 32),
	}
}

type sharingReturnRequest struct {
	OrderID     string `json:"order_id"`
	OutOrderNo  string `json:"out_order_no"`
	OutReturnNo string `json:"out_return_no"`
	ReturnMchID string `json:"return_mchid"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
	SubMchID    string `json:"sub_mchid"`
}

// createSharingReturn takes money back from a receiver, or answers the return that the number names already (WeChat Pay APIv3,
// 请求分账回退).
func (p *Provider) createSharingReturn(c *call) (any, *apiError) {
	var r sharingReturnRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	if (r.OrderID == "") == (r.OutOrderNo == "") {
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "/out_order_no", Issue: "give order_id or out_order_no, not both", Location: "body"})
	}
	owner, err := p.sharingOwner(c, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sharings[owner.numbered(r.OutOrderNo)]
	if r.OrderID != "" {
		s = p.byOrderID[r.OrderID]
	}
	if s == nil || s.SpMchID != owner.SpMchID || s.MchID != owner.MchID {
		return nil, noResource("分账单不存在", "the sharing order does not exist")
	}
	r.OrderID, r.OutOrderNo = s.OrderID, s.OutOrderNo // either names it in a repeat
	parameters := string(encode(r))
	if made := p.sharingReturns[owner.numbered(r.OutReturnNo)]; made != nil {
		if made.Parameters != parameters {
			return nil, invalidRequest(internalDifferentRepeat, "回退单号已存在，且参数与首次请求时不一致", "the parameters differ from those of the first request under this out_return_no")
		}
		return p.sharingReturnView(made), nil
	}
	now := p.clock.Now()
	if err := p.returnable(s, r, now); err != nil {
		return nil, err
	}
	made := &sharingReturn{
		SpMchID: s.SpMchID, MchID: s.MchID, OutReturnNo: r.OutReturnNo, ReturnID: unused(p.byReturnID, func() string { return p.newSharingID(now) }),
		OutOrderNo: s.OutOrderNo, ReturnMchID: r.ReturnMchID, Amount: r.Amount, Description: r.Description, Parameters: parameters,
		PublicKey: c.serial == p.identity.PublicKeyID, Result: ReturnProcessing, CreatedAt: now,
	}
	p.acceptReturn(s, made)
	return p.sharingReturnView(made), nil
}

// returnable says what stands against a return. The caller holds the lock.
func (p *Provider) returnable(s *sharing, r sharingReturnRequest, now time.Time) *apiError {
	settings := p.settings.ProfitSharing
	part := s.merchantPart(r.ReturnMchID)
	switch {
	case part == nil:
		return invalidRequest(internalOther, "回退方不存在", "the sharing order paid no other merchant of this return_mchid")
	case !settings.ReturnAllowed:
		return noAuth("回退方未开通分账回退功能", "the receiver does not allow returns")
	case now.Sub(part.FinishedAt) > returnWindow:
		return invalidRequest(internalOrderInvalid, "分账单已超过回退期限", "the sharing is more than 180 days ago")
	case s.returns() >= returnsMax:
		return ruleLimit("分账单回退次数超过50次", "the sharing order has 50 returns already")
	case r.Amount > part.Amount-part.Returned-part.Returning:
		return invalidRequest(internalOutOfRange, "回退金额超过分账金额", "the returns together would exceed what the receiver got")
	case settings.ReturnShort == codeNotEnough && p.balance(r.ReturnMchID, potAvailable) < r.Amount:
		return &apiError{http.StatusForbidden, codeNotEnough, "回退方余额不足", "the receiver's available balance does not cover the return", internalOther, nil}
	}
	return nil
}

// merchantPart is the part that a merchant other than the sharing one got, or nil.
func (s *sharing) merchantPart(mchID string) *sharingPart {
	for i := range s.Parts {
		if part := &s.Parts[i]; part.Type == receiverMerchant && part.Account == mchID && mchID != s.MchID && part.Result == PartSuccess {
			return part
		}
	}
	return nil
}

func (s *sharing) returns() int {
	n := 0
	for _, part := range s.Parts {
		n += part.Returns
	}
	return n
}

// acceptReturn books a return and, unless a test wants it to wait, ends it. The caller holds the lock.
func (p *Provider) acceptReturn(s *sharing, made *sharingReturn) {
	part := s.merchantPart(made.ReturnMchID)
	part.Returns++
	part.Returning += made.Amount
	p.sharingReturns[made.key()], p.byReturnID[made.ReturnID] = made, made
	switch outcome := p.settings.ProfitSharing.ReturnOutcome; outcome {
	case OutcomeProcessing:
		p.putSharing(s)
		p.put(recordSharingReturn, made.key().String(), made)
		p.awaitReturn(made)
	default:
		p.finishReturn(made, outcome, made.CreatedAt)
	}
}

// awaitReturn fails a return that nobody ended in five days. The caller holds the lock.
func (p *Provider) awaitReturn(r *sharingReturn) {
	if r.Result != ReturnProcessing {
		return
	}
	due := r.CreatedAt.Add(returnTimeout)
	if !due.After(p.clock.Now()) {
		p.finishReturn(r, timedOut, due)
		return
	}
	n := r.key()
	p.clock.At(due, func(due time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if r := p.sharingReturns[n]; r != nil && r.Result == ReturnProcessing && r.CreatedAt.Add(returnTimeout).Equal(due) {
			p.finishReturn(r, timedOut, due)
		}
	})
}

// finishReturn ends a return: SUCCESS, or the reason it fails for. Its money goes to the available balance and is not frozen
// again. The caller holds the lock.
func (p *Provider) finishReturn(r *sharingReturn, outcome string, at time.Time) {
	s := p.sharings[r.sharing()]
	part := s.merchantPart(r.ReturnMchID)
	part.Returning -= r.Amount
	r.FinishedAt = at
	if outcome == OutcomeSuccess && p.balance(r.ReturnMchID, potAvailable) < r.Amount {
		outcome = shortOfBalance
	}
	if outcome == OutcomeSuccess {
		r.Result = ReturnSuccess
		part.Returned += r.Amount
		p.post(posting{At: at, Kind: postSharingReturn, Ref: r.ReturnID, OutNo: r.OutReturnNo, Note: r.Description, Legs: []leg{
			{account{r.ReturnMchID, potAvailable}, -r.Amount}, {account{r.MchID, potAvailable}, r.Amount},
		}})
		p.notifyReturn(s, r)
	} else {
		r.Result, r.FailReason = ReturnFailed, outcome
	}
	p.putSharing(s)
	p.put(recordSharingReturn, r.key().String(), r)
}

// querySharingReturn answers a return (WeChat Pay APIv3, 查询分账回退结果).
func (p *Provider) querySharingReturn(c *call) (any, *apiError) {
	owner, err := p.sharingOwner(c, c.query.Get("sub_mchid"), "query")
	if err != nil {
		return nil, err
	}
	outOrderNo := c.query.Get("out_order_no")
	if outOrderNo == "" {
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "out_order_no", Issue: "the parameter is required", Location: "query"})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.sharingReturns[owner.numbered(c.http.PathValue("out_return_no"))]
	if r == nil || r.OutOrderNo != outOrderNo {
		return nil, noResource("分账回退单不存在", "the return does not exist")
	}
	return p.sharingReturnView(r), nil
}

// sharingReturnView is a return as the provider answers it.
type sharingReturnView struct {
	SubMchID    string `json:"sub_mchid,omitempty"`
	OrderID     string `json:"order_id"`
	OutOrderNo  string `json:"out_order_no"`
	OutReturnNo string `json:"out_return_no"`
	ReturnID    string `json:"return_id"`
	ReturnMchID string `json:"return_mchid"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
	Result      string `json:"result"`
	FailReason  string `json:"fail_reason,omitempty"`
	CreateTime  string `json:"create_time"`
	FinishTime  string `json:"finish_time,omitempty"`
}

// sharingReturnView shows the return. The caller holds the lock.
func (p *Provider) sharingReturnView(r *sharingReturn) sharingReturnView {
	v := sharingReturnView{
		OrderID: p.sharings[r.sharing()].OrderID, OutOrderNo: r.OutOrderNo, OutReturnNo: r.OutReturnNo, ReturnID: r.ReturnID,
		ReturnMchID: r.ReturnMchID, Amount: r.Amount, Description: r.Description, Result: r.Result, FailReason: r.FailReason,
		CreateTime: chinaTime(r.CreatedAt),
	}
	if r.SpMchID != "" {
		v.SubMchID = r.MchID
	}
	if !r.FinishedAt.IsZero() {
		v.FinishTime = chinaTime(r.FinishedAt)
	}
	return v
}
