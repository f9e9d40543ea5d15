package wechatpaysim

import "encoding/json"

func echoFields() []field {
	return []field{required(str("echo_message", 1024)), str("encrypted_echo_message", 1024), str("notify_url", 255)}
}

type echoAnswer struct {
	EchoMessage          string `json:"echo_message"`
	EncryptedEchoMessage string `json:"encrypted_echo_message,omitempty"`
}

// echo exercises signatures, encryption both ways and, on request, a notification, without an order
// (WeChat Pay APIv3, 安全联调).
func (p *Provider) echo(c *call) (any, *apiError) {
	var r struct {
		EchoMessage          string `json:"echo_message"`
		EncryptedEchoMessage string `json:"encrypted_echo_message"`
		NotifyURL            string `json:"notify_url"`
	}
	if err := c.decode(&r); err != nil {
		return nil, err
	}
	answer := echoAnswer{EchoMessage: r.EchoMessage}
	if r.EncryptedEchoMessage != "" {
		plaintext, err := p.openRequestField("encrypted_echo_message", r.EncryptedEchoMessage, c.serial)
		if err != nil {
			return nil, err
		}
		sealed, failure := p.sealField(c.caller, plaintext)
		if failure != nil {
			return nil, paramError(internalOutOfRange, fieldDetail{Field: "/encrypted_echo_message", Issue: "the plaintext is longer than 214 bytes", Location: "body"})
		}
		answer.EncryptedEchoMessage = sealed
	}
	if r.NotifyURL == "" {
		return answer, nil
	}
	if issue := checkNotifyURL(r.NotifyURL); issue != "" {
		return nil, paramError(internalIllegalParameter, fieldDetail{Field: "/notify_url", Value: r.NotifyURL, Issue: issue, Location: "body"})
	}
	resource := encode(map[string]string{"mchid": c.caller, "echo_message": r.EchoMessage})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notify(&notification{
		Operation: notifyEcho, EventType: "SECURITY_ECHO.SUCCESS", OriginalType: "security", Summary: "安全联调",
		MchID: c.caller, URL: r.NotifyURL, Resource: json.RawMessage(resource), PublicKey: c.serial == p.identity.PublicKeyID,
	})
	return answer, nil
}
