package channel

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

// WeChatSettings is the public part of a WeChat Pay account.
type WeChatSettings struct {
	MchID string `json:"mchid"`
	// AppID is used for every product that AppIDs does not name.
	AppID  string                     `json:"appid"`
	AppIDs map[payment.Product]string `json:"appids,omitempty"`
	// MerchantSerialNo is the serial of the merchant API certificate.
	MerchantSerialNo string `json:"merchant_serial_no"`
	// PublicKeyID and PublicKey (PEM) are the WeChat Pay public key, if the merchant has one.
	PublicKeyID string `json:"public_key_id,omitempty"`
	PublicKey   string `json:"public_key,omitempty"`
	// PlatformCertificates has platform certificates downloaded and refreshed: for merchants without a public key, and during the switch.
	PlatformCertificates bool `json:"platform_certificates,omitempty"`
	// BaseURL and BackupURL are the provider's hosts; empty for the real ones.
	BaseURL   string `json:"base_url,omitempty"`
	BackupURL string `json:"backup_url,omitempty"`
}

// WeChatSecrets is the secret part of a WeChat Pay account.
type WeChatSecrets struct {
	PrivateKey string `json:"private_key"` // PEM
	APIv3Key   string `json:"api_v3_key"`
}

// The lives of credentials (WeChat Pay APIv3, prepay pages: prepay_id and code_url 2 hours, h5_url 5 minutes),
// less a margin for the payer to arrive.
const (
	prepayLife = 2*time.Hour - 5*time.Minute
	h5Life     = 4 * time.Minute
)

type weChat struct {
	accountID string
	settings  WeChatSettings
	client    *wechatpay.Client
	notifyURL string
	now       func() time.Time
}

