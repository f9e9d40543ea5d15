package wechatpayv2

import (
	"context"
	"strings"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

// Request is a call of an endpoint that has no method of its own.
type Request struct {
	// Path is the endpoint's, such as /pay/report.
	Path string
	// Fields are the endpoint's own. appid, mch_id, sub_appid, sub_mch_id, nonce_str, sign_type and sign are added; one given here
	// counts instead, and one given empty is left out.
	Fields Fields
	// MutualTLS presents the merchant's certificate (需要证书).
	MutualTLS bool
	// Repeat allows further tries inside the call, for endpoints that recognise a repeat by its number. Without it, the request is
	// sent again only when it surely did not leave.
	Repeat bool
	// UnsignedAnswer accepts an answer without sign. Only for endpoints whose documents show none, such as red packets.
	UnsignedAnswer bool
}

// Do calls any endpoint of APIv2 that speaks XML: signed, verified, and with the errors of every other method. It returns the
// answer's fields when return_code and result_code are SUCCESS.
func (c *Client) Do(ctx context.Context, request Request) (Fields, error) {
	name := request.Path
	var v validation
	if !strings.HasPrefix(request.Path, "/") || strings.ContainsAny(request.Path, "?#") {
		v.add("Path", "must be the path of an endpoint, such as /pay/report")
	}
	for field, value := range request.Fields {
		if !isFieldName(field) {
			v.add("Fields", "a name may hold letters, digits, _, - and . only")
		}
		v.text(field, value, 0, valueBytesMax)
	}
	if err := v.err(); err != nil {
		return nil, failed(name, wechatpay.OutcomeRefused, err)
	}
	var answer Fields
	err := c.do(ctx, call{
		name: name, path: request.Path, fields: request.Fields, mutual: request.MutualTLS, once: !request.Repeat, write: true,
		unsigned: request.UnsignedAnswer, timeout: c.writeTimeout,
		decode: func(fields Fields) error {
			answer = fields
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}
