package conformance_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"

	"github.com/tongbao-pay/tongbao/sandbox"
)

// refused wants the provider's error, as the SDK tells it.
func refused(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	api, ok := errors.AsType[*core.APIError](err)
	if !ok || api.StatusCode != status || api.Code != code || api.Message == "" {
		t.Errorf("%s: got %v, want %d %s with a message", what, err, status, code)
	}
}

// failed wants an error of the SDK itself that says why.
func failed(t *testing.T, err error, why string) {
	t.Helper()
	if _, isAPI := errors.AsType[*core.APIError](err); err == nil || isAPI || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want an error of the SDK that tells of %q", err, why)
	}
}

// TestOfficialRefusesAnswers has the provider, or somebody between, answer with what must not be believed.
func TestOfficialRefusesAnswers(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		service := native.NativeApiService{Client: sdk.client}
		for effect, why := range map[string]string{
			"bad_signature": "verify signature", "probe": "verify", "stale_timestamp": "expires", "unknown_serial": "serial", "html": "is empty in header",
		} {
			t.Run(effect, func(t *testing.T) {
				b.fault("prepay", effect)
				_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER_"+effect, 1))
				failed(t, err, why)
				_, _, err = service.Prepay(t.Context(), b.nativeRequest("ORDER_"+effect, 1))
				must(t, "the same order once more", err)
			})
		}
		t.Run("truncate", func(t *testing.T) {
			b.fault("prepay", "truncate")
			_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER_truncate", 1))
			if !errors.Is(err, io.ErrUnexpectedEOF) && (err == nil || !strings.Contains(err.Error(), "EOF")) {
				t.Errorf("got %v, want an unexpected end", err)
			}
		})
	})
	t.Run("ChangedOnTheWay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		httpClient := b.httpClient()
		httpClient.Transport = meddler{httpClient.Transport}
		w := b.wechatpay()
		client, err := core.NewClient(t.Context(), option.WithHTTPClient(httpClient),
			option.WithMerchantCredential(w.MchID, w.MerchantSerialNo, b.merchant),
			option.WithVerifier(verifiers.NewSHA256WithRSAPubkeyVerifier(w.PublicKeyID, *b.publicKey())))
		must(t, "make the SDK's client", err)
		service := native.NativeApiService{Client: client}
		_, _, err = service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
		failed(t, err, "verify signature")
	})
	t.Run("SignedByAnotherKeyOfTheSameName", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		stranger, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, "make a key", err)
		service := native.NativeApiService{Client: b.withThisPublicKey(&stranger.PublicKey).client}
		_, _, err = service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
		failed(t, err, "verify signature")
	})
}

// meddler changes one character of every answer.
type meddler struct{ next http.RoundTripper }

func (m meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := m.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("pr="), []byte("pr=x"), 1)))
	return response, nil
}

// TestSandboxRefusesRequests has the SDK send what the provider must not accept.
func TestSandboxRefusesRequests(t *testing.T) {
	t.Parallel()
	t.Run("SignedByAnotherKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		stranger, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, "make a key", err)
		b.merchant = stranger
		service := native.NativeApiService{Client: b.withPublicKey().client}
		_, _, err = service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
		refused(t, "prepay", err, http.StatusUnauthorized, "SIGN_ERROR")
	})
	// The SDK reads the machine's clock, so the provider's is set apart from it.
	for name, apart := range map[string]time.Duration{"SixMinutesBehindTheProvider": 6 * time.Minute, "SixMinutesAheadOfTheProvider": -6 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := run(t, sandbox.Config{Real: func() time.Time { return time.Now().Add(apart) }})
			service := native.NativeApiService{Client: b.withPublicKey().client}
			_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
			refused(t, "prepay", err, http.StatusUnauthorized, "SIGN_ERROR")
		})
	}
	t.Run("FourMinutesApartIsAccepted", func(t *testing.T) {
		t.Parallel()
		b := run(t, sandbox.Config{Real: func() time.Time { return time.Now().Add(4 * time.Minute) }})
		service := native.NativeApiService{Client: b.withPublicKey().client}
		_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
		must(t, "prepay", err)
	})
	t.Run("CertificatesUnderAnotherAPIv3Key", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		w := b.wechatpay()
		client, err := core.NewClient(t.Context(), option.WithMerchantCredential(w.MchID, w.MerchantSerialNo, b.merchant),
			option.WithoutValidator(), option.WithHTTPClient(b.httpClient()))
		must(t, "make the downloader's client", err)
		manager := newManager(t)
		err = manager.RegisterDownloaderWithClient(t.Context(), client, w.MchID, strings.Repeat("k", 32))
		failed(t, err, "decrypt")
	})
	t.Run("CertificatesOfAMerchantOnThePublicKeyOnly", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.settings(object{"verify_mode": "pubkey_only"})
		w := b.wechatpay()
		client, err := core.NewClient(t.Context(), option.WithMerchantCredential(w.MchID, w.MerchantSerialNo, b.merchant),
			option.WithoutValidator(), option.WithHTTPClient(b.httpClient()))
		must(t, "make the downloader's client", err)
		err = newManager(t).RegisterDownloaderWithClient(t.Context(), client, w.MchID, w.APIv3Key)
		refused(t, "download", err, http.StatusNotFound, "RESOURCE_NOT_EXISTS")
	})
}
