package conformance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/services/certificates"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments/native"
)

// TestOfficialSurvivesCertificateRotation follows the SDK through the life of a new platform certificate: published, signing, alone.
func TestOfficialSurvivesCertificateRotation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	downloads := make(chan struct{}, 1000)
	httpClient := b.httpClient()
	httpClient.Transport = watcher{httpClient.Transport, downloads}
	// Its Stop waits for a tick that may be waiting for the lock that Stop holds, so the test's context ends the downloads instead.
	manager := downloader.NewCertificateDownloaderMgrWithInterval(t.Context(), 20*time.Millisecond)
	sdk := b.withManager(manager, httpClient)
	w := b.wechatpay()
	service := native.NativeApiService{Client: sdk.client}
	// updated waits until the SDK has taken in what the provider publishes now: its downloads come one after the other, so two more
	// that begin after this moment mean that one began after it and ended.
	updated := func() {
		t.Helper()
		for range len(downloads) + 2 {
			select {
			case <-downloads:
			case <-time.After(10 * time.Second):
				t.Fatal("the SDK downloads no certificates")
			}
		}
	}
	works := func(outTradeNo, serial string) {
		t.Helper()
		_, result, err := service.Prepay(t.Context(), b.nativeRequest(outTradeNo, 1))
		must(t, "prepay", err)
		want(t, "the answer is signed by", result.Response.Header.Get("Wechatpay-Serial"), serial)
		b.pay(outTradeNo)
		got := b.receiver.wait()
		want(t, "the notification is signed by", got.header.Get("Wechatpay-Serial"), serial)
		_, err = sdk.handler.ParseNotifyRequest(t.Context(), got.request(), new(payments.Transaction))
		must(t, "parse the notification", err)
		answered, _ := sdk.echoes(t, "张三", "")
		want(t, "the sensitive field", answered, "张三")
	}
	works("ORDER0001", w.PlatformSerialNo)

	newer := b.control("POST", "/wechatpay/certificates/rotate", object{"sign_after": "24h", "drop_old_after": "120h"})["serial_no"].(string)
	updated()
	want(t, "certificates known", len(manager.GetCertificateMap(t.Context(), w.MchID)), 2)
	want(t, "the newest", manager.GetNewestCertificateSerial(t.Context(), w.MchID), newer)
	works("ORDER0002", w.PlatformSerialNo) // published, not signing yet
	list, _, err := (&certificates.CertificatesApiService{Client: sdk.client}).DownloadCertificates(t.Context())
	must(t, "list the certificates", err)
	want(t, "certificates listed", len(list.Data), 2)

	b.advance(25 * time.Hour)
	works("ORDER0003", newer) // signing, the old one still listed

	b.advance(100 * time.Hour)
	updated()
	if all := manager.GetCertificateMap(t.Context(), w.MchID); len(all) != 1 || all[newer] == nil {
		t.Errorf("the SDK knows %d certificates, want the new one alone", len(all))
	}
	works("ORDER0004", newer)
}

// TestOfficialWithoutUpdateRefusesTheNewCertificate is what the overlap is for.
func TestOfficialWithoutUpdateRefusesTheNewCertificate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sdk := b.withCertificates()
	b.control("POST", "/wechatpay/certificates/rotate", object{"sign_after": "0s", "drop_old_after": "120h"})
	service := native.NativeApiService{Client: sdk.client}
	_, _, err := service.Prepay(t.Context(), b.nativeRequest("ORDER0001", 1))
	failed(t, err, "not found in verifier")
}

// TestKeySituations has both SDKs of a merchant meet every stage of the switch from certificates to the public key.
func TestKeySituations(t *testing.T) {
	t.Parallel()
	for mode, accepts := range map[string]struct{ certificate, publicKey bool }{
		"cert_only": {true, false}, "not_started": {true, false}, "switching": {true, true}, "pubkey_only": {false, true},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			certificate, public := b.withCertificates(), b.withPublicKey()
			b.settings(object{"verify_mode": mode})
			for outTradeNo, c := range map[string]struct {
				sdk     *official
				accepts bool
			}{"CERTIFICATE": {certificate, accepts.certificate}, "PUBLIC_KEY": {public, accepts.publicKey}} {
				service := native.NativeApiService{Client: c.sdk.client}
				_, _, err := service.Prepay(t.Context(), b.nativeRequest(outTradeNo, 1))
				if c.accepts {
					must(t, outTradeNo, err)
				} else {
					failed(t, err, "verif")
				}
			}
		})
	}
}

// watcher tells of every download of certificates that begins.
type watcher struct {
	next      http.RoundTripper
	downloads chan<- struct{}
}

func (w watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v3/certificates" {
		select {
		case w.downloads <- struct{}{}:
		default: // nobody waits
		}
	}
	return w.next.RoundTrip(r)
}
