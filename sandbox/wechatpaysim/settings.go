package wechatpaysim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tongbao-pay/tongbao/sandbox/clock"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

// Values of [Settings.VerifyMode]: the four situations a merchant can be in while WeChat Pay moves from platform
// certificates to its public key (WeChat Pay APIv3, 平台证书切换微信支付公钥: 灰度切换).
const (
	CertOnly   = "cert_only"   // no public key yet: everything is signed with the platform certificate
	NotStarted = "not_started" // a key was applied for: still the certificate, even if the request names the key
	Switching  = "switching"   // answers: what the request names; notifications: see [Settings.SwitchDay]
	PubkeyOnly = "pubkey_only" // the certificates are retired
)

// Values of [Settings.RefundOutcome].
const (
	OutcomeSuccess    = "SUCCESS"
	OutcomeAbnormal   = "ABNORMAL"
	OutcomeClosed     = "CLOSED"
	OutcomeNotEnough  = "NOT_ENOUGH" // refused, unless the request names the available balance
	OutcomeProcessing = "PROCESSING" // stays so until the control API settles it
)

// Names of the provider's hosts.
const (
	Primary = "primary"
	Backup  = "backup"
)

// Values of [Host.State].
const (
	HostUp    = "up"
	HostDown  = "down"  // connections are refused
	HostError = "error" // every request is executed and answered with 503
)

// Host is how one of the provider's hosts behaves.
type Host struct {
	State string         `json:"state"` // up, down, error
	Delay clock.Duration `json:"delay"` // real time before each answer, 0s to 60s
}

// Settings are the knobs of the simulated WeChat Pay. They survive a restart.
type Settings struct {
	MerchantName           string          `json:"merchant_name"`            // what the payer sees
	VerifyMode             string          `json:"verify_mode"`              // cert_only, not_started, switching, pubkey_only
	SwitchDay              int             `json:"switch_day"`               // switching: 1 to 7 starts the provider's ramp of notifications on that day; 0: a notification uses the key its order's request named
	ProbeRateAnswers       float64         `json:"probe_rate_answers"`       // share of answers with a wrong signature, 0 to 1
	ProbeRateNotifications float64         `json:"probe_rate_notifications"` // share of notifications with a wrong signature, 0 to 1
	OrderBecomesRefund     string          `json:"order_becomes_refund"`     // accepted, success: when trade_state turns REFUND
	RefundOutcome          string          `json:"refund_outcome"`           // SUCCESS, ABNORMAL, CLOSED, NOT_ENOUGH, PROCESSING
	RefundDelay            clock.Duration  `json:"refund_delay"`             // sandbox clock, from accepted to settled; 0s settles in the answer
	RefundInterval         clock.Duration  `json:"refund_interval"`          // sandbox clock, least time between two refunds of one order
	RefundNotifyURL        string          `json:"refund_notify_url"`        // where refund notifications go when the request names no address
	CombineInitiate        bool            `json:"combine_initiate"`         // 发起合单支付: merchants may start combined payments
	CombineReceive         bool            `json:"combine_receive"`          // 接收合单支付: merchants may receive them
	CombineCloseMismatch   string          `json:"combine_close_mismatch"`   // INVALID_REQUEST, SYSTEM_ERROR: the answer to a close that lists other sub orders than were placed
	CombineH5DeviceID      bool            `json:"combine_h5_device_id"`     // combined H5 payments need scene_info.device_id
	StrictFields           bool            `json:"strict_fields"`            // refuse unknown request fields
	StrictHeaders          bool            `json:"strict_headers"`           // refuse requests without Accept, User-Agent or JSON Content-Type
	StrictOpenID           bool            `json:"strict_openid"`            // refuse an openid that is not "o" and 27 more characters
	SubMerchantsAuthorize  bool            `json:"sub_merchants_authorize"`  // 服务商: the sub-merchants let the service provider act for them; false: 403 NO_AUTH
	CodepayV3              bool            `json:"codepay_v3"`               // 付款码支付 over APIv3 is permitted; false: 403 NO_AUTH
	CodepayAccepted        bool            `json:"codepay_accepted"`         // 付款码支付: USERPAYING is answered with status 202 and this code instead of 200 and the order
	ReverseAfter           clock.Duration  `json:"reverse_after"`            // sandbox clock, least time from taking a payment code to reversing the order
	UploadImageMax         int64           `json:"upload_image_max"`         // bytes of a picture; the provider's pages say 2 MB and 5 MB
	UploadPDFMax           int64           `json:"upload_pdf_max"`           // bytes of a PDF where one is taken; 0: none is
	UploadVideoMax         int64           `json:"upload_video_max"`         // bytes of a video
	SignErrors             bool            `json:"sign_errors"`              // sign error answers too, 401 excepted
	FeeRate                int64           `json:"fee_rate"`                 // the provider's fee in 1/10000 of the amount, 0 to 1000
	H5ToPhone              bool            `json:"h5_to_phone"`              // h5_url leads to the sandbox's phone page instead of wx.tenpay.com
	NotifyTimeout          clock.Duration  `json:"notify_timeout"`           // real time for one notification and its answer, at most 30s
	Hosts                  map[string]Host `json:"hosts"`                    // primary, backup

	ProfitSharing ProfitSharingSettings `json:"profit_sharing"`
	Bills         BillSettings          `json:"bills"`
	Transfer      TransferSettings      `json:"transfer"`
	V2            V2Settings            `json:"v2"`

	RateLimiting
	Unsettled

	SwitchStartedAt time.Time `json:"switch_started_at,omitzero"` // day 1 of the ramp, on the sandbox's clock; follows from SwitchDay
}

