package wechatpaysim

import (
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// Values of the knobs in [Unsettled].
const (
	codesCurrent    = "current"
	codesOlder      = "older"
	closeDone       = "done"
	closeRefused    = "order_closed"
	closeNotExist   = "not_exist"
	orderLifeMaxMax = 365 * 24 * time.Hour
)

// Unsettled are the knobs for what the provider's documents leave open or say differently in two places. The defaults follow the
// newest text; docs/fidelity.md has the sources. An integration should live with every value.
type Unsettled struct {
	RefuseNonceReplay     bool           `json:"refuse_nonce_replay"`     // refuse a nonce_str that the merchant used before
	ErrorCodes            string         `json:"error_codes"`             // current, older: which generation of pages the codes come from
	CloseAgain            string         `json:"close_again"`             // done, order_closed: closing a closed order
	CloseUnknown          string         `json:"close_unknown"`           // not_exist, done: closing a number that was never ordered
	NoCertificates        string         `json:"no_certificates"`         // RESOURCE_NOT_EXISTS, INVALID_REQUEST, NO_AUTH: /v3/certificates under pubkey_only
	OrderLifeMax          clock.Duration `json:"order_life_max"`          // a longer time_expire is lowered to it; at least 1m, at most 8760h
	OlderPrepayIDs        bool           `json:"older_prepay_ids"`        // a prepay_id or h5_url stays usable to its end when the order is placed again
	NotificationIDChanges bool           `json:"notification_id_changes"` // a notification that is sent again has another id
}

func defaultUnsettled() Unsettled {
	return Unsettled{
		ErrorCodes: codesCurrent, CloseAgain: closeDone, CloseUnknown: closeNotExist, NoCertificates: codeNoResource,
		OrderLifeMax: clock.Duration(orderLifeMax),
	}
}

// problems checks the knobs with the settings' own means.
func (u Unsettled) problems(
	oneOf func(field, value string, allowed ...string) *control.Problem,
	within func(field string, value, least, most float64, unit string) *control.Problem,
) []*control.Problem {
	return []*control.Problem{
		oneOf("error_codes", u.ErrorCodes, codesCurrent, codesOlder),
		oneOf("close_again", u.CloseAgain, closeDone, closeRefused),
		oneOf("close_unknown", u.CloseUnknown, closeNotExist, closeDone),
		oneOf("no_certificates", u.NoCertificates, codeNoResource, codeInvalidRequest, codeNoAuth),
		within("order_life_max", u.OrderLifeMax.Std().Hours(), orderLifeMin.Hours(), orderLifeMaxMax.Hours(), " hours"),
	}
}

// statusAndCode is how a refusal is told.
type statusAndCode struct {
	status int
	code   string
}

// asTold is the refusal in the words of the generation of pages that the settings choose.
func (u Unsettled) asTold(operation string, e *apiError) *apiError {
	if u.ErrorCodes != codesOlder {
		return e
	}
	told := *e
	if spelling, known := map[string]string{
		codeOrderNotExist: "ORDERNOTEXIST", codeFrequency: "FREQUENCY_LIMIT", codeRateLimit: "RATELIMIT_EXCEED", codeNoAuth: "NOAUTH",
	}[e.code]; known {
		told.code = spelling
	}
	if !slices.Contains([]string{"prepay", "combine_prepay", "close"}, operation) {
		return &told
	}
	// Where the newer pages tell several situations by one code.
	if older, known := map[int]statusAndCode{
		internalDifferentRepeat: {http.StatusForbidden, "OUT_TRADE_NO_USED"},
		internalOrderPaid:       {http.StatusForbidden, "ORDERPAID"},
		internalNoOpenID:        {http.StatusInternalServerError, "OPENID_MISMATCH"},
	}[e.internal]; known {
		told.status, told.code = older.status, older.code
	}
	return &told
}

func (p *Provider) noCertificates() *apiError {
	code := p.Settings().NoCertificates
	status := map[string]int{codeNoResource: http.StatusNotFound, codeInvalidRequest: http.StatusBadRequest, codeNoAuth: http.StatusForbidden}[code]
	return &apiError{
		status, code, "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥",
		"there is no platform certificate; this merchant uses the WeChat Pay public key", internalNoOrder, nil,
	}
}
