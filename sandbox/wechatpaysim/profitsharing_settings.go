package wechatpaysim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// ProfitSharingSettings are the knobs of sharing.
type ProfitSharingSettings struct {
	Enabled       bool              `json:"enabled"`        // without it every call is 403 NO_AUTH
	MaxRatio      int64             `json:"max_ratio"`      // how much of an order may be shared, in 1/10000
	Wait          clock.Duration    `json:"wait"`           // sandbox clock, from the payment until a request is taken
	Delay         clock.Duration    `json:"delay"`          // sandbox clock, from accepted to FINISHED; 0s finishes in the answer
	Outcome       string            `json:"outcome"`        // of each receiver: SUCCESS or a fail_reason; PROCESSING: until the control API settles it
	ReturnAllowed bool              `json:"return_allowed"` // the receivers agreed to returns
	ReturnOutcome string            `json:"return_outcome"` // SUCCESS, a fail_reason, PROCESSING
	ReturnShort   string            `json:"return_short"`   // FAILED, NOT_ENOUGH: how a return ends whose receiver has too little
	EventType     string            `json:"event_type"`     // of notifications: TRANSACTION.SUCCESS, PROFITSHARING, PROFITSHARING.SUCCESS
	NotifyURLs    map[string]string `json:"notify_urls"`    // by mchid, where a merchant is told of money it received
}

func defaultProfitSharing() ProfitSharingSettings {
	return ProfitSharingSettings{
		Enabled: true, MaxRatio: 3000, Wait: clock.Duration(time.Minute), Delay: clock.Duration(3 * time.Second), Outcome: OutcomeSuccess,
		ReturnAllowed: true, ReturnOutcome: OutcomeSuccess, ReturnShort: ReturnFailed, EventType: "TRANSACTION.SUCCESS", NotifyURLs: map[string]string{},
	}
}

// partFailures are the values of a receiver's fail_reason (WeChat Pay APIv3, 查询分账结果).
func partFailures() []string {
	return []string{
		"ACCOUNT_ABNORMAL", "NO_RELATION", "RECEIVER_HIGH_RISK", "RECEIVER_REAL_NAME_NOT_VERIFIED", "NO_AUTH", "RECEIVER_RECEIPT_LIMIT",
		"PAYER_ACCOUNT_ABNORMAL", "INVALID_REQUEST",
	}
}

// returnFailures are the values of a return's fail_reason (WeChat Pay APIv3, 查询分账回退结果).
func returnFailures() []string {
	return []string{"ACCOUNT_ABNORMAL", shortOfBalance, timedOut, "PAYER_ACCOUNT_ABNORMAL", "INVALID_REQUEST"}
}

func (s ProfitSharingSettings) check() *control.Problem {
	for _, choice := range []struct {
		field, value string
		allowed      []string
	}{
		{"outcome", s.Outcome, append([]string{OutcomeSuccess, OutcomeProcessing}, partFailures()...)},
		{"return_outcome", s.ReturnOutcome, append([]string{OutcomeSuccess, OutcomeProcessing}, returnFailures()...)},
		{"return_short", s.ReturnShort, []string{ReturnFailed, codeNotEnough}},
		{"event_type", s.EventType, slices.Sorted(maps.Keys(sharingEvents()))},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			return &control.Problem{
				Error: fmt.Sprintf("%q is not a value of %s", choice.value, choice.field), Field: "profit_sharing." + choice.field, Allowed: choice.allowed,
			}
		}
	}
	const year = 365 * 24 * time.Hour
	switch {
	case s.MaxRatio < 0 || s.MaxRatio > ratioWhole:
		return &control.Problem{Error: "give 0 to 10000 (1/10000)", Field: "profit_sharing.max_ratio"}
	case s.Wait < 0 || s.Wait.Std() > year:
		return &control.Problem{Error: "give 0s to 8760h", Field: "profit_sharing.wait"}
	case s.Delay < 0 || s.Delay.Std() > year:
		return &control.Problem{Error: "give 0s to 8760h", Field: "profit_sharing.delay"}
	}
	for _, mchID := range slices.Sorted(maps.Keys(s.NotifyURLs)) {
		if issue := checkNotifyURL(s.NotifyURLs[mchID]); issue != "" && s.NotifyURLs[mchID] != "" {
			return &control.Problem{Error: issue, Field: "profit_sharing.notify_urls." + mchID}
		}
	}
	return nil
}
