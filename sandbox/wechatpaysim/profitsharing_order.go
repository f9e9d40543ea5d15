package wechatpaysim

import (
	"fmt"
	"time"
)

func sharingFields() []field {
	receivers := items("receivers", required(enum("type", receiverMerchant, receiverOpenID, receiverSubOpenID)), required(str("account", 64)),
		str("name", 1024), required(number("amount", 1)), required(str("description", 80)))
	receivers.max = sharingPartsMax
	return []field{
		required(str("appid", 32)), required(str("transaction_id", 32)), required(str("out_order_no", 64).between(1, refundNoSymbols)),
		required(receivers), required(field{name: "unfreeze_unsplit", kind: boolean}), str("sub_mchid", 32), str("sub_appid", 32),
	}
}

func unfreezeFields() []field {
	return []field{
		required(str("transaction_id", 32)), required(str("out_order_no", 64).between(1, refundNoSymbols)),
		required(str("description", 80)), str("sub_mchid", 32),
	}
}

type sharingRequest struct {
	AppID           string               `json:"appid"`
	TransactionID   string               `json:"transaction_id"`
	OutOrderNo      string               `json:"out_order_no"`
	Receivers       []sharingPartRequest `json:"receivers"`
	UnfreezeUnsplit bool                 `json:"unfreeze_unsplit"`
	SubMchID        string               `json:"sub_mchid"`
	SubAppID        string               `json:"sub_appid"`
}

