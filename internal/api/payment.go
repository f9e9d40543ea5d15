package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

// CreatePaymentBody asks for a payment.
type CreatePaymentBody struct {
	OutTradeNo  string            `json:"out_trade_no" pattern:"^[0-9A-Za-z_-]{1,64}$" patternDescription:"1 to 64 letters, digits, _ or -" doc:"the app's own number; identifies the intent" example:"order-20260131-1"`
	Amount      int64             `json:"amount" minimum:"1" maximum:"10000000000" doc:"minor units (fen)" example:"8800"`
	Currency    string            `json:"currency,omitempty" enum:"CNY" doc:"CNY if left out"`
	Description string            `json:"description" minLength:"1" maxLength:"127" doc:"what the payer reads; no emoji" example:"two bowls of noodles"`
	Channel     payment.Channel   `json:"channel" enum:"wechat"`
	Product     payment.Product   `json:"product" enum:"native,jsapi,miniprogram,app,h5" doc:"how the payer pays"`
	Payer       *PayerBody        `json:"payer,omitempty" doc:"required for jsapi and miniprogram"`
	ClientIP    string            `json:"client_ip,omitempty" format:"ip" maxLength:"45" doc:"the payer's own address; required for h5" example:"203.0.113.7"`
	ExpiresIn   int64             `json:"expires_in,omitempty" minimum:"60" maximum:"604800" doc:"seconds until the payment is closed; 1800 if left out" example:"900"`
	ExpiresAt   time.Time         `json:"expires_at,omitzero" doc:"instead of expires_in"`
	ReturnURL   string            `json:"return_url,omitempty" format:"uri" maxLength:"512" doc:"where an h5 payer comes back to"`
	Metadata    map[string]string `json:"metadata,omitempty" maxProperties:"20" doc:"the app's own notes; keys of at most 40 characters, values of at most 500"`
	Account     string            `json:"account,omitempty" pattern:"^[0-9A-Za-z_-]{1,64}$" patternDescription:"an account's id" doc:"the merchant's account at the provider; needed only where several fit"`
}

// PayerBody is who pays, as far as a product must know.
type PayerBody struct {
	OpenID string `json:"openid,omitempty" maxLength:"128" doc:"the payer's openid under the account's app" example:"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"`
}

// Resolve refuses two answers to one question.
func (b *CreatePaymentBody) Resolve(_ huma.Context, path *huma.PathBuffer) []error {
	if b.ExpiresIn == 0 || b.ExpiresAt.IsZero() {
		return nil
	}
	return []error{&huma.ErrorDetail{Location: path.With("expires_at"), Message: "must not be given together with expires_in"}}
}

func (b *CreatePaymentBody) request() payment.CreateRequest {
	req := payment.CreateRequest{
		OutTradeNo: b.OutTradeNo, Amount: b.Amount, Currency: money.Currency(b.Currency), Description: b.Description,
		Channel: b.Channel, Product: b.Product, ClientIP: b.ClientIP, ExpiresIn: time.Duration(b.ExpiresIn) * time.Second,
		ExpiresAt: b.ExpiresAt, ReturnURL: b.ReturnURL, Metadata: b.Metadata, Account: b.Account,
	}
	if b.Payer != nil {
		req.Payer.OpenID = b.Payer.OpenID
	}
	return req
}

func (a *api) createPayment(ctx context.Context, by access.Principal, in *struct{ Body CreatePaymentBody }) (*output[payment.PaymentResource], error) {
	created, err := a.config.Payments.Create(ctx, by.Applicant(), in.Body.request())
	if err != nil {
		return nil, err
	}
	p := created.Payment
	concerns(ctx, p.ID, "")
	out := ok(p.ResourceWithCredential(a.config.Now(), created.Invoke))
	switch {
	case p.Status == payment.Processing:
		out = unsettled(out.Body)
	case created.New:
		out.Status = http.StatusCreated
	}
	out.Location = "/v1/payments/" + p.ID
	return out, nil
}

func (a *api) getPayment(ctx context.Context, by access.Principal, in *ByID) (*output[payment.PaymentResource], error) {
	concerns(ctx, in.ID, "")
	p, err := a.config.Payments.Payment(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(p.ResourceWithCredential(a.config.Now(), nil)), nil
}

type listPaymentsInput struct {
	OutTradeNo  string          `query:"out_trade_no" pattern:"^[0-9A-Za-z_-]{1,64}$" patternDescription:"1 to 64 letters, digits, _ or -"`
	Status      payment.Status  `query:"status" enum:"pending,processing,succeeded,refunded,closed,failed"`
	Channel     payment.Channel `query:"channel" enum:"wechat"`
	CreatedFrom time.Time       `query:"created_from" doc:"inclusive"`
	CreatedTo   time.Time       `query:"created_to" doc:"exclusive"`
	Paging
}

func (a *api) listPayments(ctx context.Context, by access.Principal, in *listPaymentsInput) (*output[page[payment.PaymentResource]], error) {
	filter := payment.PaymentFilter{
		AppID: by.App.ID, OutTradeNo: in.OutTradeNo, Status: in.Status, Channel: in.Channel,
		CreatedFrom: in.CreatedFrom.UTC(), CreatedTo: in.CreatedTo.UTC(),
	}
	data, next, err := a.config.Lists.Payments(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return pageOf(data, next, (*payment.Payment).Resource), nil
}

type actInput struct {
	ByID
	Body *nothing
}

func (a *api) closePayment(ctx context.Context, by access.Principal, in *actInput) (*output[payment.PaymentResource], error) {
	concerns(ctx, in.ID, "")
	p, err := a.config.Payments.Close(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	if !p.Terminal() {
		return unsettled(p.Resource()), nil
	}
	return ok(p.Resource()), nil
}

func (a *api) syncPayment(ctx context.Context, by access.Principal, in *actInput) (*output[payment.PaymentResource], error) {
	concerns(ctx, in.ID, "")
	p, err := a.config.Payments.Sync(ctx, by.App.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return ok(p.ResourceWithCredential(a.config.Now(), nil)), nil
}
