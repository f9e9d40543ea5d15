package wechatpayv2

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Order is an order as the provider sees it: from a query, from a code payment or from a notification (WeChat Pay APIv2, 查询订单,
// 付款码支付, 支付结果通知). Before acting on it compare OutTradeNo, TotalFee, FeeType and TradeState with your own record.
type Order struct {
	AppID, MchID       string
	SubAppID, SubMchID string // of partner orders
	OutTradeNo         string
	TransactionID      string // empty before payment
	TradeType          string // MICROPAY, JSAPI, NATIVE, APP, MWEB, ...
	// TradeState is the state. Code payments and notifications do not send one: it is then SUCCESS, which is what they report.
	TradeState     wechatpay.TradeState
	TradeStateDesc string
	BankType       string
	DeviceInfo     string
	Attach         string
	OpenID         string // the payer within AppID
	SubOpenID      string // the payer within SubAppID
	IsSubscribe    bool   // the payer follows the official account
	// TotalFee is the order's total in fen; compare this one with your record.
	TotalFee int64
	// SettlementTotalFee is what is settled, in fen: less than TotalFee where coupons are not paid for. Zero: TotalFee.
	SettlementTotalFee int64
	CashFee            int64 // what the payer paid, in fen
	CouponFee          int64 // what coupons paid, in fen
	FeeType            string
	CashFeeType        string
	Coupons            []Coupon
	PromotionDetail    string // coupons on single items, JSON
	// TimeEnd is when it was paid; zero before.
	TimeEnd time.Time
	// Fields is every field received, also those without a place above. It holds personal data: do not log it.
	Fields Fields
}

// Coupon is one coupon used.
type Coupon struct {
	ID   string
	Type string // CASH or NO_CASH
	Fee  int64  // fen
}

// OrderQuery names an order. If both numbers are given, the provider takes TransactionID.
type OrderQuery struct {
	TransactionID string // the provider's number
	OutTradeNo    string // the merchant's number
}

// QueryOrder asks for an order, of APIv2 or APIv3 (WeChat Pay APIv2, 查询订单). An unknown number is an *[Error] with [Error.NotExist].
func (c *Client) QueryOrder(ctx context.Context, query OrderQuery) (*Order, error) {
	const name = "query order"
	var v validation
	v.order(query.TransactionID, query.OutTradeNo)
	if err := v.err(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	var order *Order
	err := c.do(ctx, call{
		name: name, path: "/pay/orderquery", timeout: c.queryTimeout,
		fields: Fields{"transaction_id": query.TransactionID, "out_trade_no": query.OutTradeNo},
		decode: func(fields Fields) (err error) {
			if order, err = decodeOrder(fields); err != nil {
				return err
			}
			if order.TradeState == "" {
				return fmt.Errorf("%w: order without trade_state", wechatpay.ErrMalformed)
			}
			return answers(fields, Fields{"transaction_id": query.TransactionID, "out_trade_no": query.OutTradeNo})
		},
	})
	if err != nil {
		return nil, err
	}
	return order, nil
}

// answers wants an answer to be about what was asked for: a signature does not bind it to its request. What an answer leaves out,
// it does not contradict.
func answers(fields, asked Fields) error {
	named := false
	for name, value := range asked {
		if value == "" || fields[name] == "" {
			continue
		}
		if named = true; fields[name] != value {
			return fmt.Errorf("%w: answer is about another %s", wechatpay.ErrMalformed, name)
		}
	}
	if !named {
		return fmt.Errorf("%w: answer does not say what it is about", wechatpay.ErrMalformed)
	}
	return nil
}

func decodeOrder(fields Fields) (*Order, error) {
	s := scan{fields: fields}
	order := &Order{
		AppID: fields["appid"], MchID: fields["mch_id"], SubAppID: fields["sub_appid"], SubMchID: fields["sub_mch_id"],
		OutTradeNo: fields["out_trade_no"], TransactionID: fields["transaction_id"], TradeType: fields["trade_type"],
		TradeState: wechatpay.TradeState(fields["trade_state"]), TradeStateDesc: fields["trade_state_desc"],
		BankType: fields["bank_type"], DeviceInfo: fields["device_info"], Attach: fields["attach"],
		OpenID: fields["openid"], SubOpenID: fields["sub_openid"], IsSubscribe: fields["is_subscribe"] == "Y",
		TotalFee: s.number("total_fee"), SettlementTotalFee: s.number("settlement_total_fee"), CashFee: s.number("cash_fee"), CouponFee: s.number("coupon_fee"),
		FeeType: fields["fee_type"], CashFeeType: fields["cash_fee_type"],
		Coupons: s.coupons("coupon_count", "coupon_id_", "coupon_type_", "coupon_fee_"), PromotionDetail: fields["promotion_detail"],
		TimeEnd: beijingTime("20060102150405", fields["time_end"]), Fields: fields,
	}
	if s.err == nil && order.OutTradeNo == "" {
		s.err = fmt.Errorf("%w: order without out_trade_no", wechatpay.ErrMalformed)
	}
	return order, s.err
}

// decodePaid reads the order of a message that reports a payment.
func decodePaid(fields Fields) (*Order, error) {
	order, err := decodeOrder(fields)
	if err != nil {
		return nil, err
	}
	if order.TradeState == "" {
		order.TradeState = wechatpay.TradeStateSuccess
	}
	if order.TransactionID == "" || fields["total_fee"] == "" {
		return nil, fmt.Errorf("%w: payment without transaction_id or total_fee", wechatpay.ErrMalformed)
	}
	return order, nil
}

// scan reads typed fields and keeps the first error.
type scan struct {
	fields Fields
	err    error
}

// number reads a count or an amount in fen; zero if it is absent.
func (s *scan) number(name string) int64 {
	text := s.fields[name]
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		if s.err == nil {
			s.err = fmt.Errorf("%w: %s is not a number", wechatpay.ErrMalformed, name)
		}
		return 0
	}
	return n
}

// count reads how many numbered fields follow.
func (s *scan) count(name string, most int64) int {
	n := s.number(name)
	if n > most && s.err == nil {
		s.err = fmt.Errorf("%w: %s is too large", wechatpay.ErrMalformed, name)
	}
	return int(min(n, most))
}

// coupons reads the numbered fields of coupons (coupon_id_$n, from 0).
func (s *scan) coupons(count, id, kind, fee string) []Coupon {
	const couponsMax = 100
	var coupons []Coupon
	for n := range s.count(count, couponsMax) {
		i := strconv.Itoa(n)
		coupons = append(coupons, Coupon{ID: s.fields[id+i], Type: s.fields[kind+i], Fee: s.number(fee + i)})
	}
	return coupons
}

// beijing is the zone of the provider's times.
func beijing() *time.Location { return time.FixedZone("", 8*60*60) }

// beijingTime reads a time of the provider. An unreadable one is zero: it must not make a payment unreadable.
func beijingTime(layout, text string) time.Time {
	t, err := time.ParseInLocation(layout, text, beijing())
	if err != nil {
		return time.Time{}
	}
	return t
}

// beijingText writes a time for the provider; empty for zero.
func beijingText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(beijing()).Format("20060102150405")
}
