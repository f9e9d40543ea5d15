package wechatpay

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// echoProvider answers an echo with what answer makes of it.
func echoProvider(t *testing.T, answer func(sent echoBody) echoBody) *provider {
	t.Helper()
	return newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		var sent echoBody
		if err := json.Unmarshal(r.body, &sent); err != nil || r.RequestURI != "/v3/security/echo" || r.Method != http.MethodPost {
			t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
		}
		if (sent.EncryptedEchoMessage != "") && r.Header.Get("Wechatpay-Serial") != testPublicKeyID {
			t.Errorf("encrypted for %s", r.Header.Get("Wechatpay-Serial"))
		}
		body, err := json.Marshal(answer(sent))
		if err != nil {
			t.Error(err)
		}
		p.reply(w, 200, string(body))
	})
}

// sealedFor encrypts as the provider does for a merchant.
func sealedFor(t *testing.T, private, plaintext string) string {
	t.Helper()
	ciphertext, err := (&verificationKey{public: &privateKey(t, private).PublicKey, suite: rsaSuite{}}).encrypt(Sensitive(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return ciphertext
}

func TestEchoProvesBothDirections(t *testing.T) {
	t.Parallel()
	provider := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, "wechatpay_pubkey_mode_private_key.pem"), suite: rsaSuite{}}}}
	for name, encrypted := range map[string]func(sent echoBody) string{
		"EncryptedForTheMerchant": func(sent echoBody) string {
			plaintext, err := provider.DecryptSensitive(sent.EncryptedEchoMessage)
			if err != nil {
				t.Error(err)
			}
			return sealedFor(t, "merchant_private_key.pem", string(plaintext))
		},
		"SentBackAsItCame": func(sent echoBody) string { return sent.EncryptedEchoMessage },
		"InTheClear":       func(echoBody) string { return "暗号" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := echoProvider(t, func(sent echoBody) echoBody {
				if sent.NotifyURL != "https://pay.example.com/n" {
					t.Errorf("got %s", sent.NotifyURL)
				}
				return echoBody{EchoMessage: sent.EchoMessage, EncryptedEchoMessage: encrypted(sent)}
			})
			got, err := clientOf(t, p).Echo(t.Context(), EchoRequest{
				EchoMessage: "你好", EncryptedEchoMessage: "暗号", NotifyURL: "https://pay.example.com/n",
			})
			if err != nil || got.EchoMessage != "你好" || string(got.EncryptedEchoMessage) != "暗号" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestEchoWithoutEncryption(t *testing.T) {
	t.Parallel()
	p := echoProvider(t, func(sent echoBody) echoBody { return sent })
	got, err := clientOf(t, p).Echo(t.Context(), EchoRequest{EchoMessage: "hello"})
	if err != nil || got.EchoMessage != "hello" || got.EncryptedEchoMessage != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if body := string(p.received()[0].body); body != `{"echo_message":"hello"}` {
		t.Errorf("sent %s", body)
	}
}

func TestEchoTellsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(sent echoBody) echoBody
		is     error
	}{
		"AnotherMessage": {func(echoBody) echoBody { return echoBody{EchoMessage: "other"} }, ErrMalformed},
		"AnotherSecret": {func(s echoBody) echoBody {
			return echoBody{s.EchoMessage, sealedFor(t, "merchant_private_key.pem", "other"), ""}
		}, ErrMalformed},
		"SealedForAnotherKey": {func(s echoBody) echoBody {
			return echoBody{s.EchoMessage, sealedFor(t, "wechatpay_platform_private_key.pem", "暗号"), ""}
		}, ErrDecrypt},
		"SecretThatIsNoBase64!": {func(s echoBody) echoBody { return echoBody{s.EchoMessage, "?", ""} }, ErrDecrypt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := clientOf(t, echoProvider(t, c.answer)).Echo(t.Context(), EchoRequest{EchoMessage: "hello", EncryptedEchoMessage: "暗号"})
			if !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
		})
	}
}

func TestEchoMistakesAreNamed(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, testConfig(t)).Echo(t.Context(), EchoRequest{
		EncryptedEchoMessage: Sensitive(strings.Repeat("a", 215)), NotifyURL: "https://pay.example.com/n?x=1",
	})
	if got := strings.Join(fieldsOf(err), " "); got != "echo_message encrypted_echo_message encrypted_echo_message notify_url" {
		t.Errorf("got %s", got)
	}
}

func TestEchoNotificationIsTyped(t *testing.T) {
	t.Parallel()
	client := vectorClient(t)
	key := signingKey{testPublicKeyID, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
	for name, c := range map[string]struct {
		originalType, plaintext string
		typed                   bool
	}{
		"Typed":               {"security", `{"mchid":"1900009191","echo_message":"hello"}`, true},
		"WithoutOriginalType": {"", `{"echo_message":"hello"}`, true},
		"OfAnotherShape":      {"security", `{"message":"hello"}`, false},
		"OfAnotherType":       {"refund", `{"echo_message":"hello"}`, false},
	} {
		n, err := client.ParseNotification(notificationRequest(t, key, vectorClock(), EventSecurityEcho, c.originalType, c.plaintext))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if echo, ok := n.Echo(); ok != c.typed || ok && echo.EchoMessage != "hello" {
			t.Errorf("%s: got %+v, %v", name, echo, ok)
		}
	}
}
