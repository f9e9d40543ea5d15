package sandbox_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

func TestProfitSharingSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := setupSharing(t)
	s.sharingSettings(object{"max_ratio": 5000})
	transaction := s.shared("ORDER0001", "SHARE1")
	s.sharingSettings(object{"return_outcome": "PROCESSING"})
	s.giveBack("SHARE1", "BACK1", 20)
	s.share(transaction, "SHARE2", s.toPerson(100)) // still processed
	books, left := s.books(), s.unsplit(transaction)

	next := sharerOf(s.againAt(s.real))
	want(t, "books", next.books(), books)
	want(t, "left", next.unsplit(transaction), left)
	want(t, "max_ratio", at(next.ok("GET", "/wechatpay/settings", nil), "profit_sharing", "max_ratio"), 5000)
	next.advance(3 * time.Second)
	want(t, "what was processed goes on", next.querySharing(transaction, "SHARE2")["state"], "FINISHED")
	next.ok("POST", "/wechatpay/profitsharing/returns/BACK1/settle", object{"outcome": "SUCCESS"})
	next.advance(time.Second)
	next.share(transaction, "SHARE3", next.toMerchant(1)) // its receivers are known
	next.advance(30 * 24 * time.Hour)
	want(t, "released in time", next.books()["frozen"], 0)
}

// TestSharingBooksBalanceWhateverHappens plays random histories of sharing and checks after each step that the books agree.
func TestSharingBooksBalanceWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("Seed%d", seed), func(t *testing.T) {
			t.Parallel()
			s := setupSharing(t)
			s.receiver.answer(http.StatusNoContent)
			s.settings(object{"refund_interval": "0s"})
			h := &sharingHistory{sharer: s, r: rand.New(rand.NewPCG(seed, 11))}
			h.order()
			for step := range 150 {
				h.step(step)
				s.books()
			}
			before := s.books()
			if before["shared"].(float64) == 0 || before["available"].(float64) == 0 {
				t.Errorf("a history in which nothing was shared: %v", before)
			}
			want(t, "books after a restart", s.againAt(s.real).books(), before)
		})
	}
}

// sharingHistory is one random history. Its calls may be refused; the books must hold all the same.
type sharingHistory struct {
	*sharer
	r            *rand.Rand
	transactions []string
	totals       []int64
	sharings     int
}

// order pays another order, mostly one for sharing.
func (h *sharingHistory) order() {
	n := len(h.transactions)
	total := 1 + h.r.Int64N(5000)
	body := h.prepayBody(fmt.Sprintf("ORDER%04d", n), total)
	body["settle_info"] = object{"profit_sharing": h.r.IntN(8) > 0}
	h.merchant.must("POST", nativePath, body)
	paid := h.pay(object{"out_trade_no": fmt.Sprintf("ORDER%04d", n), "result": "success"})
	h.transactions, h.totals = append(h.transactions, paid["transaction_id"].(string)), append(h.totals, total)
}

func (h *sharingHistory) step(step int) {
	n := h.r.IntN(len(h.transactions))
	transaction, total := h.transactions[n], h.totals[n]
	amount := 1 + h.r.Int64N(total)
	sharing := fmt.Sprintf("SHARE%d", h.r.IntN(h.sharings+1))
	switch h.r.IntN(11) {
	case 0:
		h.order()
	case 1, 2, 3:
		body := h.sharingBody(transaction, fmt.Sprintf("SHARE%d", h.sharings), h.toMerchant(amount/8+1), h.toPerson(amount/9+1))
		body["unfreeze_unsplit"] = h.r.IntN(8) == 0
		h.sharings++
		h.merchant.call("POST", sharingPath+"orders", body)
	case 4:
		h.merchant.call("POST", sharingPath+"return-orders", h.returnBody(sharing, fmt.Sprintf("BACK%d", step), amount/8+1))
	case 5:
		h.merchant.call("POST", refundsPath, h.refundBody(fmt.Sprintf("ORDER%04d", n), fmt.Sprintf("REFUND%d", step), amount, total))
	case 6:
		if h.r.IntN(3) == 0 {
			h.merchant.call("POST", sharingPath+"orders/unfreeze", unfreezeBody(transaction, fmt.Sprintf("FREE%d", step)))
		}
	case 7:
		pick := func(outcomes ...string) string { return outcomes[h.r.IntN(len(outcomes))] }
		h.settings(object{"refund_outcome": pick("SUCCESS", "CLOSED", "PROCESSING"), "fee_rate": h.r.IntN(200)})
		h.sharingSettings(object{
			"max_ratio": []int{3000, 10000}[h.r.IntN(2)], "outcome": pick("SUCCESS", "SUCCESS", "SUCCESS", "NO_RELATION", "PROCESSING"),
			"return_outcome": pick("SUCCESS", "ACCOUNT_ABNORMAL", "PROCESSING"),
		})
	case 8:
		h.control("POST", "/wechatpay/profitsharing/orders/"+sharing+"/settle", object{"results": object{h.person: "RECEIVER_HIGH_RISK"}})
		h.control("POST", "/wechatpay/profitsharing/returns/"+fmt.Sprintf("BACK%d", h.r.IntN(step+1))+"/settle", object{"outcome": "SUCCESS"})
		h.control("POST", "/wechatpay/funds", object{"action": "withdraw", "amount": amount, "mchid": h.other.MchID})
	default:
		h.advance([]time.Duration{2 * time.Second, time.Minute, time.Minute, 6 * 24 * time.Hour, 31 * 24 * time.Hour}[h.r.IntN(5)])
	}
}