func (p *Provider) defaultSettings() Settings {
	return Settings{
		MerchantName:          "通宝沙箱商户 · Tongbao Sandbox",
		VerifyMode:            Switching,
		OrderBecomesRefund:    "accepted",
		RefundOutcome:         OutcomeSuccess,
		RefundDelay:           clock.Duration(3 * time.Second),
		RefundInterval:        clock.Duration(time.Minute),
		CombineInitiate:       true,
		CombineReceive:        true,
		CombineCloseMismatch:  codeInvalidRequest,
		StrictFields:          true,
		StrictHeaders:         true,
		StrictOpenID:          true,
		FeeRate:               60,
		ProfitSharing:         defaultProfitSharing(),
		Bills:                 defaultBills(),
		SubMerchantsAuthorize: true,
		ReverseAfter:          clock.Duration(15 * time.Second),
		UploadImageMax:        2 << 20,
		UploadPDFMax:          15 << 19,
		UploadVideoMax:        5 << 20,
		H5ToPhone:             p.h5ToPhone,
		NotifyTimeout:         clock.Duration(5 * time.Second),
		Hosts:                 map[string]Host{Primary: {State: HostUp}, Backup: {State: HostUp}},
		RateLimiting:          defaultRateLimiting(),
		Unsettled:             defaultUnsettled(),
		Transfer:              defaultTransferSettings(),
		V2:                    defaultV2(),
	}
}

