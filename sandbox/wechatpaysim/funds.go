package wechatpaysim

import (
	"fmt"
	"net/http"

	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// fundsMove is a movement that a merchant or the provider makes outside the protocol.
type fundsMove struct {
	Action  string `json:"action"`            // settle, top_up, withdraw
	Amount  int64  `json:"amount"`            // fen
	Account string `json:"account,omitempty"` // top_up, withdraw: available, operation; empty: available
	MchID   string `json:"mchid,omitempty"`   // empty: the first merchant
}

// postFunds moves a merchant's money: what the provider settles each night, and what the merchant adds or takes.
func (p *Provider) postFunds(w http.ResponseWriter, r *http.Request) {
	var move fundsMove
	if !control.Read(w, r, &move) {
		return
	}
	if problem := p.checkFunds(&move); problem != nil {
		control.Refuse(w, http.StatusBadRequest, *problem)
		return
	}
	if problem := p.moveFunds(move); problem != nil {
		control.Refuse(w, http.StatusConflict, *problem)
		return
	}
	control.Write(w, http.StatusOK, p.Books())
}

func (p *Provider) checkFunds(move *fundsMove) *control.Problem {
	if move.MchID == "" {
		move.MchID = p.identity.MchID
	}
	if move.Account == "" {
		move.Account = potAvailable
	}
	if _, known := p.merchant(move.MchID); !known {
		return &control.Problem{Error: "the provider has no merchant of this mchid", Field: "mchid"}
	}
	if move.Amount <= 0 || move.Amount > amountMax {
		return &control.Problem{Error: "give a positive amount in fen", Field: "amount"}
	}
	if move.Account != potAvailable && (move.Account != potOperation || move.Action == "settle") {
		return &control.Problem{Error: "there is no such account to move money of", Field: "account", Allowed: []string{potAvailable, potOperation}}
	}
	return nil
}

func (p *Provider) moveFunds(move fundsMove) *control.Problem {
	actions := map[string]struct {
		from, to account
		kind     string
	}{
		"settle":   {account{move.MchID, potUnsettled}, account{move.MchID, potAvailable}, postSettle},
		"top_up":   {world(potToppedUp), account{move.MchID, move.Account}, postTopUp},
		"withdraw": {account{move.MchID, move.Account}, world(potWithdrawn), postWithdraw},
	}
	action, ok := actions[move.Action]
	if !ok {
		return &control.Problem{Error: "say what to do with the money", Field: "action", Allowed: []string{"settle", "top_up", "withdraw"}}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if has := p.balances[action.from]; action.from.Owner != "" && move.Amount > has {
		return &control.Problem{Error: fmt.Sprintf("the %s balance is %d fen; give at most that", action.from.Pot, has), Field: "amount"}
	}
	p.post(posting{At: p.clock.Now(), Kind: action.kind, Legs: []leg{{action.from, -move.Amount}, {action.to, move.Amount}}})
	return nil
}
