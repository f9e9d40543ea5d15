package wechatpay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// profitSharingRatioWhole is a ratio of 100 %, in the provider's unit of 1/10000.
const profitSharingRatioWhole = 10000

// QueryUnsplitAmount asks how much of an order, in fen, can still be shared or released (WeChat Pay APIv3,
// 查询剩余待分金额).
func (c *Client) QueryUnsplitAmount(ctx context.Context, transactionID string) (int64, error) {
	const name = "query unsplit amount"
	var v validation
	v.number("transaction_id", transactionID, 1, 32, "_-")
	if err := v.err(); err != nil {
		return 0, failed(name, OutcomeRefused, err)
	}
	var unsplit int64
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: profitSharingTarget + "/transactions/" + url.PathEscape(transactionID) + "/amounts",
		decode: func(body []byte) error {
			var answer struct { // anew for every try
				TransactionID string `json:"transaction_id"`
				UnsplitAmount *int64 `json:"unsplit_amount"`
			}
			if err := decodeJSON(body, &answer); err != nil {
				return err
			}
			if answer.TransactionID != transactionID || answer.UnsplitAmount == nil || *answer.UnsplitAmount < 0 {
				return fmt.Errorf("%w: answer is about another order, or has no usable unsplit_amount", ErrMalformed)
			}
			unsplit = *answer.UnsplitAmount
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	return unsplit, nil
}

// QueryProfitSharingMaxRatio asks how much of an order the sub-merchant lets be shared, in 1/10000: 2000 is 20 %
// (WeChat Pay APIv3 服务商, 查询最大分账比例). It exists in partner mode only.
func (c *Client) QueryProfitSharingMaxRatio(ctx context.Context) (int64, error) {
	const name = "query profit sharing max ratio"
	var v validation
	if !c.isPartner() {
		v.add("sub_mchid", "is required: ask a Client of ForSubMerchant")
	}
	if err := v.err(); err != nil {
		return 0, failed(name, OutcomeRefused, err)
	}
	var ratio int64
	err := c.do(ctx, call{
		name: name, method: http.MethodGet, timeout: c.queryTimeout,
		target: profitSharingTarget + "/merchant-configs/" + url.PathEscape(c.sub.MchID),
		decode: func(body []byte) error {
			var answer struct {
				SubMchID string `json:"sub_mchid"`
				MaxRatio *int64 `json:"max_ratio"`
			}
			if err := decodeJSON(body, &answer); err != nil {
				return err
			}
			if answer.SubMchID != c.sub.MchID || answer.MaxRatio == nil || *answer.MaxRatio < 0 || *answer.MaxRatio > profitSharingRatioWhole {
				return fmt.Errorf("%w: answer is about another merchant, or has no usable max_ratio", ErrMalformed)
			}
			ratio = *answer.MaxRatio
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	return ratio, nil
}

// ProfitSharingLimit is how much of an order all its sharing requests together may share: total x maxRatio/10000
// less the provider's fee, in fen and never under zero (WeChat Pay APIv3, 分账: 最大分账比例). Check the sum of the
// parts against it before asking. Pages differ on whether the fee comes off the order or off the shareable part; this
// is the smaller of the two, which holds on both readings. total and fee are in fen; maxRatio is as
// [Client.QueryProfitSharingMaxRatio] tells it, 3000 unless the provider agreed to another.
func ProfitSharingLimit(total, fee, maxRatio int64) int64 {
	shareable := total/profitSharingRatioWhole*maxRatio + total%profitSharingRatioWhole*maxRatio/profitSharingRatioWhole
	return max(shareable-fee, 0)
}
