package wechatpayv2

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// MicroPayToEnd takes a payment by code and stays with it to its end (WeChat Pay APIv2, 付款码支付: 场景介绍):
//
//   - it pays once ([Client.MicroPay]);
//   - while the payer types a password (USERPAYING) or the outcome is unknown, it queries every Config.PollEvery, for
//     Config.PollTimeout;
//   - what is not paid then it reverses, not sooner than Config.ReverseAfter after the payment, until the provider says
//     that it is done ([Client.ReverseToEnd]).
//
// A refusal that is not signed, or that says the number is in use, is believed only once a query does not say paid.
//
// The error tells what to do:
//
//	nil                          paid: the order is the one asked for, at its price
//	[wechatpay.OutcomeRefused]   nothing was taken, or it went back ([ErrReversed]): new code, new number
//	[wechatpay.OutcomeRetry]     nothing was sent on: the same number again
//	[wechatpay.OutcomeUnknown]   time ran out before the end: keep the number; QueryOrder, then ReverseToEnd
//
// Give the context two minutes. When it ends early nothing more is sent, and the outcome is unknown.
func (c *Client) MicroPayToEnd(ctx context.Context, request MicroPayRequest) (*Order, error) {
	const name = "micropay to its end"
	sent := time.Now()
	order, err := c.MicroPay(ctx, request)
	if err == nil {
		return order, nil
	}
	switch OutcomeOf(err) {
	case wechatpay.OutcomeRetry:
		return nil, err
	case wechatpay.OutcomeRefused:
		if isLastWord(err) {
			return nil, err
		}
		if order, err = c.doubt(ctx, &request, err); order != nil || OutcomeOf(err) == wechatpay.OutcomeRefused {
			return order, err
		}
	case wechatpay.OutcomeUnknown:
	}

	order, err = c.awaitPayment(ctx, &request, err)
	if !errors.Is(err, errNotPaid) {
		return order, err
	}
	if err := sleep(ctx, time.Until(sent.Add(c.reverseAfter))); err != nil {
		return nil, failed(name, wechatpay.OutcomeUnknown, err)
	}
	err = c.ReverseToEnd(ctx, request.OutTradeNo)
	switch provider, ok := errors.AsType[*Error](err); {
	case err == nil:
		return nil, failed(name, wechatpay.OutcomeRefused, ErrReversed)
	case ok && provider.NotExist(): // and it is too late for the payment to arrive
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	return nil, failed(name, wechatpay.OutcomeUnknown, err)
}

// errNotPaid ends the wait for a payment that must now be reversed.
var errNotPaid = errors.New("not paid in time")

// isLastWord tells whether a refusal ends the payment by itself.
func isLastWord(err error) bool {
	provider, ok := errors.AsType[*Error](err)
	if !ok {
		return true // a mistake in the request: nothing was sent
	}
	return provider.ReturnCode == codeSuccess && !provider.OrderPaid() && provider.Code != CodeOutTradeNoUsed
}

// doubt asks for the order after a refusal that proves nothing. It returns the order if that is paid, the refusal if it stands, and
// an error of unknown outcome if the payment may still come.
func (c *Client) doubt(ctx context.Context, request *MicroPayRequest, refusal error) (*Order, error) {
	order, err := c.QueryOrder(ctx, OrderQuery{OutTradeNo: request.OutTradeNo})
	switch {
	case err == nil && isPaid(order.TradeState):
		return c.paid(request, order)
	case err != nil && OutcomeOf(err) == wechatpay.OutcomeRefused: // no such order, or the same refusal again
		return nil, refusal
	}
	return nil, failed("micropay", wechatpay.OutcomeUnknown, refusal)
}

// awaitPayment queries until the order is paid, cannot be paid any more, or the time is up. cause is why it is not known by now.
func (c *Client) awaitPayment(ctx context.Context, request *MicroPayRequest, cause error) (*Order, error) {
	const name = "micropay"
	for end := time.Now().Add(c.pollTimeout); time.Now().Before(end); {
		if err := sleep(ctx, min(c.pollEvery, time.Until(end))); err != nil {
			return nil, failed(name, wechatpay.OutcomeUnknown, cause)
		}
		order, err := c.QueryOrder(ctx, OrderQuery{OutTradeNo: request.OutTradeNo})
		if err != nil { // also of an order that does not exist: the payment may be on its way
			continue
		}
		if order.TotalFee != 0 && order.TotalFee != request.TotalFee { // not said of every order that is not paid
			return c.paid(request, order)
		}
		switch order.TradeState {
		case wechatpay.TradeStateSuccess, wechatpay.TradeStateRefund:
			return c.paid(request, order)
		case wechatpay.TradeStateRevoked, wechatpay.TradeStateClosed:
			return nil, failed(name, wechatpay.OutcomeRefused, fmt.Errorf("%w: it is %s", ErrReversed, order.TradeState))
		case wechatpay.TradeStatePayError:
			return nil, errNotPaid
		case wechatpay.TradeStateUserPaying, wechatpay.TradeStateNotPay:
		}
	}
	return nil, errNotPaid
}

func isPaid(state wechatpay.TradeState) bool {
	return state == wechatpay.TradeStateSuccess || state == wechatpay.TradeStateRefund
}

// paid refuses to call an order of another price paid, and to reverse it, paid or not: a person must look.
func (c *Client) paid(request *MicroPayRequest, order *Order) (*Order, error) {
	if err := request.isPaidBy(order); err != nil {
		return nil, failed("micropay", wechatpay.OutcomeUnknown, err)
	}
	return order, nil
}
