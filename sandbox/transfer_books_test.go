package sandbox_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// TestBooksBalanceWhateverHappensToTransfers plays random histories and checks after each step that the provider's books agree, that
// no transfer leaves an end it has reached, and at the end that money is where the states say.
func TestBooksBalanceWhateverHappensToTransfers(t *testing.T) {
	t.Parallel()
	ends := map[any]bool{"SUCCESS": true, "FAIL": true, "CANCELLED": true}
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("Seed%d", seed), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.receiver.answer(http.StatusNoContent)
			sub := b.sandbox.Credentials().WeChatPay.SubMerchants[0]
			r := rand.New(rand.NewPCG(seed, 11))
			amounts, ended, made := map[string]int64{}, map[string]any{}, 0
			for range 150 {
				number := fmt.Sprintf("BILL%d", r.IntN(made+1))
				partner := r.IntN(4) == 0
				if partner {
					number = fmt.Sprintf("SUB%d", r.IntN(9))
				}
				control := func(call string, body any) { b.control("POST", "/wechatpay/transfers/"+number+"/"+call, body) }
				switch r.IntN(10) {
				case 0, 1, 2, 3:
					if amounts[number] == 0 {
						amounts[number] = 1 + r.Int64N(900)
						made++
					}
					body, path := b.transferBody(number, amounts[number]+r.Int64N(50)/49), transfersPath
					if partner {
						body["sub_mchid"], path = sub.MchID, partnerTransfersPath
					}
					b.merchant.call("POST", path, body)
				case 4:
					control("confirm", nil)
				case 5:
					control([]string{"confirm", "refuse"}[r.IntN(2)], nil)
				case 6:
					if partner {
						b.merchant.call("POST", partnerTransfersPath+"/out-bill-no/"+number+"/cancel", object{"sub_mchid": sub.MchID})
						break
					}
					b.merchant.call("POST", transfersPath+"/out-bill-no/"+number+"/cancel", nil)
				case 7:
					control("settle", object{"outcome": []string{"SUCCESS", "TRANSFER_RISK"}[r.IntN(2)]})
				case 8:
					b.control("POST", "/wechatpay/funds", object{
						"action": []string{"top_up", "withdraw"}[r.IntN(2)], "account": "operation", "amount": 1 + r.Int64N(1500),
						"mchid": []string{"", sub.MchID}[r.IntN(2)],
					})
					b.settings(object{"transfer": object{
						"short": []string{"NOT_ENOUGH", "ACCEPTED", "PROCESSING"}[r.IntN(3)], "delay": fmt.Sprintf("%ds", r.IntN(3)),
						"outcome": []string{"SUCCESS", "TRANSFERING", "ACCOUNT_FROZEN"}[r.IntN(3)],
					}})
				case 9:
					b.advance([]time.Duration{time.Second, 3 * time.Second, 25 * time.Hour}[r.IntN(3)])
				}
				b.books()
				status, shown := b.control("GET", "/wechatpay/transfers/"+number, nil)
				if status != 200 {
					continue
				}
				if end := ended[number]; end != nil && end != shown["state"] {
					t.Fatalf("%s was %v and is %v", number, end, shown["state"])
				}
				if ends[shown["state"]] {
					ended[number] = shown["state"]
				}
			}
			if len(ended) < 5 {
				t.Fatalf("only %d transfers came to an end", len(ended))
			}
			before := b.books()
			next := b.again()
			want(t, "books after a restart", next.books(), before)
		})
	}
}
