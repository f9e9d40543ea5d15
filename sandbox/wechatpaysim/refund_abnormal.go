package wechatpaysim

func abnormalFields() []field {
	return []field{
		str("sub_mchid", 32), required(str("out_refund_no", 64).between(1, refundNoSymbols)), required(enum("type", "USER_BANK_CARD", "MERCHANT_BANK_CARD")),
		enum("bank_type", "ICBC_DEBIT", "ABC_DEBIT", "CCB_DEBIT", "BOC_DEBIT", "COMM_DEBIT", "CMB_DEBIT", "PSBC_DEBIT", "SPDB_DEBIT",
			"CITIC_DEBIT", "CEB_DEBIT", "CMBC_DEBIT", "CIB_DEBIT", "GDB_DEBIT", "PAB_DEBIT", "NBCB_DEBIT"),
		str("bank_account", 1024), str("real_name", 1024),
	}
}

type abnormalRequest struct {
	SubMchID    string `json:"sub_mchid"`
	OutRefundNo string `json:"out_refund_no"`
	Type        string `json:"type"`
	BankType    string `json:"bank_type"`
	BankAccount string `json:"bank_account"`
	RealName    string `json:"real_name"`
}

// applyAbnormalRefund sends the money of an abnormal refund another way (WeChat Pay APIv3, 发起异常退款).
func (p *Provider) applyAbnormalRefund(c *call) (any, *apiError) {
	var a abnormalRequest
	if err := c.decode(&a); err != nil {
		return nil, err
	}
	owner, err := p.subOwner(c.caller, a.SubMchID, "body")
	if err != nil {
		return nil, err
	}
	received := "商户银行账户"
	if a.Type == "USER_BANK_CARD" {
		account, err := p.checkUserCard(a, c.serial)
		if err != nil {
			return nil, err
		}
		received = a.BankType + account[max(0, len(account)-4):]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.byRefundID[c.http.PathValue("refund_id")]
	switch {
	case r == nil || r.OutRefundNo != a.OutRefundNo || !p.orders[r.order()].ownedBy(owner):
		return nil, noResource("退款单不存在", "the refund does not exist")
	case r.Status != RefundAbnormal:
		return nil, invalidRequest(internalOrderInvalid, "退款单状态不是异常，不能发起异常退款", "the refund is not ABNORMAL")
	}
	now := p.clock.Now()
	r.become(RefundProcessing, now)
	r.Outcome, r.Received = OutcomeSuccess, received
	r.SettlesAt = now.Add(p.settings.RefundDelay.Std())
	p.put(recordRefund, r.key().String(), r)
	p.awaitSettlement(r)
	return p.refundView(r), nil
}

// checkUserCard decrypts the payer's card and name and returns the card number.
func (p *Provider) checkUserCard(a abnormalRequest, serial string) (string, *apiError) {
	for _, f := range []struct{ name, value string }{{"bank_type", a.BankType}, {"bank_account", a.BankAccount}, {"real_name", a.RealName}} {
		if f.value == "" {
			return "", paramError(internalIllegalParameter, fieldDetail{Field: "/" + f.name, Issue: "the field is required for USER_BANK_CARD", Location: "body"})
		}
	}
	account, err := p.openRequestField("bank_account", a.BankAccount, serial)
	if err != nil {
		return "", err
	}
	_, err = p.openRequestField("real_name", a.RealName, serial)
	return account, err
}

// openRequestField decrypts one sensitive field with the key that Wechatpay-Serial names.
func (p *Provider) openRequestField(name, value, serial string) (string, *apiError) {
	p.mu.Lock()
	key, ok := p.decryptionKey(serial)
	p.mu.Unlock()
	if !ok {
		return "", headerError("Wechatpay-Serial", "the request has an encrypted field; name the key it was encrypted with")
	}
	plaintext, ok := openField(key, value)
	if !ok {
		return "", paramError(internalIllegalParameter, fieldDetail{Field: "/" + name, Issue: "decryption failed; encrypt with RSAES-OAEP (SHA-1) and the key that Wechatpay-Serial names", Location: "body"})
	}
	return plaintext, nil
}
