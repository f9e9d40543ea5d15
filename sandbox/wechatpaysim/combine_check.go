package wechatpaysim

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// checkCombine checks what a table of fields cannot say. It returns the requested expiry, or zero.
func (p *Provider) checkCombine(product string, r combinePrepayRequest, c *call) (time.Time, *apiError) {
	refuse := func(field string, value any, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: field, Value: value, Issue: issue, Location: "body"})
	}
	settings := p.Settings()
	if r.CombineMchID != c.caller {
		return time.Time{}, otherMerchant("body", "/combine_mchid", r.CombineMchID)
	}
	if !p.bound(r.CombineAppID, r.CombineMchID) {
		return time.Time{}, notBound("/combine_appid", r.CombineAppID)
	}
	if !settings.CombineInitiate {
		return time.Time{}, noCombine("商户号未开通发起合单支付权限", "the merchant may not start combined payments (发起合单支付)")
	}
	if issue := checkNotifyURL(r.NotifyURL); issue != "" {
		return time.Time{}, refuse("/notify_url", r.NotifyURL, issue)
	}
	if ip := r.SceneInfo.PayerClientIP; ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			return time.Time{}, refuse("/scene_info/payer_client_ip", ip, "not an IP address")
		}
	}
	if product == H5 && settings.CombineH5DeviceID && r.SceneInfo.DeviceID == "" {
		return time.Time{}, refuse("/scene_info/device_id", nil, "the field is required")
	}
	if err := p.checkSubOrders(r, settings); err != nil {
		return time.Time{}, err
	}
	if product == JSAPI {
		if err := checkCombinePayer(r, settings.StrictOpenID); err != nil {
			return time.Time{}, err
		}
	}
	return requestedExpiry(r.TimeExpire)
}

// checkSubOrders checks who receives the money: in merchant mode 2 to 10 merchants, in partner mode 1 to 50 sub-merchants of the
// initiator.
func (p *Provider) checkSubOrders(r combinePrepayRequest, settings Settings) *apiError {
	refuse := func(at string, value any, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: at, Value: value, Issue: issue, Location: "body"})
	}
	partner := r.partner()
	least, most := subOrdersLeast, subOrdersMost
	if partner {
		least, most = 1, partnerSubOrdersMost
	}
	if n := len(r.SubOrders); n < least || n > most {
		return refuse("/sub_orders", n, fmt.Sprintf("give %d to %d sub orders", least, most))
	}
	seen := map[merchantNo]bool{}
	for i, sub := range r.SubOrders {
		at := fmt.Sprintf("/sub_orders/%d", i)
		switch {
		case partner && sub.SubMchID == "":
			return refuse(at+"/sub_mchid", nil, "give it in all sub orders or in none")
		case partner && sub.MchID != r.CombineMchID:
			return refuse(at+"/mchid", sub.MchID, "in partner mode it is the initiator")
		case !partner && sub.SubAppID != "":
			return refuse(at+"/sub_appid", sub.SubAppID, "only together with sub_mchid")
		case sub.Amount.Currency != "CNY":
			return refuse(at+"/amount/currency", sub.Amount.Currency, "Currency code is invalid")
		case seen[sub.key()]:
			return refuse(at+"/out_trade_no", sub.OutTradeNo, "the number names another sub order of the same merchant")
		}
		seen[sub.key()] = true
		if err := p.checkReceiver(at, r, sub); err != nil {
			return err
		}
		if !settings.CombineReceive {
			return noCombine("子单商户号未开通接收合单支付权限", "the merchant of "+at+" may not receive combined payments (接收合单支付)")
		}
	}
	return nil
}

// checkReceiver checks that the merchant of a sub order exists, belongs to the initiator in partner mode, and has the apps.
func (p *Provider) checkReceiver(at string, r combinePrepayRequest, sub subOrderRequest) *apiError {
	receiver := sub.key().MchID
	_, known := p.merchant(receiver)
	switch {
	case !known:
		return &apiError{
			http.StatusBadRequest, codeMchNotExists, "商户号不存在", "there is no such merchant", internalMerchantStatus,
			fieldDetail{Field: at + "/mchid", Value: receiver, Issue: "no such merchant", Location: "body"},
		}
	case sub.SubMchID != "" && !p.subMerchant(sub.MchID, sub.SubMchID):
		return noCombine("服务商与子商户没有受理关系", "the merchant of "+at+" is no sub-merchant of the initiator")
	case !p.bound(r.CombineAppID, receiver):
		return notBound("/combine_appid", r.CombineAppID)
	case sub.SubAppID != "" && !p.bound(sub.SubAppID, receiver):
		return notBound(at+"/sub_appid", sub.SubAppID)
	}
	return nil
}

func (r combinePrepayRequest) partner() bool {
	for _, sub := range r.SubOrders {
		if sub.SubMchID != "" {
			return true
		}
	}
	return false
}

// checkCombinePayer wants who must pay: within the initiator's app, or in partner mode within a sub order's.
func checkCombinePayer(r combinePrepayRequest, strict bool) *apiError {
	refuse := func(name, value, issue string) *apiError {
		return paramError(internalNoOpenID, fieldDetail{Field: "/combine_payer_info/" + name, Value: value, Issue: issue, Location: "body"})
	}
	payer := r.CombinePayerInfo
	if payer.OpenID == "" && payer.SubOpenID == "" {
		return refuse("openid", "", "the field is required")
	}
	if payer.OpenID != "" && strict && !openIDShaped(payer.OpenID) {
		return refuse("openid", payer.OpenID, "not an openid of this appid")
	}
	if payer.SubOpenID == "" {
		return nil
	}
	if strict && !openIDShaped(payer.SubOpenID) {
		return refuse("sub_openid", payer.SubOpenID, "not an openid of a sub_appid")
	}
	for _, sub := range r.SubOrders {
		if sub.SubAppID != "" {
			return nil
		}
	}
	return refuse("sub_openid", payer.SubOpenID, "needs a sub order with sub_appid")
}

func noCombine(chinese, english string) *apiError {
	return &apiError{http.StatusForbidden, codeNoAuth, chinese, english, internalOther, nil}
}

// notBound is how combined payments and sharings refuse an app; single orders have a code of their own (WeChat Pay APIv3, 合单支付,
// 分账: 错误码).
func notBound(field, appID string) *apiError {
	return &apiError{
		http.StatusBadRequest, codeInvalidRequest, "appid和mch_id不匹配", "the appid is not bound to the mchid", internalAppIDMchID,
		fieldDetail{Field: field, Value: appID, Issue: "not bound to the merchant", Location: "body"},
	}
}
