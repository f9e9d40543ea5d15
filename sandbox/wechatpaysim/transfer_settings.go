package wechatpaysim

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// Values of [TransferSettings.Short].
const (
	ShortRefused    = "NOT_ENOUGH" // 403, and there is no transfer
	ShortAccepted   = TransferAccepted
	ShortProcessing = TransferProcessing
)

// Values of [TransferSettings.NotifySchedule].
const (
	ScheduleTransfer = "transfer" // 15 s, 5 min, 30 min
	SchedulePayment  = "payment"  // as payments'
)

// TransferSettings are the knobs of transfers.
type TransferSettings struct {
	Authorized       bool           `json:"authorized"`         // the merchant has the product; else 403 NO_AUTH
	Scenes           []string       `json:"scenes"`             // granted transfer_scene_id
	Short            string         `json:"short"`              // NOT_ENOUGH, ACCEPTED, PROCESSING: the answer when the operating account is short
	Outcome          string         `json:"outcome"`            // of a confirmed one: SUCCESS, TRANSFERING (until it is settled), or a fail_reason
	Delay            clock.Duration `json:"delay"`              // sandbox clock, from confirmed to the outcome; 0s: at once
	CancelDelay      clock.Duration `json:"cancel_delay"`       // sandbox clock, from CANCELING to CANCELLED; 0s cancels in the answer
	RealName         string         `json:"real_name"`          // of every user: another user_name fails with NAME_NOT_CORRECT; empty: any name is right
	NameRefusedBelow int64          `json:"name_refused_below"` // fen, below which user_name is refused
	IPAllowList      []string       `json:"ip_allow_list"`      // addresses that may create; empty: all
	DailyLimit       int64          `json:"daily_limit"`        // fen of a merchant and day; 0: none
	SceneDailyLimit  int64          `json:"scene_daily_limit"`  // fen of a merchant, scene and day; 0: none
	UserDailyLimit   int64          `json:"user_daily_limit"`   // fen a user may receive a day, else DAY_RECEIVED_QUOTA_EXCEED; 0: none
	DifferentCode    string         `json:"different_code"`     // ALREADY_EXISTS, INVALID_REQUEST: a number used with other parameters
	UnknownCode      string         `json:"unknown_code"`       // NOT_FOUND, RESOURCE_NOT_EXISTS: an unknown number
	NoticeMerchant   string         `json:"notice_merchant"`    // mch_id, mchid: how notifications name the merchant
	NotifySchedule   string         `json:"notify_schedule"`    // transfer, payment: when a failed notification is repeated
}

func defaultTransferSettings() TransferSettings {
	return TransferSettings{
		Authorized: true, Scenes: slices.Sorted(maps.Keys(scenes())), Short: ShortRefused, Outcome: OutcomeSuccess,
		Delay: clock.Duration(3 * time.Second), CancelDelay: clock.Duration(3 * time.Second), NameRefusedBelow: 30, IPAllowList: []string{},
		DifferentCode: codeAlreadyExists, UnknownCode: codeNotFound, NoticeMerchant: "mch_id", NotifySchedule: ScheduleTransfer,
	}
}

func (s TransferSettings) clone() TransferSettings {
	s.Scenes, s.IPAllowList = slices.Clone(s.Scenes), slices.Clone(s.IPAllowList)
	return s
}

// check returns what is wrong with the knobs; the two functions are those of [Settings.check].
func (s TransferSettings) check(
	oneOf func(field, value string, allowed ...string) *control.Problem,
	within func(field string, value, least, most float64, unit string) *control.Problem,
) []*control.Problem {
	problems := []*control.Problem{
		oneOf("transfer.short", s.Short, ShortRefused, ShortAccepted, ShortProcessing),
		oneOf("transfer.outcome", s.Outcome, append([]string{OutcomeSuccess, TransferTransfering}, failReasons()...)...),
		oneOf("transfer.different_code", s.DifferentCode, codeAlreadyExists, codeInvalidRequest),
		oneOf("transfer.unknown_code", s.UnknownCode, codeNotFound, codeNoResource),
		oneOf("transfer.notice_merchant", s.NoticeMerchant, "mch_id", "mchid"),
		oneOf("transfer.notify_schedule", s.NotifySchedule, ScheduleTransfer, SchedulePayment),
		within("transfer.delay", s.Delay.Std().Hours(), 0, 8760, " hours"),
		within("transfer.cancel_delay", s.CancelDelay.Std().Hours(), 0, 8760, " hours"),
		within("transfer.name_refused_below", float64(s.NameRefusedBelow), 0, nameRequiredFrom, " fen"),
		within("transfer.daily_limit", float64(s.DailyLimit), 0, amountMax, " fen"),
		within("transfer.scene_daily_limit", float64(s.SceneDailyLimit), 0, amountMax, " fen"),
		within("transfer.user_daily_limit", float64(s.UserDailyLimit), 0, amountMax, " fen"),
	}
	for _, id := range s.Scenes {
		problems = append(problems, oneOf("transfer.scenes", id, slices.Sorted(maps.Keys(scenes()))...))
	}
	for _, address := range s.IPAllowList {
		if _, err := netip.ParseAddr(address); err != nil {
			problems = append(problems, &control.Problem{Error: "give IPv4 or IPv6 addresses", Field: "transfer.ip_allow_list"})
		}
	}
	return problems
}

// failReasons are the documented values of fail_reason (WeChat Pay APIv3, 商家转账: 失败原因).
func failReasons() []string {
	return []string{
		"ACCOUNT_FROZEN", "ACCOUNT_NOT_EXIST", "BANK_CARD_ACCOUNT_ABNORMAL", "BANK_CARD_BANK_INFO_WRONG", "BANK_CARD_CARD_INFO_WRONG",
		"BANK_CARD_COLLECTIONS_ABOVE_QUOTA", "BANK_CARD_PARAM_ERROR", "BANK_CARD_STATUS_ABNORMAL", "BLOCK_B2C_USERLIMITAMOUNT_BSRULE_MONTH",
		"BLOCK_B2C_USERLIMITAMOUNT_MONTH", "DAY_RECEIVED_COUNT_EXCEED", failUserLimit, "EXCEEDED_ESTIMATED_AMOUNT", "ID_CARD_NOT_CORRECT",
		"MCH_CANCEL", "MERCHANT_REJECT", "MERCHANT_NOT_CONFIRM", failName, "OPENID_INVALID", failRefused, failOverdue, "PAYEE_ACCOUNT_ABNORMAL",
		"PAYER_ACCOUNT_ABNORMAL", "PRODUCT_AUTH_CHECK_FAIL", "REALNAME_ACCOUNT_RECEIVED_QUOTA_EXCEED", "REAL_NAME_CHECK_FAIL",
		"RECEIVE_ACCOUNT_NOT_CONFIGURE", "RESERVATION_INFO_NOT_MATCH", "RESERVATION_SCENE_NOT_MATCH", "RESERVATION_STATE_INVALID",
		"TRANSFER_QUOTA_EXCEED", "TRANSFER_REMARK_SET_FAIL", "TRANSFER_RISK",
	}
}
