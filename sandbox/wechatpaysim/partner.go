package wechatpaysim

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// parties are the apps and merchants of an order: appid and mchid, or in partner mode (服务商模式) the service provider's and
// the sub-merchant's.
type parties struct {
	AppID    string `json:"appid,omitempty"`
	MchID    string `json:"mchid,omitempty"`
	SpAppID  string `json:"sp_appid,omitempty"`
	SpMchID  string `json:"sp_mchid,omitempty"`
	SubAppID string `json:"sub_appid,omitempty"`
	SubMchID string `json:"sub_mchid,omitempty"`
}

// The paths of orders.
const (
	transactions        = "/v3/pay/transactions"
	partnerTransactions = "/v3/pay/partner/transactions"
)

// transactionOperations are the calls about orders, for merchants or in partner mode.
func transactionOperations(partner bool) []operation {
	path := transactions
	if partner {
		path = partnerTransactions
	}
	prepay := func(product string) operation {
		return operation{"prepay", "POST " + path + "/" + product, prepayFields(product, partner), func(p *Provider, c *call) (any, *apiError) {
			return p.prepay(product, c)
		}}
	}
	return []operation{
		prepay(JSAPI), prepay(App), prepay(H5), prepay(Native),
		{"query", "GET " + path + "/id/{transaction_id}", nil, (*Provider).queryByTransactionID},
		{"query", "GET " + path + "/out-trade-no/{out_trade_no}", nil, (*Provider).queryByOutTradeNo},
		{"close", "POST " + path + "/out-trade-no/{out_trade_no}/close", merchantFields(partner), (*Provider).close},
		{"codepay", "POST " + path + "/codepay", codepayFields(partner), (*Provider).codepay},
		{"reverse", "POST " + path + "/out-trade-no/{out_trade_no}/reverse", partyFields(partner), (*Provider).reverseOrder},
	}
}

// isPartner reports partner mode: it has paths of its own.
func (c *call) isPartner() bool { return strings.HasPrefix(c.http.URL.Path, partnerTransactions+"/") }

// partyFields are the apps and merchants in a request's body.
func partyFields(partner bool) []field {
	if partner {
		return []field{required(str("sp_appid", 32)), required(str("sp_mchid", 32)), str("sub_appid", 32), required(str("sub_mchid", 32))}
	}
	return []field{required(str("appid", 32)), required(str("mchid", 32))}
}

// merchantFields are the merchants in a request's body.
func merchantFields(partner bool) []field {
	if partner {
		return []field{required(str("sp_mchid", 32)), required(str("sub_mchid", 32))}
	}
	return []field{required(str("mchid", 32))}
}

// payerField is who pays: in partner mode known to the service provider's app, the sub-merchant's, or both.
func payerField(partner bool) field {
	if partner {
		return required(group("payer", str("sp_openid", 128), str("sub_openid", 128)))
	}
	return required(group("payer", required(str("openid", 128))))
}

// queried are the merchants in a query string.
func queried(query url.Values) parties {
	return parties{MchID: query.Get("mchid"), SpMchID: query.Get("sp_mchid"), SubMchID: query.Get("sub_mchid")}
}

// owner returns whose orders the request is about, without a number, and refuses merchants that the caller may not act for
// (WeChat Pay APIv3, 服务商模式). The location is body or query.
func (p *Provider) owner(c *call, of parties, location string) (merchantNo, *apiError) {
	name, calling := "mchid", of.MchID
	if c.isPartner() {
		name, calling = "sp_mchid", of.SpMchID
	}
	switch {
	case calling == "":
		return merchantNo{}, missingParameter(location, name)
	case calling != c.caller:
		return merchantNo{}, otherMerchant(location, at(location, name), calling)
	case !c.isPartner():
		return merchantNo{MchID: c.caller}, nil
	case of.SubMchID == "":
		return merchantNo{}, missingParameter(location, "sub_mchid")
	}
	return p.subOwner(c.caller, of.SubMchID, location)
}

