package wechatpayv2

import (
	"context"
	"fmt"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Payer is who shows a payment code.
type Payer struct {
	OpenID    string // within AppID
	SubOpenID string // within SubAppID
}

// AuthCodeToOpenID asks who shows a payment code, before or without a payment (WeChat Pay APIv2, 付款码查询openid).
func (c *Client) AuthCodeToOpenID(ctx context.Context, authCode string) (*Payer, error) {
	const name = "auth code to openid"
	var v validation
	v.text("auth_code", authCode, 1, 128)
	if err := v.err(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	payer := &Payer{}
	err := c.do(ctx, call{
		name: name, path: "/tools/authcodetoopenid", fields: Fields{"auth_code": authCode}, timeout: c.queryTimeout,
		decode: func(fields Fields) error {
			*payer = Payer{OpenID: fields["openid"], SubOpenID: fields["sub_openid"]}
			if payer.OpenID == "" {
				return fmt.Errorf("%w: answer without openid", wechatpay.ErrMalformed)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return payer, nil
}
