package wechatpaysim

// receiverKey is who may receive a share of whose money.
type receiverKey struct {
	SpMchID string
	MchID   string
	Type    string
	Account string
}

func (k receiverKey) String() string {
	return merchantNo{k.SpMchID, k.MchID, k.Type + "/" + k.Account}.String()
}

// sharingReceiver is who may receive shares of a merchant's money.
type sharingReceiver struct {
	receiverKey
	Name     string
	Relation string
	Custom   string
	Removed  bool
}

func receiverNames() []field {
	return []field{
		required(str("appid", 32)), required(enum("type", receiverMerchant, receiverOpenID, receiverSubOpenID)), required(str("account", 64)),
		str("sub_mchid", 32), str("sub_appid", 32),
	}
}

func receiverAddFields() []field {
	return append(receiverNames(), str("name", 1024),
		required(enum("relation_type", "SERVICE_PROVIDER", "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER", "BRAND", "DISTRIBUTOR", "USER", "SUPPLIER", "CUSTOM")),
		str("custom_relation", 10))
}

func receiverDeleteFields() []field { return receiverNames() }

type receiverRequest struct {
	AppID          string `json:"appid"`
	Type           string `json:"type"`
	Account        string `json:"account"`
	SubMchID       string `json:"sub_mchid"`
	SubAppID       string `json:"sub_appid"`
	Name           string `json:"name"`
	RelationType   string `json:"relation_type"`
	CustomRelation string `json:"custom_relation"`
}

func (r receiverRequest) key(owner merchantNo) receiverKey {
	return receiverKey{owner.SpMchID, owner.MchID, r.Type, r.Account}
}

type receiverAnswer struct {
	SubMchID       string `json:"sub_mchid,omitempty"`
	Type           string `json:"type"`
	Account        string `json:"account"`
	Name           string `json:"name,omitempty"` // encrypted for the caller
	RelationType   string `json:"relation_type,omitempty"`
	CustomRelation string `json:"custom_relation,omitempty"`
}

// addReceiver lets the merchant share its money with somebody (WeChat Pay APIv3, 添加分账接收方).
func (p *Provider) addReceiver(c *call) (any, *apiError) {
	r, owner, err := p.receiverRequest(c)
	if err != nil {
		return nil, err
	}
	if err := checkRelation(r); err != nil {
		return nil, err
	}
	answer := receiverAnswer{r.SubMchID, r.Type, r.Account, "", r.RelationType, r.CustomRelation}
	name := ""
	if r.Name != "" {
		if name, err = p.openRequestField("name", r.Name, c.serial); err != nil {
			return nil, err
		}
		sealed, failure := p.sealField(c.caller, name)
		if failure != nil {
			return nil, paramError(internalOutOfRange, fieldDetail{Field: "/name", Issue: "the plaintext is longer than 214 bytes", Location: "body"})
		}
		answer.Name = sealed
	}
	if r.Type == receiverMerchant {
		if err := p.checkMerchantReceiver(r.Account, name); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if before := p.receivers[r.key(owner)]; (before == nil || before.Removed) && p.countReceivers(owner) >= sharingReceiversMax {
		return nil, ruleLimit("分账接收方数量超过上限", "the merchant has 20000 receivers already")
	}
	added := &sharingReceiver{receiverKey: r.key(owner), Name: name, Relation: r.RelationType, Custom: r.CustomRelation}
	p.receivers[added.receiverKey] = added
	p.put(recordReceiver, added.String(), added)
	return answer, nil
}

// deleteReceiver ends the sharing with a receiver (WeChat Pay APIv3, 删除分账接收方).
func (p *Provider) deleteReceiver(c *call) (any, *apiError) {
	r, owner, err := p.receiverRequest(c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	removed := p.receivers[r.key(owner)]
	if removed == nil || removed.Removed {
		return nil, invalidRequest(internalOther, "分账接收方不存在", "the merchant has no such receiver")
	}
	removed.Removed = true
	p.put(recordReceiver, removed.String(), removed)
	return receiverAnswer{SubMchID: r.SubMchID, Type: r.Type, Account: r.Account}, nil
}

// receiverRequest reads a request about a receiver and says whose receiver it is.
func (p *Provider) receiverRequest(c *call) (receiverRequest, merchantNo, *apiError) {
	var r receiverRequest
	if err := c.decode(&r); err != nil {
		return r, merchantNo{}, err
	}
	owner, err := p.sharingOwner(c, r.SubMchID, "body")
	if err == nil {
		err = p.checkSharingApps(c, r.AppID, owner, r.SubAppID)
	}
	if err == nil {
		err = p.checkReceiverAccount("", r.Type, r.Account, r.SubAppID)
	}
	return r, owner, err
}

// checkSharingApps checks that the apps are those of the merchants who use them.
func (p *Provider) checkSharingApps(c *call, appID string, owner merchantNo, subAppID string) *apiError {
	if !p.bound(appID, c.caller) {
		return notBound("/appid", appID)
	}
	if subAppID == "" {
		return nil
	}
	if owner.SpMchID == "" {
		return paramError(internalExtraParameter, fieldDetail{Field: "/sub_appid", Issue: "only together with sub_mchid", Location: "body"})
	}
	if !p.bound(subAppID, owner.MchID) {
		return notBound("/sub_appid", subAppID)
	}
	return nil
}

// checkReceiverAccount checks what names a receiver; at leads the fields' names.
func (p *Provider) checkReceiverAccount(at, receiverType, account, subAppID string) *apiError {
	switch {
	case receiverType == receiverSubOpenID && subAppID == "":
		return paramError(internalIllegalParameter, fieldDetail{Field: "/sub_appid", Issue: "required for PERSONAL_SUB_OPENID, with sub_mchid", Location: "body"})
	case receiverType != receiverMerchant && p.Settings().StrictOpenID && !openIDShaped(account):
		return paramError(internalIllegalParameter, fieldDetail{Field: at + "/account", Value: account, Issue: "not an openid of this appid", Location: "body"})
	}
	return nil
}

func checkRelation(r receiverRequest) *apiError {
	refuse := func(field, issue string) *apiError {
		return paramError(internalIllegalParameter, fieldDetail{Field: field, Issue: issue, Location: "body"})
	}
	switch {
	case r.RelationType == "SERVICE_PROVIDER" && r.SubMchID == "":
		return refuse("/relation_type", "SERVICE_PROVIDER is for service providers only")
	case r.RelationType == "CUSTOM" && r.CustomRelation == "":
		return refuse("/custom_relation", "the field is required for CUSTOM")
	case r.Type == receiverMerchant && r.Name == "":
		return refuse("/name", "the field is required for MERCHANT_ID")
	}
	return nil
}

// checkMerchantReceiver compares a merchant with its full name (商户全称).
func (p *Provider) checkMerchantReceiver(mchID, name string) *apiError {
	m, known := p.merchant(mchID)
	if !known {
		return invalidRequest(internalOther, "分账接收方不存在，请确认分账接收方是否存在", "the provider has no merchant of this account")
	}
	if name != "" && name != m.Name {
		return invalidRequest(internalOther, "分账接收方全称与商户号不匹配", "name is not the merchant's full name")
	}
	return nil
}

func (p *Provider) countReceivers(owner merchantNo) int {
	n := 0
	for _, r := range p.receivers {
		if r.SpMchID == owner.SpMchID && r.MchID == owner.MchID && !r.Removed {
			n++
		}
	}
	return n
}