func newWeChat(a Account, c Config) (*weChat, error) {
	var settings WeChatSettings
	if err := json.Unmarshal(a.Settings, &settings); err != nil {
		return nil, fmt.Errorf("settings are not valid JSON: %w", err)
	}
	var secrets WeChatSecrets
	if err := json.Unmarshal(a.Secrets, &secrets); err != nil {
		return nil, errors.New("secrets are not valid JSON") // the cause may quote a secret
	}
	config := wechatpay.Config{
		MchID: settings.MchID, SerialNo: settings.MerchantSerialNo, APIv3Key: secrets.APIv3Key,
		DownloadCertificates: settings.PlatformCertificates, BaseURL: settings.BaseURL, BackupURL: settings.BackupURL,
		Transport: c.Transport, AllowRepeat: mayRepeat, Now: c.Now, Logger: c.Logger,
	}
	var problems []error
	key, err := wechatpay.ParsePrivateKey([]byte(secrets.PrivateKey))
	if err != nil {
		problems = append(problems, fmt.Errorf("private_key: %w", err))
	} else {
		config.Signer = key
	}
	if settings.PublicKey != "" || settings.PublicKeyID != "" {
		public, err := wechatpay.ParsePublicKey([]byte(settings.PublicKey))
		if err != nil {
			problems = append(problems, fmt.Errorf("public_key: %w", err))
		} else {
			config.PublicKeys = map[string]*rsa.PublicKey{settings.PublicKeyID: public}
		}
	}
	if settings.AppID == "" && len(settings.AppIDs) == 0 {
		problems = append(problems, errors.New("appid: at least one is required"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	client, err := wechatpay.New(config)
	if err != nil {
		return nil, err
	}
	return &weChat{accountID: a.ID, settings: settings, client: client, notifyURL: c.PublicURL + "/notify/wechat/" + a.ID, now: c.Now}, nil
}

func (w *weChat) appID(product payment.Product) string {
	if id := w.settings.AppIDs[product]; id != "" {
		return id
	}
	return w.settings.AppID
}

func (w *weChat) offers(product payment.Product) bool { return w.appID(product) != "" }

func (w *weChat) throttled(ce *payment.ChannelError) bool {
	if ce.Code == wechatpay.CodeFrequencyLimited || ce.Code == wechatpay.CodeRateLimitExceeded {
		return true
	}
	answer, ok := errors.AsType[*wechatpay.Error](ce.Cause)
	return ok && answer.Status == http.StatusTooManyRequests
}

func (w *weChat) refresh(ctx context.Context) error {
	if !w.settings.PlatformCertificates {
		return nil
	}
	return w.client.RefreshCertificates(ctx)
}

func (w *weChat) closeIdle() { w.client.CloseIdleConnections() }

func (w *weChat) keys() []Key {
	trusted := w.client.VerificationKeys()
	keys := make([]Key, len(trusted))
	for i, k := range trusted {
		keys[i] = Key{Account: w.accountID, Kind: "platform_certificate", Serial: k.Serial, ExpiresAt: k.NotAfter}
		if k.NotAfter.IsZero() {
			keys[i].Kind = "public_key"
		}
	}
	return keys
}

func (w *weChat) Identity(product payment.Product) (string, string, error) {
	if !w.offers(product) {
		return "", "", &payment.Error{Code: payment.CodeAccount, Field: "product", Detail: fmt.Sprintf("account %q has no appid for product %q; configure one", w.accountID, product)}
	}
	return w.settings.MchID, w.appID(product), nil
}

func (w *weChat) Place(ctx context.Context, p *payment.Payment, a *payment.Attempt) (payment.Credential, error) {
	amount := wechatpay.Amount{Total: p.Amount, Currency: string(p.Currency)}
	now := w.now().UTC()
	var c payment.Credential
	var err error
	switch a.Product {
	case payment.Native, payment.App:
		order := wechatpay.NativeRequest{
			AppID: a.MerchantAppID, Description: p.Description, OutTradeNo: a.TradeNo, TimeExpire: p.ExpiresAt, NotifyURL: w.notifyURL, Amount: amount,
			SceneInfo: scene(a),
		}
		if a.Product == payment.Native {
			var r *wechatpay.NativeResponse
			if r, err = w.client.PrepayNative(ctx, order); err == nil {
				c.CodeURL = r.CodeURL
			}
			break
		}
		var r *wechatpay.AppResponse
		if r, err = w.client.PrepayApp(ctx, wechatpay.AppRequest(order)); err == nil {
			c.PrepayID = r.PrepayID
		}
	case payment.JSAPI, payment.MiniProgram:
		var r *wechatpay.JSAPIResponse
		r, err = w.client.PrepayJSAPI(ctx, wechatpay.JSAPIRequest{
			AppID: a.MerchantAppID, Description: p.Description, OutTradeNo: a.TradeNo, TimeExpire: p.ExpiresAt, NotifyURL: w.notifyURL, Amount: amount,
			Payer: wechatpay.Payer{OpenID: a.Payer.OpenID}, SceneInfo: scene(a),
		})
		if err == nil {
			c.PrepayID = r.PrepayID
		}
	case payment.H5:
		var r *wechatpay.H5Response
		r, err = w.client.PrepayH5(ctx, wechatpay.H5Request{
			AppID: a.MerchantAppID, Description: p.Description, OutTradeNo: a.TradeNo, TimeExpire: p.ExpiresAt, NotifyURL: w.notifyURL, Amount: amount,
			SceneInfo: wechatpay.H5SceneInfo{PayerClientIP: a.ClientIP, H5Info: wechatpay.H5Info{Type: "Wap"}},
		})
		if err == nil {
			c.H5URL = withReturn(r.H5URL, a.ReturnURL)
		}
	default:
		return c, &payment.ChannelError{Outcome: payment.Refused, Message: fmt.Sprintf("product %q is none of WeChat Pay's", a.Product)}
	}
	if err != nil {
		return payment.Credential{}, weChatError(err)
	}
	life := prepayLife
	if a.Product == payment.H5 {
		life = h5Life
	}
	c.ExpiresAt = now.Add(life).Truncate(time.Millisecond)
	if c.ExpiresAt.After(p.ExpiresAt) {
		c.ExpiresAt = p.ExpiresAt
	}
	return c, nil
}

// withReturn names the page to which the provider's cashier sends the payer back (WeChat Pay APIv3, H5 支付, redirect_url).
func withReturn(h5URL, returnURL string) string {
	if returnURL == "" {
		return h5URL
	}
	return h5URL + "&redirect_url=" + url.QueryEscape(returnURL)
}

func scene(a *payment.Attempt) *wechatpay.SceneInfo {
	if a.ClientIP == "" {
		return nil
	}
	return &wechatpay.SceneInfo{PayerClientIP: a.ClientIP}
}

// Invoke signs for the appid of the prepay call, as the provider demands, not for the one configured now.
func (w *weChat) Invoke(a *payment.Attempt) (json.RawMessage, error) {
	var invocation any
	var err error
	switch a.Product {
	case payment.JSAPI, payment.MiniProgram:
		invocation, err = w.client.SignJSAPI(a.MerchantAppID, a.Credential.PrepayID)
	case payment.App:
		invocation, err = w.client.SignApp(a.MerchantAppID, a.Credential.PrepayID)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("channel: sign the front end's parameters: %w", err)
	}
	return json.Marshal(invocation)
}

func (w *weChat) QueryOrder(ctx context.Context, a *payment.Attempt) (payment.OrderReport, error) {
	order, err := w.client.QueryOrderByOutTradeNo(ctx, a.TradeNo)
	if err != nil {
		return payment.OrderReport{}, weChatError(err)
	}
	return w.orderReport(order), nil
}

func (w *weChat) orderReport(o *wechatpay.Order) payment.OrderReport {
	r := payment.OrderReport{
		AccountID: w.accountID, MerchantID: o.MchID, MerchantAppID: o.AppID, TradeNo: o.OutTradeNo, TransactionID: o.TransactionID,
		StateText: string(o.TradeState), Amount: o.Amount.Total, Currency: money.Currency(o.Amount.Currency), PaidAt: o.SuccessTime,
		Evidence: evidence(o),
	}
	switch o.TradeState {
	case wechatpay.TradeStateSuccess, wechatpay.TradeStateRefund:
		r.State = payment.OrderPaid
	case wechatpay.TradeStateNotPay, wechatpay.TradeStateUserPaying:
		r.State = payment.OrderUnpaid
	case wechatpay.TradeStateClosed, wechatpay.TradeStateRevoked:
		r.State = payment.OrderClosed
	default:
		r.State = payment.OrderUnrecognised
	}
	return r
}

func (w *weChat) CloseOrder(ctx context.Context, a *payment.Attempt) error {
	err := w.client.CloseOrder(ctx, a.TradeNo)
	if err == nil {
		return nil
	}
	ce := weChatError(err)
	if ce.Outcome == payment.Absent { // nothing there that anybody could pay
		return nil
	}
	return ce
}

func (w *weChat) CreateRefund(ctx context.Context, p *payment.Payment, f *payment.Refund) (payment.RefundReport, error) {
	refund, err := w.client.CreateRefund(ctx, wechatpay.RefundRequest{
		OutTradeNo: f.TradeNo, OutRefundNo: f.RefundNo, Reason: f.Reason, NotifyURL: w.notifyURL,
		Amount: wechatpay.RefundAmount{Refund: f.Amount, Total: p.Amount, Currency: string(f.Currency)},
	})
	if err != nil {
		ce := weChatError(err)
		if ce.Outcome == payment.Absent { // the order, says the provider; a refund cannot be absent before it is made
			ce.Outcome = payment.Refused
		}
		return payment.RefundReport{}, ce
	}
	return w.refundReport(refund), nil
}

func (w *weChat) QueryRefund(ctx context.Context, f *payment.Refund) (payment.RefundReport, error) {
	refund, err := w.client.QueryRefund(ctx, f.RefundNo)
	if err != nil {
		return payment.RefundReport{}, weChatError(err)
	}
	return w.refundReport(refund), nil
}

func (w *weChat) refundReport(f *wechatpay.Refund) payment.RefundReport {
	r := payment.RefundReport{
		AccountID: w.accountID, TradeNo: f.OutTradeNo, TransactionID: f.TransactionID, RefundNo: f.OutRefundNo, ChannelRefundID: f.RefundID,
		StateText: string(f.Status), Amount: f.Amount.Refund, Total: f.Amount.Total, SucceededAt: f.SuccessTime, Evidence: evidence(f),
	}
	r.State = refundState(f.Status)
	return r
}

func refundState(status wechatpay.RefundStatus) payment.RefundState {
	switch status {
	case wechatpay.RefundStatusProcessing:
		return payment.RefundReportedProcessing
	case wechatpay.RefundStatusSuccess:
		return payment.RefundReportedSucceeded
	case wechatpay.RefundStatusAbnormal:
		return payment.RefundReportedAbnormal
	case wechatpay.RefundStatusClosed:
		return payment.RefundReportedClosed
	}
	return payment.RefundReportedUnrecognised
}

func (w *weChat) parseNotification(r *http.Request) (payment.Notification, error) {
	n, err := w.client.ParseNotification(r)
	if err != nil {
		return payment.Notification{}, err
	}
	notification := payment.Notification{AccountID: w.accountID, ID: n.ID(), EventType: n.EventType(), Body: n.Plaintext()}
	if order, ok := n.Order(); ok {
		report := w.orderReport(order)
		report.Evidence = n.Plaintext()
		notification.Order = &report
	}
	if f, ok := n.Refund(); ok {
		notification.Refund = &payment.RefundReport{
			AccountID: w.accountID, MerchantID: f.MchID, TradeNo: f.OutTradeNo, TransactionID: f.TransactionID, RefundNo: f.OutRefundNo, ChannelRefundID: f.RefundID,
			State: refundState(f.RefundStatus), StateText: string(f.RefundStatus), Amount: f.Amount.Refund, Total: f.Amount.Total, SucceededAt: f.SuccessTime,
			Evidence: n.Plaintext(),
		}
	}
	return notification, nil
}

func (w *weChat) answerNotification(rw http.ResponseWriter, err error) {
	wechatpay.AnswerNotification(rw, err)
}

// weChatError puts the library's error into the domain's words.
func weChatError(err error) *payment.ChannelError {
	ce := &payment.ChannelError{Cause: err}
	switch wechatpay.OutcomeOf(err) {
	case wechatpay.OutcomeRefused:
		ce.Outcome = payment.Refused
	case wechatpay.OutcomeRetry:
		ce.Outcome = payment.Retry
	case wechatpay.OutcomeUnknown:
		ce.Outcome = payment.Unknown
	}
	if answer, ok := errors.AsType[*wechatpay.Error](err); ok {
		ce.Code, ce.Message, ce.Field, ce.RequestID = answer.Code, answer.Message, answer.Field(), answer.RequestID
		if ce.Outcome == payment.Refused && answer.NotExist() {
			ce.Outcome = payment.Absent
		}
	}
	if field, ok := errors.AsType[*wechatpay.FieldError](err); ok {
		ce.Code, ce.Message, ce.Field = "PARAM_ERROR", field.Problem, field.Field
	}
	return ce
}

// evidence keeps what a provider said in an answer, for a person who has to compare.
func evidence(answer any) json.RawMessage {
	b, err := json.Marshal(answer)
	if err != nil {
		return nil // unreachable: answers are plain values
	}
	return b
}
