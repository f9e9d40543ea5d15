package wechatpay

import "strings"

// contentOf types a plaintext by original_type, else by the event type's family, else by its shape (WeChat Pay APIv3,
// 通知报文: resource). What does not have the shape expected is nil and stays a raw event, for a person to look at: it is
// authentic.
func contentOf(originalType, eventType string, plaintext []byte) any {
	kind := originalType
	if kind == "" {
		family, _, _ := strings.Cut(eventType, ".")
		kind = strings.ToLower(family)
	}
	var content any
	switch kind {
	case "transaction":
		content = transactionContent(plaintext)
	case "refund":
		content = typed(decodeRefundNotification(plaintext))
	case "profitsharing", "profitsharing_return":
		content = typed(decodeProfitSharingNotification(plaintext))
	case "mch_payment", "mchtransfer":
		content = typed(decodeTransfer(plaintext))
	case "security", "security_echo":
		content = typed(decodeEchoNotification(plaintext))
	}
	if content == nil && originalType == "" {
		content = contentByShape(plaintext)
	}
	return content
}

// transactionContent tells a combined payment from an order by its combine_out_trade_no.
func transactionContent(plaintext []byte) any {
	var wire struct {
		wireOrder
		CombineOutTradeNo any `json:"combine_out_trade_no"`
	}
	if err := decodeJSON(plaintext, &wire); err != nil {
		return nil
	}
	if wire.CombineOutTradeNo != nil && wire.CombineOutTradeNo != "" {
		return typed(decodeCombineOrder(plaintext))
	}
	return typed(wire.order())
}

// contentByShape knows what its telling fields make unmistakable; an order's are in the content of other products too.
func contentByShape(plaintext []byte) any {
	for _, content := range []any{
		typed(decodeCombineOrder(plaintext)),
		typed(decodeRefundNotification(plaintext)),
		typed(decodeProfitSharingNotification(plaintext)),
		typed(decodeTransfer(plaintext)),
	} {
		if content != nil {
			return content
		}
	}
	return nil
}

// typed is the content, or a nil that is nil in an any too.
func typed[T any](content *T, err error) any {
	if err != nil {
		return nil
	}
	return content
}

// contentAs returns a copy: a Notification does not change.
func contentAs[T any](n *Notification) (*T, bool) {
	content, ok := n.content.(*T)
	if !ok {
		return nil, false
	}
	copied := *content
	return &copied, true
}