// subOwner is the owner of what a service provider does for a sub-merchant, on paths of either mode too. An empty subMchID is
// the caller itself.
func (p *Provider) subOwner(caller, subMchID, location string) (merchantNo, *apiError) {
	wrong := fieldDetail{Field: at(location, "sub_mchid"), Value: subMchID, Location: location}
	_, known := p.merchant(subMchID)
	switch {
	case subMchID == "":
		return merchantNo{MchID: caller}, nil
	case subMchID == caller:
		wrong.Issue = "sub_mchid is the service provider's own"
		return merchantNo{}, &apiError{http.StatusBadRequest, codeInvalidRequest, "子商户号与服务商商户号不能相同", wrong.Issue, internalSubMchIDIsOwn, wrong}
	case !known:
		wrong.Issue = "there is no such merchant"
		return merchantNo{}, &apiError{http.StatusBadRequest, codeMchNotExists, "商户号不存在", wrong.Issue, internalMerchantStatus, wrong}
	case !p.subMerchant(caller, subMchID):
		wrong.Issue = "the service provider and the sub-merchant have no acceptance relation"
		return merchantNo{}, &apiError{http.StatusForbidden, codeNoAuth, "服务商与特约商户不存在受理关系", wrong.Issue, internalNoAcceptance, wrong}
	case !p.Settings().SubMerchantsAuthorize:
		wrong.Issue = "the sub-merchant has not authorised the product to the service provider"
		return merchantNo{}, &apiError{http.StatusForbidden, codeNoAuth, "特约商户未授权服务商使用该产品", wrong.Issue, internalOther, wrong}
	}
	return merchantNo{SpMchID: caller, MchID: subMchID}, nil
}

// checkApps checks that each app is bound to its merchant.
func (p *Provider) checkApps(c *call, of parties) *apiError {
	type binding struct{ field, appID, mchID string }
	bindings := []binding{{"/appid", of.AppID, of.MchID}}
	if c.isPartner() {
		bindings = []binding{{"/sp_appid", of.SpAppID, of.SpMchID}}
		if of.SubAppID != "" {
			bindings = append(bindings, binding{"/sub_appid", of.SubAppID, of.SubMchID})
		}
	}
	for _, b := range bindings {
		if !p.bound(b.appID, b.mchID) {
			return &apiError{
				http.StatusBadRequest, codeAppIDMchID, "appid和mch_id不匹配", "the appid is not bound to the mchid", internalAppIDMchID,
				fieldDetail{Field: b.field, Value: b.appID, Issue: "not bound to the merchant", Location: "body"},
			}
		}
	}
	return nil
}

// app is the app that the caller named as its own.
func (of parties) app() string {
	if of.SpAppID != "" {
		return of.SpAppID
	}
	return of.AppID
}

// parties shows whose order it is.
func (o *order) parties() parties {
	if o.SpMchID == "" {
		return parties{AppID: o.AppID, MchID: o.MchID}
	}
	return parties{SpAppID: o.AppID, SpMchID: o.SpMchID, SubAppID: o.SubAppID, SubMchID: o.MchID}
}

// payer shows who paid, in each app of the order.
func (o *order) payer() payer {
	switch {
	case o.SpMchID == "":
		return payer{OpenID: o.PayerOpenID}
	case o.SubAppID == "":
		return payer{SpOpenID: o.PayerOpenID}
	case o.SubOpenID != "":
		return payer{SpOpenID: o.PayerOpenID, SubOpenID: o.SubOpenID}
	}
	return payer{SpOpenID: o.PayerOpenID, SubOpenID: openIDIn(o.SubAppID, o.PayerOpenID)}
}

// ownedBy reports whether the order is of this owner and was placed in the same mode.
func (o *order) ownedBy(owner merchantNo) bool {
	return o.SpMchID == owner.SpMchID && o.MchID == owner.MchID
}

// openIDIn is the identity in another app of who has the openid: always the same one.
func openIDIn(appID, openID string) string {
	digest := sha256.Sum256([]byte(appID + "/" + openID))
	return "o" + base64.RawURLEncoding.EncodeToString(digest[:])[:27]
}

// at names a field as an error's detail does: a JSON pointer into the body, a bare name elsewhere.
func at(location, name string) string {
	if location == "body" {
		return "/" + name
	}
	return name
}

func missingParameter(location, name string) *apiError {
	internal := internalIllegalParameter
	if name == "sub_mchid" {
		internal = internalSubMchIDMissing
	}
	return paramError(internal, fieldDetail{Field: at(location, name), Issue: "the parameter is required", Location: location})
}
