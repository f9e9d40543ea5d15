package wechatpaysim

import (
	"encoding/json"
	"maps"
	"time"
)

const transferBills = "/v3/fund-app/mch-transfer/transfer-bills"

const partnerTransferBills = "/v3/fund-app/mch-transfer/partner/transfer-bills"

func transferOperations() []operation {
	create := func(route string, partner bool) operation {
		return operation{"transfer", "POST " + route, transferFields(partner), func(p *Provider, c *call) (any, *apiError) {
			return p.createTransfer(c, partner)
		}}
	}
	byNumber := func(route string, partner bool) operation {
		return operation{"transfer_query", "GET " + route + "/out-bill-no/{out_bill_no}", nil, func(p *Provider, c *call) (any, *apiError) {
			return p.queryTransfer(c, partner)
		}}
	}
	cancel := func(route string, partner bool) operation {
		var fields []field
		if partner {
			fields = []field{required(str("sub_mchid", 32))}
		}
		return operation{"transfer_cancel", "POST " + route + "/out-bill-no/{out_bill_no}/cancel", fields, func(p *Provider, c *call) (any, *apiError) {
			return p.cancelTransfer(c, partner)
		}}
	}
	return []operation{
		create(transferBills, false), create(partnerTransferBills, true),
		byNumber(transferBills, false), byNumber(partnerTransferBills, true),
		{"transfer_query", "GET " + transferBills + "/transfer-bill-no/{transfer_bill_no}", nil, (*Provider).queryTransferByBillNo},
		cancel(transferBills, false), cancel(partnerTransferBills, true),
		{"transfer_batch", "POST /v3/transfer/batches", nil, (*Provider).refuseBatch},
	}
}

func transferFields(partner bool) []field {
	fields := []field{
		required(str("appid", 32)), required(str("out_bill_no", 32)), required(str("transfer_scene_id", 36)), required(str("openid", 64)),
		str("user_name", 1024), required(number("transfer_amount", 1)), required(str("transfer_remark", 32)), str("notify_url", 256),
		str("user_recv_perception", 64),
		required(items("transfer_scene_report_infos", required(str("info_type", 15)), required(str("info_content", 32)))),
		group("user_recv_style", required(enum("type", "CONFIRM_PAGE", "RED_PACKET"))),
	}
	if partner {
		fields = append(fields, required(str("sub_mchid", 32)))
	}
	return fields
}

type transferRequest struct {
	SubMchID        string       `json:"sub_mchid"`
	AppID           string       `json:"appid"`
	OutBillNo       string       `json:"out_bill_no"`
	TransferSceneID string       `json:"transfer_scene_id"`
	OpenID          string       `json:"openid"`
	UserName        string       `json:"user_name"`
	TransferAmount  int64        `json:"transfer_amount"`
	TransferRemark  string       `json:"transfer_remark"`
	NotifyURL       string       `json:"notify_url"`
	Perception      string       `json:"user_recv_perception"`
	ReportInfos     []reportInfo `json:"transfer_scene_report_infos"`
	Style           struct {
		Type string `json:"type"`
	} `json:"user_recv_style"`
}

type reportInfo struct {
	InfoType string `json:"info_type"`
}

// createdTransfer is a transfer as its creation answers it.
type createdTransfer struct {
	OutBillNo      string `json:"out_bill_no"`
	TransferBillNo string `json:"transfer_bill_no"`
	CreateTime     string `json:"create_time"`
	State          string `json:"state"`
	FailReason     string `json:"fail_reason,omitempty"`
	PackageInfo    string `json:"package_info,omitempty"`
}

func (t *transfer) created() createdTransfer {
	answer := createdTransfer{
		OutBillNo: t.OutBillNo, TransferBillNo: t.TransferBillNo, CreateTime: chinaTime(t.CreatedAt), State: t.State, FailReason: t.FailReason,
	}
	if t.State == TransferWaitConfirm {
		answer.PackageInfo = t.PackageInfo
	}
	return answer
}

