package wechatpayv2

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const (
	pathMicroPay = "/pay/micropay"
	pathQuery    = "/pay/orderquery"
	pathReverse  = "/secapi/pay/reverse"
)

// inBubble runs a flow against answers by path; time passes by itself.
func inBubble(t *testing.T, answer func(r request, n int) (Fields, error), check func(t *testing.T, p *provider, client *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, answer)
		check(t, p, newClient(t, testConfig(p)))
	})
}

// calls counts the calls of a path.
func calls(p *provider, path string) int {
	n := 0
	for _, got := range p.paths() {
		if got == path {
			n++
		}
	}
	return n
}

func TestMicroPayToEndPaidAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) { return paid(r, nil), nil }, func(t *testing.T, p *provider, client *Client) {
		start := time.Now()
		order, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if err != nil {
			t.Fatal(err)
		}
		if order.TransactionID != "4200002222202406011234567893" || order.TradeState != wechatpay.TradeStateSuccess || order.TotalFee != 88 {
			t.Errorf("got %+v", order)
		}
		if !slices.Equal(p.paths(), []string{pathMicroPay}) || time.Since(start) != 0 {
			t.Errorf("got %v in %s", p.paths(), time.Since(start))
		}
	})
}

func TestMicroPayToEndWaitsForThePassword(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, n int) (Fields, error) {
		switch {
		case r.path == pathMicroPay:
			return refused(r, "USERPAYING"), nil
		case n < 4:
			return orderIn(r, wechatpay.TradeStateUserPaying), nil
		}
		return orderIn(r, wechatpay.TradeStateSuccess), nil
	}, func(t *testing.T, p *provider, client *Client) {
		start := time.Now()
		if _, err := client.MicroPayToEnd(t.Context(), microPayRequest()); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 15*time.Second {
			t.Errorf("three queries took %s, want one every 5 s", got)
		}
		if calls(p, pathReverse) != 0 {
			t.Error("a paid order was reversed")
		}
	})
}

func TestMicroPayToEndReversesWhatIsNotPaidInTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return refused(r, "USERPAYING"), nil
		case pathQuery:
			return orderIn(r, wechatpay.TradeStateUserPaying), nil
		}
		return done(r, Fields{"recall": "N"}), nil
	}, func(t *testing.T, p *provider, client *Client) {
		start := time.Now()
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if !errors.Is(err, ErrReversed) || OutcomeOf(err) != wechatpay.OutcomeRefused {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("reversed after %s, want 30 s", got)
		}
		if calls(p, pathQuery) != 6 || calls(p, pathReverse) != 1 {
			t.Errorf("got %v", p.paths())
		}
		for _, r := range p.received() {
			if r.fields["out_trade_no"] != "VECM20240601000001" {
				t.Errorf("%s is about %s", r.path, r.fields["out_trade_no"])
			}
		}
	})
}

func TestMicroPayToEndReversesNotSoonerThanFifteenSeconds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return refused(r, "SYSTEMERROR"), nil
		case pathQuery:
			return orderIn(r, wechatpay.TradeStatePayError), nil
		}
		return done(r, Fields{"recall": "N"}), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if !errors.Is(err, ErrReversed) {
			t.Fatalf("got %v", err)
		}
		requests := p.received()
		if wait := requests[len(requests)-1].at.Sub(requests[0].at); wait != 15*time.Second {
			t.Errorf("reversed after %s", wait)
		}
	})
}

func TestReverseIsCalledAgainUntilItIsDone(t *testing.T) {
	t.Parallel()
	answers := []func(r request) (Fields, error){
		func(r request) (Fields, error) { return done(r, Fields{"recall": "Y"}), nil },
		func(r request) (Fields, error) {
			return done(r, Fields{"result_code": "FAIL", "err_code": "TRADE_ERROR", "recall": "Y"}), nil
		},
		func(r request) (Fields, error) { return refused(r, "USERPAYING"), nil },
		func(request) (Fields, error) { return nil, errLost },
		func(r request) (Fields, error) { return refused(r, "SYSTEMERROR"), nil },
		func(r request) (Fields, error) { return done(r, Fields{"recall": "N"}), nil },
	}
	inBubble(t, func(r request, n int) (Fields, error) { return answers[n-1](r) }, func(t *testing.T, p *provider, client *Client) {
		if err := client.ReverseToEnd(t.Context(), "VECM20240601000001"); err != nil {
			t.Error(err)
		}
		if n := calls(p, pathReverse); n != len(answers) {
			t.Errorf("got %d reverses", n)
		}
	})
}

