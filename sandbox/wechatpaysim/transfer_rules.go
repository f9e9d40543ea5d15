package wechatpaysim

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// scene is what money may be sent for (转账场景). Nil lists: the documents seen do not tell, anything is allowed.
type scene struct {
	name        string
	perceptions []string // allowed texts of user_recv_perception, the scene's own first
	reports     []string // the info_types to report, all of them
}

// scenes are those a merchant can be granted (WeChat Pay APIv3, 商家转账: 转账场景报备信息参数说明, 用户收款感知).
func scenes() map[string]scene {
	return map[string]scene{
		"1000": {"现金营销", []string{"活动奖励", "现金奖励"}, []string{"活动名称", "奖励说明"}},
		"1002": {name: "转账"},
		"1004": {name: "转账"},
		"1005": {"佣金报酬", []string{"劳务报酬", "报销款", "企业补贴", "开工利是"}, []string{"岗位类型", "报酬说明"}},
		"1006": {name: "企业报销"},
		"1009": {name: "转账"},
		"1010": {name: "转账"},
		"1011": {"企业赔付", []string{"退款", "商家赔付"}, []string{"赔付原因"}},
		"1013": {name: "转账"},
	}
}

// perception is what the user reads the money is for.
func (t *transfer) perception() string {
	if t.Perception != "" {
		return t.Perception
	}
	s := scenes()[t.SceneID]
	if len(s.perceptions) > 0 {
		return s.perceptions[0]
	}
	return s.name
}

// transferOwner is whose number and money a call is about: the caller's, or in partner mode a sub-merchant's.
func (p *Provider) transferOwner(c *call, partner bool, subMchID, location string) (merchantNo, *apiError) {
	switch {
	case !partner:
		return merchantNo{MchID: c.caller}, nil
	case subMchID == "":
		return merchantNo{}, missingParameter(location, "sub_mchid")
	}
	return p.subOwner(c.caller, subMchID, location)
}

// checkTransfer checks what a table of fields cannot say.
func (p *Provider) checkTransfer(settings Settings, r transferRequest, owner merchantNo, c *call) *apiError {
	knobs := settings.Transfer
	refuse := func(field string, value any, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: field, Value: value, Issue: issue, Location: "body"})
	}
	switch {
	case !knobs.Authorized:
		return &apiError{http.StatusForbidden, codeNoAuth, "商户未开通商家转账产品权限", "the merchant has no transfers", internalOther, nil}
	case !knobs.allows(c.http.RemoteAddr):
		return invalidRequest(internalOther, "此IP地址不允许调用接口，请按开发指引设置", "the caller's address is not on the allow-list")
	case strings.ContainsFunc(r.OutBillNo, func(r rune) bool { return !isAlphanumeric(r) }):
		return refuse("/out_bill_no", r.OutBillNo, "the value may hold letters and digits only")
	case !p.bound(r.AppID, owner.MchID):
		return invalidRequest(internalAppIDMchID, "APPID不存在", "the appid is not linked to the merchant")
	case settings.StrictOpenID && (len(r.OpenID) != 28 || r.OpenID[0] != 'o'):
		return paramError(internalNoOpenID, fieldDetail{Field: "/openid", Value: r.OpenID, Issue: "not an openid of this appid", Location: "body"})
	case r.UserName == "" && r.TransferAmount >= nameRequiredFrom:
		return refuse("/user_name", nil, "the field is required from 200000 fen")
	case r.UserName != "" && r.TransferAmount < knobs.NameRefusedBelow:
		return refuse("/user_name", nil, fmt.Sprintf("not allowed below %d fen", knobs.NameRefusedBelow))
	case r.Style.Type == "RED_PACKET" && r.TransferAmount > redPacketAmountMax:
		return refuse("/user_recv_style/type", r.Style.Type, "RED_PACKET is for at most 20000 fen")
	}
	if r.NotifyURL != "" {
		if issue := checkNotifyURL(r.NotifyURL); issue != "" {
			return refuse("/notify_url", r.NotifyURL, issue)
		}
	}
	return r.checkScene(knobs)
}

