package wechatpay

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// EchoRequest is a test of the whole connection without an order (WeChat Pay APIv3, 安全联调).
type EchoRequest struct {
	// EchoMessage comes back as it is; required.
	EchoMessage string
	// EncryptedEchoMessage is in the clear here, at most 214 bytes, and travels encrypted, both ways. Zero: encryption is
	// not tested.
	EncryptedEchoMessage Sensitive
	// NotifyURL is as in [NativeRequest]: an [EventSecurityEcho] is sent there. Zero: none.
	NotifyURL string
}

// EchoResponse is what came back.
type EchoResponse struct {
	EchoMessage string
	// EncryptedEchoMessage is in the clear; empty if none was sent.
	EncryptedEchoMessage Sensitive
}

type echoBody struct {
	EchoMessage          string `json:"echo_message"`
	EncryptedEchoMessage string `json:"encrypted_echo_message,omitempty"`
	NotifyURL            string `json:"notify_url,omitempty"`
}

// Echo proves the configuration: request signature, verification of the answer, with an encrypted message the keys of
// both directions, and with a NotifyURL the way back. An error says what does not fit; nil means all that was asked
// for works, but for the notification, which arrives by itself. It changes nothing and may be repeated. It needs a
// Config.Signer that is a [crypto.Decrypter] to test encryption.
func (c *Client) Echo(ctx context.Context, request EchoRequest) (*EchoResponse, error) {
	const name = "echo"
	if err := request.validate(); err != nil {
		return nil, failed(name, OutcomeRefused, err)
	}
	k := call{name: name, method: http.MethodPost, target: "/v3/security/echo", timeout: c.queryTimeout}
	content := echoBody{EchoMessage: request.EchoMessage, NotifyURL: request.NotifyURL}
	if request.EncryptedEchoMessage != "" {
		key, err := c.encryptionKey(ctx)
		if err != nil {
			return nil, failed(name, OutcomeRetry, err)
		}
		k.keySerial = key.serial
		if content.EncryptedEchoMessage, err = key.encrypt(request.EncryptedEchoMessage); err != nil {
			return nil, failed(name, OutcomeRefused, err)
		}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, failed(name, OutcomeRefused, fmt.Errorf("encode: %w", err))
	}
	k.body = body
	var answer echoBody
	k.decode = func(body []byte) error {
		answer = echoBody{} // what an earlier try left is about nothing
		if err := decodeJSON(body, &answer); err != nil {
			return err
		}
		if answer.EchoMessage != request.EchoMessage {
			return fmt.Errorf("%w: another message came back", ErrMalformed)
		}
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return c.readEcho(&request, &content, &answer)
}

// readEcho decrypts what was encrypted for the merchant. Whether the provider encrypts anew or sends back what it
// received is not documented: both are right.
func (c *Client) readEcho(request *EchoRequest, sent, received *echoBody) (*EchoResponse, error) {
	response := &EchoResponse{EchoMessage: received.EchoMessage}
	switch received.EncryptedEchoMessage {
	case "":
		return response, nil
	case sent.EncryptedEchoMessage, string(request.EncryptedEchoMessage):
		response.EncryptedEchoMessage = request.EncryptedEchoMessage
		return response, nil
	}
	plaintext, err := c.DecryptSensitive(received.EncryptedEchoMessage)
	if err != nil {
		return nil, err
	}
	if plaintext != request.EncryptedEchoMessage {
		return nil, failed("echo", OutcomeUnknown, fmt.Errorf("%w: another encrypted message came back", ErrMalformed))
	}
	response.EncryptedEchoMessage = plaintext
	return response, nil
}

func (r *EchoRequest) validate() error {
	var v validation
	v.text("echo_message", r.EchoMessage, 1, 1024)
	if r.EncryptedEchoMessage != "" {
		v.sensitive("encrypted_echo_message", r.EncryptedEchoMessage)
	}
	v.notifyURL(r.NotifyURL, false, 255)
	return v.err()
}

// EchoNotification is the content of an [EventSecurityEcho].
type EchoNotification struct {
	MchID       string `json:"mchid,omitempty"`
	EchoMessage string `json:"echo_message"`
}

// Echo is the content of a notification that [Client.Echo] asked for; false for any other.
func (n *Notification) Echo() (*EchoNotification, bool) { return contentAs[EchoNotification](n) }

func decodeEchoNotification(plaintext []byte) (*EchoNotification, error) {
	var echo EchoNotification
	if err := decodeJSON(plaintext, &echo); err != nil {
		return nil, err
	}
	if echo.EchoMessage == "" {
		return nil, fmt.Errorf("%w: echo without echo_message", ErrMalformed)
	}
	return &echo, nil
}
