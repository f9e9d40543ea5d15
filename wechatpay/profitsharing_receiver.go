package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// What a receiver is to the sharing merchant (WeChat Pay APIv3, 添加分账接收方: relation_type).
const (
	RelationTypeServiceProvider = "SERVICE_PROVIDER" // partner mode only
	RelationTypeStore           = "STORE"
	RelationTypeStaff           = "STAFF"
	RelationTypeStoreOwner      = "STORE_OWNER"
	RelationTypePartner         = "PARTNER"
	RelationTypeHeadquarter     = "HEADQUARTER"
	RelationTypeBrand           = "BRAND"
	RelationTypeDistributor     = "DISTRIBUTOR"
	RelationTypeUser            = "USER"
	RelationTypeSupplier        = "SUPPLIER"
	RelationTypeCustom          = "CUSTOM" // with CustomRelation
)

// ProfitSharingReceiver is whom money may be shared with (WeChat Pay APIv3, 添加分账接收方).
type ProfitSharingReceiver struct {
	AppID   string // wx..., the one an openid is of; required
	Type    string // such as ReceiverTypeMerchantID
	Account string // merchant number or openid; 1-64 characters
	// Name, in the clear here, is a merchant's full name (商户全称), required; or a person's, optional, which the
	// provider then checks. It travels encrypted; at most 214 bytes.
	Name           Sensitive
	RelationType   string // such as RelationTypeStore
	CustomRelation string // 1-10 characters, with RelationTypeCustom only
}

// AddProfitSharingReceiver lets money be shared with the receiver. The provider's answer only repeats the request;
// nil means added.
func (c *Client) AddProfitSharingReceiver(ctx context.Context, receiver ProfitSharingReceiver) error {
	const name = "add profit sharing receiver"
	if err := receiver.validate(c.sub); err != nil {
		return failed(name, OutcomeRefused, err)
	}
	k := call{
		name: name, method: http.MethodPost, target: profitSharingTarget + "/receivers/add", write: true, timeout: c.writeTimeout,
		decode: decodeReceiver(receiver.Type, receiver.Account),
	}
	names, err := c.encryptNames(ctx, &k, receiver.Name)
	if err != nil {
		return err
	}
	k.body, err = json.Marshal(struct {
		SubMchID       string `json:"sub_mchid,omitempty"`
		AppID          string `json:"appid"`
		SubAppID       string `json:"sub_appid,omitempty"`
		Type           string `json:"type"`
		Account        string `json:"account"`
		Name           string `json:"name,omitempty"`
		RelationType   string `json:"relation_type"`
		CustomRelation string `json:"custom_relation,omitempty"`
	}{
		c.sub.MchID, receiver.AppID, c.sub.AppID, receiver.Type, receiver.Account, names[0],
		receiver.RelationType, receiver.CustomRelation,
	})
	if err != nil {
		return failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	return c.do(ctx, k)
}

// DeleteProfitSharingReceiver ends the sharing with the receiver (WeChat Pay APIv3, 删除分账接收方). Only AppID, Type
// and Account of it are used.
func (c *Client) DeleteProfitSharingReceiver(ctx context.Context, receiver ProfitSharingReceiver) error {
	const name = "delete profit sharing receiver"
	var v validation
	v.text("appid", receiver.AppID, 1, 32)
	v.profitSharingReceiver("", receiver.Type, receiver.Account, c.sub)
	if err := v.err(); err != nil {
		return failed(name, OutcomeRefused, err)
	}
	body, err := json.Marshal(struct {
		SubMchID string `json:"sub_mchid,omitempty"`
		AppID    string `json:"appid"`
		SubAppID string `json:"sub_appid,omitempty"`
		Type     string `json:"type"`
		Account  string `json:"account"`
	}{c.sub.MchID, receiver.AppID, c.sub.AppID, receiver.Type, receiver.Account})
	if err != nil {
		return failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	return c.do(ctx, call{
		name: name, method: http.MethodPost, target: profitSharingTarget + "/receivers/delete",
		body: body, write: true, timeout: c.writeTimeout, decode: decodeReceiver(receiver.Type, receiver.Account),
	})
}

// decodeReceiver wants the answer to be about the receiver that was named.
func decodeReceiver(receiverType, account string) func(body []byte) error {
	return func(body []byte) error {
		var answer struct {
			Type    string `json:"type"`
			Account string `json:"account"`
		}
		if err := decodeJSON(body, &answer); err != nil {
			return err
		}
		if answer.Type != receiverType || answer.Account != account {
			return fmt.Errorf("%w: answer is about another receiver", ErrMalformed)
		}
		return nil
	}
}

// encryptNames encrypts the names of the call k, all for one key, which k then names. Without any name nothing
// happens; a name left out stays left out.
func (c *Client) encryptNames(ctx context.Context, k *call, names ...Sensitive) ([]string, error) {
	sealed := make([]string, len(names))
	if !slices.ContainsFunc(names, func(name Sensitive) bool { return name != "" }) {
		return sealed, nil
	}
	key, err := c.encryptionKey(ctx)
	if err != nil {
		return nil, failed(k.name, OutcomeRetry, err)
	}
	k.keySerial = key.serial
	for i, name := range names {
		if name == "" {
			continue
		}
		if sealed[i], err = key.encrypt(name); err != nil {
			return nil, failed(k.name, OutcomeRefused, err)
		}
	}
	return sealed, nil
}

func (r *ProfitSharingReceiver) validate(sub SubMerchant) error {
	var v validation
	v.text("appid", r.AppID, 1, 32)
	v.profitSharingReceiver("", r.Type, r.Account, sub)
	if r.Name != "" || r.Type == ReceiverTypeMerchantID {
		v.sensitive("name", r.Name)
	}
	switch r.RelationType {
	case RelationTypeStore, RelationTypeStaff, RelationTypeStoreOwner, RelationTypePartner, RelationTypeHeadquarter,
		RelationTypeBrand, RelationTypeDistributor, RelationTypeUser, RelationTypeSupplier:
	case RelationTypeServiceProvider:
		if sub.MchID == "" {
			v.add("relation_type", "SERVICE_PROVIDER is for partner mode only")
		}
	case RelationTypeCustom:
		v.text("custom_relation", r.CustomRelation, 1, 10)
		return v.err()
	default:
		v.add("relation_type", "must be one of the documented relations, such as STORE or CUSTOM")
	}
	if r.CustomRelation != "" {
		v.add("custom_relation", "is for relation_type CUSTOM only")
	}
	return v.err()
}

// profitSharingReceiver checks what names a receiver; at leads the fields' names.
func (v *validation) profitSharingReceiver(at, receiverType, account string, sub SubMerchant) {
	v.text(at+"account", account, 1, 64)
	switch receiverType {
	case ReceiverTypeMerchantID, ReceiverTypePersonalOpenID:
	case ReceiverTypePersonalSubOpenID:
		if sub.AppID == "" {
			v.add(at+"type", "PERSONAL_SUB_OPENID needs a sub-merchant with an AppID (sub_appid)")
		}
	default:
		v.add(at+"type", "must be MERCHANT_ID, PERSONAL_OPENID or, in partner mode, PERSONAL_SUB_OPENID")
	}
}