func TestReverseToEndGivesUpAndSaysUnknown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) { return done(r, Fields{"recall": "Y"}), nil }, func(t *testing.T, _ *provider, client *Client) {
		start := time.Now()
		err := client.ReverseToEnd(t.Context(), "VECM20240601000001")
		if err == nil || OutcomeOf(err) != wechatpay.OutcomeUnknown {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > time.Minute || took < 50*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestMicroPayToEndStaysUnknownWhenTheReverseIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return nil, errLost
		case pathQuery:
			return orderIn(r, wechatpay.TradeStateNotPay), nil
		}
		return refused(r, "CERT_ERROR"), nil
	}, func(t *testing.T, _ *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if OutcomeOf(err) != wechatpay.OutcomeUnknown || CodeOf(err) != CodeCertError {
			t.Errorf("got %v, %s", err, OutcomeOf(err))
		}
	})
}

func TestMicroPayIsSentOnceWhenItsAnswerIsLost(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.path == pathMicroPay {
			return nil, errLost
		}
		return orderIn(r, wechatpay.TradeStateSuccess), nil
	}, func(t *testing.T, p *provider, client *Client) {
		if _, err := client.MicroPayToEnd(t.Context(), microPayRequest()); err != nil {
			t.Fatal(err)
		}
		if n := calls(p, pathMicroPay); n != 1 {
			t.Errorf("paid %d times", n)
		}
	})
}

func TestMicroPayThatDidNotLeaveGoesToTheBackup(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.host == "one.test" {
			return nil, errDial()
		}
		return paid(r, nil), nil
	}, func(t *testing.T, p *provider, client *Client) {
		if _, err := client.MicroPayToEnd(t.Context(), microPayRequest()); err != nil {
			t.Error(err)
		}
		if n := calls(p, pathMicroPay); n != 2 {
			t.Errorf("got %v", p.paths())
		}
	})
}

// A refusal under a signature is the last word: a query would only keep the payer waiting.
func TestMicroPayToEndBelievesASignedRefusal(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"AUTHCODEEXPIRE", "AUTH_CODE_INVALID", "NOTENOUGH", "NOTSUPORTCARD"} {
		inBubble(t, func(r request, _ int) (Fields, error) { return refused(r, code), nil }, func(t *testing.T, p *provider, client *Client) {
			_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
			if OutcomeOf(err) != wechatpay.OutcomeRefused || CodeOf(err) != code || len(p.received()) != 1 {
				t.Errorf("%s: got %v after %v", code, err, p.paths())
			}
		})
	}
}

func TestMicroPayToEndDoubtsARefusalThatProvesNothing(t *testing.T) {
	t.Parallel()
	unsigned := func(request) Fields { return Fields{"return_code": "FAIL", "return_msg": "系统繁忙"} }
	for name, c := range map[string]struct {
		refusal func(r request) Fields
		query   func(r request) (Fields, error)
		outcome wechatpay.Outcome
		paid    bool
	}{
		"unsigned, and paid":           {unsigned, func(r request) (Fields, error) { return orderIn(r, "SUCCESS"), nil }, 0, true},
		"unsigned, and no such order":  {unsigned, func(r request) (Fields, error) { return refused(r, "ORDERNOTEXIST"), nil }, wechatpay.OutcomeRefused, false},
		"unsigned, and so is the next": {unsigned, func(r request) (Fields, error) { return unsigned(r), nil }, wechatpay.OutcomeRefused, false},
		"number in use, and paid": {
			func(r request) Fields { return refused(r, "ORDERPAID") },
			func(r request) (Fields, error) { return orderIn(r, "SUCCESS"), nil }, 0, true,
		},
		"number in use for another price": {
			func(r request) Fields { return refused(r, "OUT_TRADE_NO_USED") },
			func(r request) (Fields, error) {
				return paid(r, Fields{"trade_state": "SUCCESS", "total_fee": "89"}), nil
			}, wechatpay.OutcomeUnknown, false,
		},
	} {
		inBubble(t, func(r request, _ int) (Fields, error) {
			if r.path == pathMicroPay {
				return c.refusal(r), nil
			}
			return c.query(r)
		}, func(t *testing.T, p *provider, client *Client) {
			order, err := client.MicroPayToEnd(t.Context(), microPayRequest())
			if (order != nil) != c.paid || (err != nil && OutcomeOf(err) != c.outcome) {
				t.Errorf("%s: got %v, %v", name, order, err)
			}
			if calls(p, pathReverse) != 0 {
				t.Errorf("%s: reversed", name)
			}
		})
	}
}

