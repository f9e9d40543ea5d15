package wechatpay

import (
	"encoding/json"
	"fmt"
)

// What a combined payment may hold (WeChat Pay APIv3, 合单支付: 下单, sub_orders).
const (
	subOrdersLeast        = 2
	subOrdersMost         = 10
	partnerSubOrdersLeast = 1
	partnerSubOrdersMost  = 50
	subOrderTotalMost     = 1_000_000_000 // fen: 10,000,000 yuan
)

// encode checks the combined payment and writes it once.
func (b *combineBody) encode(sub SubMerchant) ([]byte, error) {
	var v validation
	v.ofInitiator(sub)
	v.text("combine_appid", b.CombineAppID, 1, 32)
	v.number("combine_out_trade_no", string(b.CombineOutTradeNo), 6, 32, outTradeNoFurther)
	v.notifyURL(b.NotifyURL, true, 255)
	switch scene := b.SceneInfo.(type) {
	case CombineSceneInfo:
		v.ip("scene_info.payer_client_ip", scene.PayerClientIP)
		v.text("scene_info.device_id", scene.DeviceID, 0, 16)
	case CombineH5SceneInfo:
		v.ip("scene_info.payer_client_ip", scene.PayerClientIP)
		v.text("scene_info.device_id", scene.DeviceID, 0, 32)
		v.h5Info(scene.H5Info)
	}
	numbers := make([]subOrderNumber, len(b.SubOrders))
	for i, sub := range b.SubOrders {
		numbers[i] = subOrderNumber{sub.MchID, sub.SubMchID, sub.SubAppID, sub.OutTradeNo}
	}
	v.subOrderNumbers(b.CombineMchID, numbers)
	for i, sub := range b.SubOrders {
		v.subOrder(fmt.Sprintf("sub_orders[%d].", i), sub)
	}
	if b.CombinePayerInfo != nil {
		v.combinePayer(*b.CombinePayerInfo, numbers)
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode combined payment: %w", err)
	}
	return body, nil
}

// ofInitiator wants the initiator's Client: a combined payment may be for several sub-merchants.
func (v *validation) ofInitiator(sub SubMerchant) {
	if sub != (SubMerchant{}) {
		v.add("sub_mchid", "belongs to each sub order; call the service provider's Client, not one of ForSubMerchant")
	}
}

// subOrderNumber is what names a sub order.
type subOrderNumber struct{ mchID, subMchID, subAppID, outTradeNo string }

// subOrderNumbers wants one mode for all sub orders, as many as it allows, and no receiver's number twice.
func (v *validation) subOrderNumbers(initiator string, numbers []subOrderNumber) {
	partner := false
	for _, number := range numbers {
		partner = partner || number.subMchID != ""
	}
	least, most := subOrdersLeast, subOrdersMost
	if partner {
		least, most = partnerSubOrdersLeast, partnerSubOrdersMost
	}
	if n := len(numbers); n < least || n > most {
		v.add("sub_orders", fmt.Sprintf("must have %d to %d sub orders, has %d", least, most, n))
	}
	seen := make(map[subOrderNumber]bool, len(numbers))
	for i, number := range numbers {
		at := fmt.Sprintf("sub_orders[%d].", i)
		v.text(at+"mchid", number.mchID, 1, 32)
		switch {
		case partner && number.subMchID == "":
			v.add(at+"sub_mchid", "must be given for all sub orders or for none")
		case partner && number.mchID != initiator:
			v.add(at+"mchid", "must be the service provider in partner mode; leave it out")
		case !partner && number.subAppID != "":
			v.add(at+"sub_appid", "needs sub_mchid")
		}
		v.text(at+"sub_mchid", number.subMchID, 0, 32)
		v.text(at+"sub_appid", number.subAppID, 0, 32)
		v.number(at+"out_trade_no", number.outTradeNo, 6, 32, outTradeNoFurther)
		number.subAppID = ""
		if seen[number] {
			v.add(at+"out_trade_no", "must be unique for its merchant")
		}
		seen[number] = true
	}
}

func (v *validation) subOrder(at string, sub SubOrderRequest) {
	v.atLeast(at+"amount.total_amount", sub.Amount.TotalAmount, 1)
	if sub.Amount.TotalAmount > subOrderTotalMost {
		v.add(at+"amount.total_amount", fmt.Sprintf("must be at most %d", subOrderTotalMost))
	}
	v.text(at+"amount.currency", sub.Amount.Currency, 1, 8)
	v.text(at+"attach", sub.Attach, 1, 128)
	v.text(at+"description", sub.Description, 1, 127)
	v.text(at+"goods_tag", sub.GoodsTag, 0, 32)
}

// combinePayer wants the payer of a JSAPI payment: within the initiator's app, or in partner mode within a
// sub-merchant's.
func (v *validation) combinePayer(payer CombinePayerInfo, numbers []subOrderNumber) {
	v.text("combine_payer_info.openid", payer.OpenID, 0, 128)
	v.text("combine_payer_info.sub_openid", payer.SubOpenID, 0, 128)
	if payer.SubOpenID == "" {
		if payer.OpenID == "" {
			v.add("combine_payer_info.openid", "is required")
		}
		return
	}
	for _, number := range numbers {
		if number.subAppID != "" {
			return
		}
	}
	v.add("combine_payer_info.sub_openid", "needs a sub order with sub_appid")
}