// check returns the first thing that is wrong with the settings, or nil.
func (s Settings) check() *control.Problem {
	oneOf := func(field, value string, allowed ...string) *control.Problem {
		if slices.Contains(allowed, value) {
			return nil
		}
		return &control.Problem{Error: fmt.Sprintf("%q is not a value of %s", value, field), Field: field, Allowed: allowed}
	}
	within := func(field string, value, least, most float64, unit string) *control.Problem {
		if value >= least && value <= most {
			return nil
		}
		return &control.Problem{Error: fmt.Sprintf("give %g to %g%s", least, most, unit), Field: field}
	}
	problems := []*control.Problem{
		oneOf("verify_mode", s.VerifyMode, CertOnly, NotStarted, Switching, PubkeyOnly),
		oneOf("order_becomes_refund", s.OrderBecomesRefund, "accepted", "success"),
		oneOf("refund_outcome", s.RefundOutcome, OutcomeSuccess, OutcomeAbnormal, OutcomeClosed, OutcomeNotEnough, OutcomeProcessing),
		oneOf("combine_close_mismatch", s.CombineCloseMismatch, codeInvalidRequest, codeSystem),
		s.ProfitSharing.check(),
		s.Bills.check(),
		within("switch_day", float64(s.SwitchDay), 0, 7, ""),
		within("probe_rate_answers", s.ProbeRateAnswers, 0, 1, ""),
		within("probe_rate_notifications", s.ProbeRateNotifications, 0, 1, ""),
		within("refund_delay", s.RefundDelay.Std().Hours(), 0, 8760, " hours"),
		within("refund_interval", s.RefundInterval.Std().Hours(), 0, 8760, " hours"),
		within("fee_rate", float64(s.FeeRate), 0, 1000, " (1/10000)"),
		within("reverse_after", s.ReverseAfter.Std().Seconds(), 0, 3600, " seconds"),
		within("upload_image_max", float64(s.UploadImageMax), 1, uploadBytesMax, " bytes"),
		within("upload_pdf_max", float64(s.UploadPDFMax), 0, uploadBytesMax, " bytes"),
		within("upload_video_max", float64(s.UploadVideoMax), 1, uploadBytesMax, " bytes"),
		within("notify_timeout", s.NotifyTimeout.Std().Seconds(), 0.01, 30, " seconds"),
	}
	problems = append(problems, s.Unsettled.problems(oneOf, within)...)
	problems = append(problems, s.RateLimiting.problems(oneOf, within)...)
	problems = append(problems, s.Transfer.check(oneOf, within)...)
	problems = append(problems, s.V2.problems(oneOf, within)...)
	for _, name := range slices.Sorted(maps.Keys(s.Hosts)) {
		problems = append(problems,
			oneOf("hosts", name, Primary, Backup),
			oneOf("hosts."+name+".state", s.Hosts[name].State, HostUp, HostDown, HostError),
			within("hosts."+name+".delay", s.Hosts[name].Delay.Std().Seconds(), 0, 60, " seconds"))
	}
	if s.RefundNotifyURL != "" {
		if issue := checkNotifyURL(s.RefundNotifyURL); issue != "" {
			problems = append(problems, &control.Problem{Error: issue, Field: "refund_notify_url"})
		}
	}
	for _, problem := range problems {
		if problem != nil {
			return problem
		}
	}
	return nil
}

// Settings returns the present settings.
func (p *Provider) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings.clone()
}

func (s Settings) clone() Settings {
	s.Hosts, s.RateLimitPerSecond = maps.Clone(s.Hosts), maps.Clone(s.RateLimitPerSecond)
	s.ProfitSharing.NotifyURLs = maps.Clone(s.ProfitSharing.NotifyURLs)
	s.Transfer = s.Transfer.clone()
	return s
}

func (p *Provider) getSettings(w http.ResponseWriter, _ *http.Request) {
	control.Write(w, http.StatusOK, p.Settings())
}

// postSettings changes the fields that the body names and leaves the others.
func (p *Provider) postSettings(w http.ResponseWriter, r *http.Request) {
	p.changing.Lock()
	defer p.changing.Unlock()
	before := p.Settings()
	changed := before.clone()
	changed.Hosts = nil
	if !control.Read(w, r, &changed) {
		return
	}
	hosts := maps.Clone(before.Hosts)
	for name, host := range changed.Hosts {
		if host.State == "" {
			host.State = hosts[name].State
		}
		hosts[name] = host
	}
	changed.Hosts, changed.SwitchStartedAt = hosts, before.SwitchStartedAt
	if problem := changed.check(); problem != nil {
		control.Refuse(w, http.StatusBadRequest, *problem)
		return
	}
	if err := p.applyHosts(changed.Hosts); err != nil {
		control.Refuse(w, http.StatusConflict, control.Problem{Error: err.Error(), Field: "hosts"})
		return
	}
	ramp := changed.VerifyMode == Switching && changed.SwitchDay > 0
	if ramp && (before.VerifyMode != Switching || before.SwitchDay != changed.SwitchDay) {
		changed.SwitchStartedAt = p.clock.Now().Add(-time.Duration(changed.SwitchDay-1) * 24 * time.Hour)
	}
	p.mu.Lock()
	p.settings = changed
	p.put(recordSettings, "", changed)
	p.mu.Unlock()
	control.Write(w, http.StatusOK, changed)
}