type sharingPartRequest struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Name        string `json:"name"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

func (r sharingRequest) sum() int64 {
	var sum int64
	for _, part := range r.Receivers {
		sum += part.Amount
	}
	return sum
}

// createSharing accepts a sharing, or answers the one that its number names already (WeChat Pay APIv3, 请求分账).
func (p *Provider) createSharing(c *call) (any, *apiError) {
	var r sharingRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	owner, err := p.sharingOwner(c, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	if err := p.checkSharingApps(c, r.AppID, owner, r.SubAppID); err != nil {
		return nil, err
	}
	for i := range r.Receivers { // names are compared in the clear: each encryption differs
		if err := p.openPart(c, i, &r); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	parameters := "share" + string(encode(r))
	if made, err := p.repeatedSharing(owner.numbered(r.OutOrderNo), parameters); made != nil || err != nil {
		return made, err
	}
	o, f, err := p.sharedOrder(owner, r.SubMchID, r.TransactionID)
	if err != nil {
		return nil, err
	}
	now := p.clock.Now()
	if err := p.sharable(o, f, now); err != nil {
		return nil, err
	}
	if err := p.checkParts(owner, r); err != nil {
		return nil, err
	}
	if err := p.withinLimits(o, f, r.sum()); err != nil {
		return nil, err
	}
	s := &sharing{OutOrderNo: r.OutOrderNo, Parameters: parameters, PublicKey: c.serial == p.identity.PublicKeyID, Ends: r.UnfreezeUnsplit}
	for _, part := range r.Receivers {
		s.Parts = append(s.Parts, sharingPart{Type: part.Type, Account: part.Account, Amount: part.Amount, Description: part.Description})
	}
	f.Requests++
	p.acceptSharing(o, f, s, now)
	return s.view(), nil
}

// unfreeze releases what is left of an order to its merchant (WeChat Pay APIv3, 解冻剩余资金). It is a sharing like any other
// whose one receiver is the merchant itself.
func (p *Provider) unfreeze(c *call) (any, *apiError) {
	var r struct {
		TransactionID string `json:"transaction_id"`
		OutOrderNo    string `json:"out_order_no"`
		Description   string `json:"description"`
		SubMchID      string `json:"sub_mchid"`
	}
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	owner, err := p.sharingOwner(c, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	parameters := "unfreeze" + string(encode(r))
	if made, err := p.repeatedSharing(owner.numbered(r.OutOrderNo), parameters); made != nil || err != nil {
		return made, err
	}
	o, f, err := p.sharedOrder(owner, r.SubMchID, r.TransactionID)
	if err != nil {
		return nil, err
	}
	now := p.clock.Now()
	if f.Left == 0 && f.Processing == "" {
		return nil, notEnoughToShare("分账金额为0，分账已完成", "nothing of the order is frozen any more")
	}
	if err := p.sharable(o, f, now); err != nil {
		return nil, err
	}
	s := &sharing{
		OutOrderNo: r.OutOrderNo, Parameters: parameters, PublicKey: c.serial == p.identity.PublicKeyID, Unfreeze: true, Ends: true,
		Parts: []sharingPart{{Type: receiverMerchant, Account: o.MchID, Amount: f.Left, Description: r.Description}},
	}
	p.acceptSharing(o, f, s, now)
	return s.view(), nil
}

// openPart checks one receiver and decrypts its name.
func (p *Provider) openPart(c *call, i int, r *sharingRequest) *apiError {
	part := &r.Receivers[i]
	at := fmt.Sprintf("/receivers/%d", i)
	if err := p.checkReceiverAccount(at, part.Type, part.Account, r.SubAppID); err != nil || part.Name == "" {
		return err
	}
	name, err := p.openRequestField(at[1:]+"/name", part.Name, c.serial)
	part.Name = name
	return err
}

// repeatedSharing answers a number that was used before, or nothing. The caller holds the lock.
func (p *Provider) repeatedSharing(n merchantNo, parameters string) (any, *apiError) {
	made := p.sharings[n]
	if made == nil {
		return nil, nil
	}
	if made.Parameters != parameters {
		return nil, invalidRequest(internalDifferentRepeat, "分账单号已存在，且参数与首次请求时不一致", "the parameters differ from those of the first request under this out_order_no")
	}
	return made.view(), nil
}

// sharable says what stands against any request on the frozen money of an order. The caller holds the lock.
func (p *Provider) sharable(o *order, f *frozenFunds, now time.Time) *apiError {
	switch {
	case !f.ReleasedAt.IsZero():
		return invalidRequest(internalOrderInvalid, "订单已完成分账，剩余资金已解冻", "the sharing of the order is finished")
	case now.Sub(o.SuccessAt) < p.settings.ProfitSharing.Wait.Std(), f.Processing != "":
		return invalidRequest(internalOrderInvalid, "订单处理中，请稍后重试", "the order is being processed; try again later under the same number")
	case now.Sub(f.LastRequestAt) < sharingInterval:
		return p.frequencyLimited()
	}
	return nil
}

// checkParts says what stands against the receivers. The caller holds the lock.
func (p *Provider) checkParts(owner merchantNo, r sharingRequest) *apiError {
	seen := map[receiverKey]bool{}
	for _, part := range r.Receivers {
		k := receiverKey{owner.SpMchID, owner.MchID, part.Type, part.Account}
		if seen[k] {
			return invalidRequest(internalOther, "分账接收方列表中存在重复的接收方", "a receiver is named twice")
		}
		seen[k] = true
		if k.isOwner() {
			continue
		}
		added := p.receivers[k]
		if added == nil || added.Removed {
			return invalidRequest(internalOther, "分账接收方关系不存在，请先添加分账接收方", "the receiver was not added; add it first")
		}
		if part.Name != "" && added.Name != "" && part.Name != added.Name {
			return invalidRequest(internalOther, "分账接收方姓名与实名不匹配", "name is not the receiver's")
		}
	}
	return nil
}

// isOwner reports that the merchant shares with itself, for which it need not add itself.
func (k receiverKey) isOwner() bool { return k.Type == receiverMerchant && k.Account == k.MchID }

// withinLimits says whether the order can bear the sum: what is left of it, the share the merchant agreed to, the number of
// requests (分账: 最大分账比例).
func (p *Provider) withinLimits(o *order, f *frozenFunds, sum int64) *apiError {
	switch {
	case f.Requests >= sharingRequestsMax:
		return ruleLimit("订单分账次数超过50次", "the order was shared 50 times already")
	case sum > f.Left:
		return notEnoughToShare("分账金额不足", "the amounts together exceed what is left of the order")
	case f.Shared+sum > o.Total*p.settings.ProfitSharing.MaxRatio/ratioWhole:
		return ruleLimit("分账金额超过最大分账比例", "the shares of the order together exceed the maximum ratio")
	}
	return nil
}

// acceptSharing books a request and sees to its end. The caller holds the lock.
func (p *Provider) acceptSharing(o *order, f *frozenFunds, s *sharing, now time.Time) {
	s.SpMchID, s.MchID, s.OutTradeNo, s.TransactionID = o.SpMchID, o.MchID, o.OutTradeNo, o.TransactionID
	s.OrderID = unused(p.byOrderID, func() string { return p.newSharingID(now) })
	s.State, s.CreatedAt = SharingProcessing, now
	for i := range s.Parts {
		s.Parts[i].Result, s.Parts[i].DetailID = PartPending, p.newDetailID(now)
	}
	sum := s.sum()
	f.Left -= sum
	f.Pending += sum
	f.Processing, f.Ending, f.LastRequestAt = s.OutOrderNo, s.Ends, now
	if outcome := p.settings.ProfitSharing.Outcome; outcome != OutcomeProcessing {
		s.Outcome, s.FinishesAt = outcome, now.Add(p.settings.ProfitSharing.Delay.Std())
	}
	p.sharings[s.key()], p.byOrderID[s.OrderID] = s, s
	p.putSharing(s)
	p.putFrozen(f)
	p.awaitSharing(s)
}

// querySharing answers a sharing order (WeChat Pay APIv3, 查询分账结果).
func (p *Provider) querySharing(c *call) (any, *apiError) {
	owner, err := p.sharingOwner(c, c.query.Get("sub_mchid"), "query")
	if err != nil {
		return nil, err
	}
	transactionID := c.query.Get("transaction_id")
	if transactionID == "" {
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "transaction_id", Issue: "the parameter is required", Location: "query"})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sharings[owner.numbered(c.http.PathValue("out_order_no"))]
	if s == nil || s.TransactionID != transactionID {
		return nil, noResource("分账单不存在", "the sharing order does not exist")
	}
	return s.view(), nil
}

// sharingView is a sharing order as the provider answers it.
type sharingView struct {
	SubMchID      string            `json:"sub_mchid,omitempty"`
	TransactionID string            `json:"transaction_id"`
	OutOrderNo    string            `json:"out_order_no"`
	OrderID       string            `json:"order_id"`
	State         string            `json:"state"`
	Receivers     []sharingPartView `json:"receivers"`
}

type sharingPartView struct {
	Type        string `json:"type"`
	Account     string `json:"account"`
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
	Result      string `json:"result"`
	FailReason  string `json:"fail_reason,omitempty"`
	CreateTime  string `json:"create_time"`
	FinishTime  string `json:"finish_time,omitempty"`
	DetailID    string `json:"detail_id"`
}

// view shows the sharing. The caller holds the lock.
func (s *sharing) view() sharingView {
	v := sharingView{
		TransactionID: s.TransactionID, OutOrderNo: s.OutOrderNo, OrderID: s.OrderID, State: s.State, Receivers: []sharingPartView{},
	}
	if s.SpMchID != "" {
		v.SubMchID = s.MchID
	}
	for _, part := range s.Parts {
		shown := sharingPartView{
			Type: part.Type, Account: part.Account, Amount: part.Amount, Description: part.Description, Result: part.Result,
			FailReason: part.FailReason, CreateTime: chinaTime(s.CreatedAt), DetailID: part.DetailID,
		}
		if !part.FinishedAt.IsZero() {
			shown.FinishTime = chinaTime(part.FinishedAt)
		}
		v.Receivers = append(v.Receivers, shown)
	}
	return v
}