func (r transferRequest) checkScene(knobs TransferSettings) *apiError {
	if !slices.Contains(knobs.Scenes, r.TransferSceneID) {
		return invalidRequest(internalOther, "你尚未获取该转账场景", "the scene is not granted to the merchant")
	}
	s := scenes()[r.TransferSceneID]
	if r.Perception != "" && s.perceptions != nil && !slices.Contains(s.perceptions, r.Perception) {
		return invalidRequest(internalOther, "暂不支持展示当前传入的用户收款感知", "the scene allows user_recv_perception "+strings.Join(s.perceptions, ", "))
	}
	if s.reports == nil {
		return nil
	}
	reported := make([]string, len(r.ReportInfos))
	for i, info := range r.ReportInfos {
		reported[i] = info.InfoType
	}
	if wanted := slices.Sorted(slices.Values(s.reports)); !slices.Equal(slices.Sorted(slices.Values(reported)), wanted) {
		return paramError(internalIllegalParameter, fieldDetail{
			Field: "/transfer_scene_report_infos", Issue: "the scene wants exactly " + strings.Join(s.reports, ", "), Location: "body",
		})
	}
	return nil
}

// allows reports whether the address, with its port, may call.
func (s TransferSettings) allows(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	return len(s.IPAllowList) == 0 || err == nil && slices.Contains(s.IPAllowList, host)
}

// withinDayLimits says which of the day's limits stands against a new transfer. The caller holds the lock.
func (p *Provider) withinDayLimits(r transferRequest, owner merchantNo, now time.Time) *apiError {
	knobs := p.settings.Transfer
	merchant, inScene := r.TransferAmount, r.TransferAmount
	for t := range p.transfersOfDay(now) {
		if t.MchID != owner.MchID {
			continue
		}
		merchant += t.Amount
		if t.SceneID == r.TransferSceneID {
			inScene += t.Amount
		}
	}
	if knobs.DailyLimit > 0 && merchant > knobs.DailyLimit {
		return invalidRequest(internalOther, "超过商户单日转账额度", "the merchant's limit of the day would be exceeded")
	}
	if knobs.SceneDailyLimit > 0 && inScene > knobs.SceneDailyLimit {
		return invalidRequest(internalOther, "超过该转账场景单日转账额度", "the scene's limit of the day would be exceeded")
	}
	return nil
}

// overUserLimit reports whether the user would receive more than the day's limit. The caller holds the lock.
func (p *Provider) overUserLimit(t *transfer, now time.Time) bool {
	limit, sum := p.settings.Transfer.UserDailyLimit, t.Amount
	for other := range p.transfersOfDay(now) {
		if other != t && other.OpenID == t.OpenID && (other.State == TransferSuccess || other.State == TransferTransfering) {
			sum += other.Amount
		}
	}
	return limit > 0 && sum > limit
}

// transfersOfDay yields what was created on the day in China and has not failed.
func (p *Provider) transfersOfDay(now time.Time) func(yield func(*transfer) bool) {
	day := now.In(chinaZone()).Format(time.DateOnly)
	return func(yield func(*transfer) bool) {
		for _, t := range p.transfers {
			counts := t.State != TransferFail && t.State != TransferCancelled && t.CreatedAt.In(chinaZone()).Format(time.DateOnly) == day
			if counts && !yield(t) {
				return
			}
		}
	}
}

// refuseBatch is what merchants on the user-confirm mode hear from the API before it (商家转账到零钱).
func (p *Provider) refuseBatch(*call) (any, *apiError) {
	return nil, &apiError{
		http.StatusForbidden, codeNoAuth, "当前商户号接入升级版本功能，暂不支持使用升级前功能",
		"the merchant has the upgraded transfers; call /v3/fund-app/mch-transfer/transfer-bills", internalOther, nil,
	}
}

func operationNotEnough() *apiError {
	return &apiError{
		http.StatusForbidden, codeNotEnough, "运营账户资金不足，请充值后使用原单号重试",
		"the operating account is short; top it up and repeat with the same out_bill_no", internalOther, nil,
	}
}

// differentTransfer refuses a number that has a transfer with other parameters; the documents seen name no code for it.
func differentTransfer(code string) *apiError {
	return &apiError{
		http.StatusBadRequest, code, "商户单号已存在，且参数与首次请求时不一致",
		"the parameters differ from those of the first request under this out_bill_no", internalDifferentRepeat, nil,
	}
}

func unknownTransfer(code string) *apiError {
	return &apiError{http.StatusNotFound, code, "转账单不存在", "there is no such transfer of the last 30 days", internalNoOrder, nil}
}
