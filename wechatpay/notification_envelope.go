package wechatpay

import "fmt"

// envelope is a notification as it travels (WeChat Pay APIv3, 通知报文).
type envelope struct {
	ID         string         `json:"id"`
	CreateTime wireTime       `json:"create_time"`
	EventType  string         `json:"event_type"`
	Summary    string         `json:"summary"`
	Resource   sealedResource `json:"resource"`
}

type sealedResource struct {
	OriginalType string `json:"original_type"`
	sealed
}

func decodeEnvelope(body []byte) (*envelope, error) {
	e := &envelope{}
	if !readPlain(body, e.member) {
		e = &envelope{}
		if err := decodeJSON(body, e); err != nil {
			return nil, fmt.Errorf("notification: %w", err)
		}
	}
	if e.ID == "" || e.EventType == "" {
		return nil, fmt.Errorf("notification: %w: no id or no event_type", ErrMalformed)
	}
	return e, nil
}

// member reads the member that p has come to.
func (e *envelope) member(p *plainJSON, key []byte) bool {
	switch string(key) {
	case "id":
		return p.string(&e.ID)
	case "create_time":
		return p.time(&e.CreateTime)
	case "event_type":
		return p.string(&e.EventType)
	case "summary":
		return p.string(&e.Summary)
	case "resource":
		return p.object(e.Resource.member)
	case "resource_type": // always encrypt-resource
		_, ok := p.text()
		return ok
	}
	return false
}

func (r *sealedResource) member(p *plainJSON, key []byte) bool {
	switch string(key) {
	case "original_type":
		return p.string(&r.OriginalType)
	case "algorithm":
		return p.string(&r.Algorithm)
	case "nonce":
		return p.string(&r.Nonce)
	case "associated_data":
		return p.string(&r.AssociatedData)
	case "ciphertext":
		return p.base64(&r.Ciphertext)
	}
	return false
}
