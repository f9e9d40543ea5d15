package wechatpay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How long a payment that is not decided is waited for (WeChat Pay APIv3, 付款码支付: 每隔5秒查询一次, 约30秒后撤销).
const (
	codePayQueryEvery = 5 * time.Second
	codePayQueries    = 6
	codePayReverses   = 6
)

// ErrNotPaid says that the payment code was not paid with, and will not be any more. Another try takes a new code and a new
// out_trade_no.
var ErrNotPaid = errors.New("wechatpay: not paid")

// errOtherPrice is an order that has the number and not the price: neither goods nor a reverse may follow from it.
var errOtherPrice = fmt.Errorf("%w: the order under this out_trade_no has another price", ErrMalformed)

// PayByCode takes the money of one payment code and stays until it is known what became of it: it asks every 5
// seconds while the payer types the password, and reverses the order after about 30. It may take a minute and more;
// ctx bounds it.
//
// A nil error means paid: hand over the goods. [OutcomeRefused], and [ErrNotPaid] in particular, means that no money
// was taken, or that it goes back; [OutcomeRetry], that nothing was done yet. [OutcomeUnknown] means that the order could not be reversed in time: repeat
// [Client.ReverseOrder] until it is; or that an order of another price has the number, which a person must look at.
//
// A refusal that says the number is in use is believed only once a query does not say paid: a till that was restarted
// takes the same payment up again.
func (c *Client) PayByCode(ctx context.Context, request CodePayRequest) (*Order, error) {
	const name = "pay by code"
	order, err := c.CodePay(ctx, request)
	if OutcomeOf(err) == OutcomeRefused && isNumberInUse(err) {
		order, err = c.orderBefore(ctx, &request, err)
	}
	if err != nil && OutcomeOf(err) != OutcomeUnknown {
		return nil, err
	}
	for range codePayQueries {
		if end, err := request.end(order); end {
			return paidOrNot(name, order, err)
		}
		if !wait(ctx, codePayQueryEvery) {
			return nil, failed(name, OutcomeUnknown, fmt.Errorf("reverse the order: %w", ctx.Err()))
		}
		if order, err = c.QueryOrderByOutTradeNo(ctx, request.OutTradeNo); err != nil {
			order = nil // asked again: an order that is not there may still arrive
		}
	}
	if end, err := request.end(order); end {
		return paidOrNot(name, order, err)
	}
	return c.reverseToTheEnd(ctx, name, request)
}

// isNumberInUse tells a refusal that is about an earlier request under the number, which may have been paid.
func isNumberInUse(err error) bool {
	provider, ok := errors.AsType[*Error](err)
	return ok && (provider.OrderPaid() || provider.ParametersDiffer() || provider.Code == CodeOutTradeNoUsed)
}

// orderBefore is the order that a refused number has. The refusal stands if there is none.
func (c *Client) orderBefore(ctx context.Context, request *CodePayRequest, refusal error) (*Order, error) {
	order, err := c.QueryOrderByOutTradeNo(ctx, request.OutTradeNo)
	switch {
	case err == nil:
		return order, nil
	case OutcomeOf(err) == OutcomeRefused:
		return nil, refusal
	}
	return nil, failed("pay by code", OutcomeUnknown, errors.Unwrap(refusal))
}

// end reports whether the order is decided; a non-nil error is why it is not the payment asked for.
func (r *CodePayRequest) end(order *Order) (bool, error) {
	if order == nil {
		return false, nil
	}
	isPaid := order.TradeState == TradeStateSuccess || order.TradeState == TradeStateRefund
	if total := order.Amount.Total; total != r.Amount.Total && (isPaid || total != 0) {
		return true, errOtherPrice
	}
	switch order.TradeState {
	case TradeStateSuccess, TradeStateRefund:
		return true, nil
	case TradeStatePayError, TradeStateRevoked, TradeStateClosed:
		return true, fmt.Errorf("%w: trade_state %s", ErrNotPaid, order.TradeState)
	case TradeStateNotPay, TradeStateUserPaying:
	}
	return false, nil
}

func paidOrNot(name string, order *Order, notPaid error) (*Order, error) {
	switch {
	case errors.Is(notPaid, errOtherPrice):
		return nil, failed(name, OutcomeUnknown, notPaid)
	case notPaid != nil:
		return nil, failed(name, OutcomeRefused, notPaid)
	}
	return order, nil
}

// reverseToTheEnd repeats the reverse until it answers definitively. A refusal is no end: the payment may have come
// through in the meantime.
func (c *Client) reverseToTheEnd(ctx context.Context, name string, request CodePayRequest) (*Order, error) {
	var err error
	for range codePayReverses {
		err = c.ReverseOrder(ctx, ReverseRequest{AppID: request.AppID, OutTradeNo: request.OutTradeNo})
		provider, _ := errors.AsType[*Error](err)
		switch {
		case err == nil:
			return nil, failed(name, OutcomeRefused, fmt.Errorf("%w in time, reversed", ErrNotPaid))
		case OutcomeOf(err) == OutcomeRefused && provider != nil && provider.NotExist():
			return nil, failed(name, OutcomeRefused, fmt.Errorf("%w: the order never arrived", ErrNotPaid))
		}
		order, queryErr := c.QueryOrderByOutTradeNo(ctx, request.OutTradeNo)
		if queryErr == nil {
			if end, notPaid := request.end(order); end {
				return paidOrNot(name, order, notPaid)
			}
		}
		if !wait(ctx, codePayQueryEvery) {
			break
		}
	}
	return nil, failed(name, OutcomeUnknown, fmt.Errorf("reverse the order: %w", err))
}

// wait is true when d has passed and ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
