package wechatpay

import (
	"errors"
	"net/http"
	"testing"
)

func TestCredentialOfAnAnswerThatIsNotAcceptedIsForgotten(t *testing.T) {
	t.Parallel()
	for _, first := range []string{codeURLAnswer + "}", `{"code_url":"weixin://other","a":1,}`} {
		p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
			if n == 1 {
				p.reply(w, 200, first)
				return
			}
			p.reply(w, 200, `{"a":1}`)
		})
		if order, err := clientOf(t, p).PrepayNative(t.Context(), nativeRequest()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %+v, %v", first, order, err)
		}
	}
}

// The first answer is about another order and is asked for again; nothing of it may stay.
func TestUnsplitAmountIsNotMixedFromTwoAnswers(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			p.reply(w, 200, `{"transaction_id":"4200002222202406011234567899","unsplit_amount":500}`)
			return
		}
		p.reply(w, 200, `{"transaction_id":"`+sharedTransactionID+`"}`)
	})
	if amount, err := clientOf(t, p).QueryUnsplitAmount(t.Context(), sharedTransactionID); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %d, %v", amount, err)
	}
}

func TestDoLeavesNothingOfAnAnswerThatIsNotAccepted(t *testing.T) {
	t.Parallel()
	type typed struct {
		State string `json:"state"`
		Count int    `json:"count"`
	}
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			p.reply(w, 200, `{"state":"FINISHED","count":"1"}`)
			return
		}
		p.reply(w, 200, `{"count":2}`)
	})
	got := typed{State: "before"}
	if err := clientOf(t, p).Do(t.Context(), Request{Method: "GET", Path: "/v3/x"}, &got); err != nil || got != (typed{Count: 2}) {
		t.Errorf("got %+v, %v", got, err)
	}
	bad := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, 200, `{"state":"FINISHED","count":"1"}`)
	})
	got = typed{State: "before"}
	if err := clientOf(t, bad).Do(t.Context(), Request{Method: "GET", Path: "/v3/x"}, &got); err == nil || got != (typed{State: "before"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
