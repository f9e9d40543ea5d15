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
	if !e.readPlain(body) {
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

// readPlain is false, and e not to be used, if encoding/json must read the body.
func (e *envelope) readPlain(body []byte) bool {
	p := newPlainJSON(body)
	p.open()
	for p.next() {
		switch string(p.key) {
		case "id":
			e.ID = p.string()
		case "create_time":
			e.CreateTime.read(p.string())
		case "event_type":
			e.EventType = p.string()
		case "summary":
			e.Summary = p.string()
		case "resource":
			e.Resource.readPlain(&p)
		case "resource_type": // always encrypt-resource
			p.text()
		default:
			p.fail()
		}
	}
	return p.end()
}

func (r *sealedResource) readPlain(p *plainJSON) {
	p.open()
	for p.next() {
		switch string(p.key) {
		case "original_type":
			r.OriginalType = p.string()
		case "algorithm":
			r.Algorithm = p.string()
		case "nonce":
			r.Nonce = p.string()
		case "associated_data":
			r.AssociatedData = p.string()
		case "ciphertext":
			r.Ciphertext = p.base64()
		default:
			p.fail()
		}
	}
}