// createTransfer makes a transfer, or answers the one that its number names already, further on if the operating account was topped
// up meanwhile (WeChat Pay APIv3, 发起转账).
func (p *Provider) createTransfer(c *call, partner bool) (any, *apiError) {
	var r transferRequest
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	owner, err := p.transferOwner(c, partner, r.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	owner.No = r.OutBillNo
	settings := p.Settings()
	if err := p.checkTransfer(settings, r, owner, c); err != nil {
		return nil, err
	}
	if r.UserName != "" {
		if r.UserName, err = p.openRequestField("user_name", r.UserName, c.serial); err != nil {
			return nil, err
		}
	}
	parameters := repeatableTransfer(c.fields, r.UserName)

	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if t := p.transfers[owner]; t != nil {
		if t.Parameters != parameters {
			return nil, differentTransfer(settings.Transfer.DifferentCode)
		}
		if t.short() && p.lockAmount(t, now) {
			p.keepTransfer(t)
			p.awaitTransfer(t)
		}
		return t.created(), nil
	}
	if err := p.withinDayLimits(r, owner, now); err != nil {
		return nil, err
	}
	t := p.newTransfer(r, owner, now)
	t.Parameters, t.PublicKey = parameters, c.serial == p.identity.PublicKeyID
	if !p.lockAmount(t, now) {
		if settings.Transfer.Short == ShortRefused {
			return nil, operationNotEnough()
		}
		t.State = settings.Transfer.Short
	}
	p.keepTransfer(t)
	p.awaitTransfer(t)
	return t.created(), nil
}

// newTransfer makes the row. The caller holds the lock.
func (p *Provider) newTransfer(r transferRequest, owner merchantNo, now time.Time) *transfer {
	return &transfer{
		SpMchID: owner.SpMchID, MchID: owner.MchID, OutBillNo: owner.No,
		TransferBillNo: unused(p.byTransferBill, func() string { return p.newTransferBillNo(now) }),
		AppID:          r.AppID, OpenID: r.OpenID, UserName: r.UserName, SceneID: r.TransferSceneID, Perception: r.Perception, Remark: r.TransferRemark,
		Style: r.Style.Type, NotifyURL: r.NotifyURL, Amount: r.TransferAmount, State: TransferAccepted, CreatedAt: now, UpdatedAt: now,
	}
}

// lockAmount takes the amount out of the operating account and lets the user confirm; false if the account is short. The caller
// holds the lock.
func (p *Provider) lockAmount(t *transfer, now time.Time) bool {
	if p.balance(t.MchID, potOperation) < t.Amount {
		return false
	}
	p.postTransfer(t, postTransfer, now, account{t.MchID, potOperation}, account{t.MchID, potTransferring})
	t.State, t.UpdatedAt, t.ExpiresAt, t.DueAt = TransferWaitConfirm, now, now.Add(confirmWindow), now.Add(confirmWindow)
	t.PackageInfo = unused(p.byPackage, func() string { return p.chance.Alphanumeric(86) + "==" })
	return true
}

func (p *Provider) newTransferBillNo(now time.Time) string {
	return "1330" + p.chance.Digits(17) + now.In(chinaZone()).Format("20060102") + p.chance.Digits(11)
}

func (p *Provider) postTransfer(t *transfer, kind string, at time.Time, from, to account) {
	p.post(posting{At: at, Kind: kind, Ref: t.TransferBillNo, OutNo: t.OutBillNo, Note: t.Remark, Legs: []leg{{from, -t.Amount}, {to, t.Amount}}})
}

// repeatableTransfer writes what must be equal in a repeated call. The name is encrypted differently each time, so its clear text
// is compared.
func repeatableTransfer(fields map[string]any, userName string) string {
	same := maps.Clone(fields)
	same["user_name"] = userName
	encoded, err := json.Marshal(same) // maps are written in the order of their keys
	if err != nil {
		panic(err) // unreachable: the value came out of JSON
	}
	return string(encoded)
}