func TestMicroPayToEndNeverReversesAnOrderOfAnotherPrice(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.path == pathMicroPay {
			return refused(r, "USERPAYING"), nil
		}
		return paid(r, Fields{"trade_state": "SUCCESS", "total_fee": "1"}), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if OutcomeOf(err) != wechatpay.OutcomeUnknown || !errors.Is(err, wechatpay.ErrMalformed) || calls(p, pathReverse) != 0 {
			t.Errorf("got %v after %v", err, p.paths())
		}
	})
}

func TestMicroPayToEndReportsWhatOthersReversed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.path == pathMicroPay {
			return refused(r, "USERPAYING"), nil
		}
		return orderIn(r, wechatpay.TradeStateRevoked), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if !errors.Is(err, ErrReversed) || OutcomeOf(err) != wechatpay.OutcomeRefused || calls(p, pathReverse) != 0 {
			t.Errorf("got %v after %v", err, p.paths())
		}
	})
}

func TestMicroPayToEndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.path == pathMicroPay {
			return refused(r, "USERPAYING"), nil
		}
		return orderIn(r, wechatpay.TradeStateUserPaying), nil
	}, func(t *testing.T, p *provider, client *Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		start := time.Now()
		_, err := client.MicroPayToEnd(ctx, microPayRequest())
		if OutcomeOf(err) != wechatpay.OutcomeUnknown {
			t.Errorf("got %v", err)
		}
		if time.Since(start) > 12*time.Second || calls(p, pathReverse) != 0 {
			t.Errorf("went on for %s with %v", time.Since(start), p.paths())
		}
	})
}

// An order that a query does not find may still be on its way: it is reversed before a new number is allowed.
func TestMicroPayToEndReversesWhatIsNotFound(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return Fields{"status": "502"}, nil
		case pathQuery:
			return refused(r, "ORDERNOTEXIST"), nil
		}
		return done(r, Fields{"recall": "N"}), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if !errors.Is(err, ErrReversed) || calls(p, pathMicroPay) != 1 || calls(p, pathReverse) != 1 {
			t.Errorf("got %v after %v", err, p.paths())
		}
	})
}

func TestMicroPayThatNeverArrivedIsNotPaid(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		if r.path == pathMicroPay {
			return nil, errLost
		}
		return refused(r, "ORDERNOTEXIST"), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if OutcomeOf(err) != wechatpay.OutcomeRefused || CodeOf(err) != CodeOrderNotExist || calls(p, pathReverse) != 1 {
			t.Errorf("got %v after %v", err, p.paths())
		}
	})
}

// What an answer without a signature names as its code decides nothing.
func TestCodeThatIsNotSignedEndsNothing(t *testing.T) {
	t.Parallel()
	unsigned := func(code string) Fields { return Fields{"return_code": "FAIL", "return_msg": "x", "error_code": code} }
	client := newClient(t, testConfig(newProvider(t, func(request, int) (Fields, error) { return unsigned("ORDERCLOSED"), nil })))
	if err := client.CloseOrder(t.Context(), "VEC1"); err == nil || CodeOf(err) != "" {
		t.Errorf("close: got %v", err)
	}
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return nil, errLost
		case pathReverse:
			return unsigned("ORDERNOTEXIST"), nil
		}
		return refused(r, "ORDERNOTEXIST"), nil
	}, func(t *testing.T, _ *provider, client *Client) {
		if _, err := client.MicroPayToEnd(t.Context(), microPayRequest()); OutcomeOf(err) != wechatpay.OutcomeUnknown {
			t.Errorf("pay: got %v", err)
		}
	})
}

// The number is that of somebody else's payment, which is still under way.
func TestMicroPayToEndNeverReversesAPaymentOfAnotherPrice(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r request, _ int) (Fields, error) {
		switch r.path {
		case pathMicroPay:
			return refused(r, "OUT_TRADE_NO_USED"), nil
		case pathReverse:
			return done(r, Fields{"recall": "N"}), nil
		}
		return done(r, Fields{"out_trade_no": r.fields["out_trade_no"], "trade_state": "USERPAYING", "total_fee": "9900"}), nil
	}, func(t *testing.T, p *provider, client *Client) {
		_, err := client.MicroPayToEnd(t.Context(), microPayRequest())
		if OutcomeOf(err) != wechatpay.OutcomeUnknown || calls(p, pathReverse) != 0 {
			t.Errorf("got %v after %v", err, p.paths())
		}
	})
}
