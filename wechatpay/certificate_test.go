package wechatpay

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// downloadingClient knows no key until it downloads one.
func downloadingClient(t testing.TB, p *provider, change ...func(*Config)) *Client {
	t.Helper()
	change = append([]func(*Config){func(c *Config) {
		c.PublicKeys, c.PlatformCertificates, c.DownloadCertificates = nil, nil, true
	}}, change...)
	return clientOf(t, p, change...)
}

func platformKey(t testing.TB) signingKey {
	t.Helper()
	return signingKey{testPlatform, privateKey(t, "wechatpay_platform_private_key.pem")}
}

// answering serves the list of certificates and prepay calls.
func answering(list func() string) func(*provider, http.ResponseWriter, receivedRequest, int) {
	return func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		if r.URL.Path == "/v3/certificates" {
			p.reply(w, 200, list())
			return
		}
		p.reply(w, 200, codeURLAnswer)
	}
}

func (p *provider) downloads() (n int) {
	for _, r := range p.received() {
		if r.URL.Path == "/v3/certificates" {
			n++
		}
	}
	return n
}

func TestFirstCallsShareOneDownload(t *testing.T) {
	t.Parallel()
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	p := newProvider(t, answering(func() string { return list }))
	p.signWith(platformKey(t))
	client := downloadingClient(t, p)
	var calls sync.WaitGroup
	for range 32 {
		calls.Go(func() {
			if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if p.downloads() != 1 {
		t.Errorf("got %d downloads", p.downloads())
	}
	if last := p.received()[32]; last.Header.Get("Wechatpay-Serial") != testPlatform {
		t.Errorf("the downloaded certificate is not named: %q", last.Header.Get("Wechatpay-Serial"))
	}
}

func TestCertificatesThatAreNotTrusted(t *testing.T) {
	t.Parallel()
	platform := readFile(t, "wechatpay_platform_cert.pem")
	good := certificateList(t, map[string][]byte{testPlatform: platform})
	forged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: platformCertificate(t, 0xABCD, time.Now(), time.Now().Add(time.Hour)).Raw})
	cases := []struct {
		name, list string
		key        signingKey
		is         error
	}{
		{"SealedWithAnotherAPIv3Key", strings.Replace(good, `"ciphertext":"`, `"ciphertext":"AAAA`, 1), platformKey(t), ErrDecrypt},
		{"SignedByAKeyThatIsNotInTheList", good, signingKey{testPlatform, privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}, ErrSignature},
		{"SignedBySomebodyUnknown", good, signingKey{"ABCD", privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}, ErrUnknownSerial},
		{"SerialOfAnotherCertificate", certificateList(t, map[string][]byte{testPlatform: forged}), platformKey(t), ErrMalformed},
		{"NoCertificate", certificateList(t, map[string][]byte{testPlatform: []byte("none")}), platformKey(t), ErrMalformed},
		{"EmptyList", `{"data":[]}`, platformKey(t), ErrMalformed},
		{"Page", `<html>`, platformKey(t), ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, answering(func() string { return c.list }))
			p.signWith(c.key)
			client := downloadingClient(t, p)
			err := client.RefreshCertificates(t.Context())
			if !errors.Is(err, c.is) || len(client.VerificationKeys()) != 0 {
				t.Errorf("got %v, keys %v", err, client.VerificationKeys())
			}
			_, err = client.PrepayNative(t.Context(), nativeRequest())
			if OutcomeOf(err) != OutcomeRetry || p.downloads() != len(p.received()) {
				t.Errorf("an order went out that could not be verified: %v", err)
			}
		})
	}
}

func TestUnknownSerialStartsOneDownloadPerInterval(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	p := newProvider(t, answering(func() string { return list }))
	p.now = now
	p.signWith(platformKey(t))
	client := clientOf(t, p, func(c *Config) { c.PublicKeys, c.DownloadCertificates, c.Now = nil, true, now })
	attack := func(serial string) {
		t.Helper()
		r := notificationRequest(t, platformKey(t), now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
		r.Header.Set("Wechatpay-Serial", serial)
		if _, err := client.ParseNotification(r); !errors.Is(err, ErrUnknownSerial) {
			t.Errorf("%s: got %v", serial, err)
		}
	}
	var storm sync.WaitGroup
	for i := range 64 {
		storm.Go(func() { attack("AB" + strconv.Itoa(i)) })
	}
	storm.Wait()
	if p.downloads() != 1 {
		t.Errorf("a storm caused %d downloads", p.downloads())
	}
	clock.Store(int64(time.Minute))
	attack("PUB_KEY_ID_4711") // not to be had by download
	attack("not a serial"[:3])
	if p.downloads() != 1 {
		t.Errorf("a serial that no certificate can have caused a download")
	}
	attack("CD")
	attack("EF")
	if p.downloads() != 2 {
		t.Errorf("after the interval got %d downloads, want 2", p.downloads())
	}
}

func TestRotationWithOverlapUnderConcurrentReaders(t *testing.T) {
	t.Parallel()
	now := time.Now()
	newer := platformCertificate(t, 0xABCD, now.Add(-time.Hour), now.AddDate(5, 0, 0))
	newerKey := signingKey{serialText(newer), privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
	newerPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newer.Raw})
	older := readFile(t, "wechatpay_platform_cert.pem")
	list := atomic.Pointer[string]{}
	set := func(certificates map[string][]byte) {
		text := certificateList(t, certificates)
		list.Store(&text)
	}
	set(map[string][]byte{testPlatform: older})
	p := newProvider(t, answering(func() string { return *list.Load() }))
	p.signWith(platformKey(t))
	client := downloadingClient(t, p)
	if err := client.RefreshCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	set(map[string][]byte{testPlatform: older, newerKey.serial: newerPEM})
	if err := client.RefreshCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []signingKey{newerKey, platformKey(t), newerKey} { // both are good
		p.signWith(key)
		if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
			t.Error(err)
		}
	}
	if key := client.keys.Load().current(time.Now()); key.serial != newerKey.serial {
		t.Errorf("encrypts with %s, want the newest", key.serial)
	}

	set(map[string][]byte{newerKey.serial: newerPEM})
	if err := client.RefreshCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop()
	readers.Wait()
	r := notificationRequest(t, platformKey(t), time.Now(), EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
	if _, err := client.ParseNotification(r); !errors.Is(err, ErrUnknownSerial) {
		t.Errorf("retired certificate: got %v", err)
	}
}

// The provider began to sign with a certificate that the client has not seen: one download settles it
// inside the call, without sending the order again.
func TestAnswerWithUnknownSerialIsSettledByADownload(t *testing.T) {
	t.Parallel()
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	p := newProvider(t, answering(func() string { return list }))
	p.signWith(platformKey(t))
	now := time.Now()
	client := clientOf(t, p, func(c *Config) {
		c.PublicKeys, c.DownloadCertificates = nil, true
		c.PlatformCertificates = []*x509.Certificate{platformCertificate(t, 0xABCD, now.Add(-time.Hour), now.AddDate(5, 0, 0))}
	})
	if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
		t.Error(err)
	}
	if len(p.received()) != 2 || p.downloads() != 1 {
		t.Errorf("got %d requests, %d downloads", len(p.received()), p.downloads())
	}
}

func TestExpiredPlatformCertificateIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		notBefore, notAfter time.Time
		want                error
	}{
		"Expired":     {now.AddDate(-5, 0, 0), now.Add(-time.Second), ErrCertificateExpired},
		"NotYetValid": {now.Add(time.Hour), now.AddDate(5, 0, 0), ErrCertificateExpired},
		"Valid":       {now, now.Add(time.Hour), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			certificate := platformCertificate(t, 0xABCD, c.notBefore, c.notAfter)
			config := testConfig(t)
			config.PlatformCertificates = append(config.PlatformCertificates, certificate)
			key := signingKey{strings.ToLower(serialText(certificate)), privateKey(t, "wechatpay_pubkey_mode_private_key.pem")}
			r := notificationRequest(t, key, now, EventTransactionSuccess, "transaction", orderAnswer("VEC1"))
			if _, err := newClient(t, config).ParseNotification(r); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestBothKindsOfKeysVerify(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 2 {
			p.signWith(platformKey(p.t)) // as in the switch: not the key that was named
		}
		p.reply(w, 200, codeURLAnswer)
	})
	client := clientOf(t, p)
	for range 2 {
		if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
			t.Error(err)
		}
	}
}

func TestPublicKeyIsNamedInTheDownload(t *testing.T) {
	t.Parallel()
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	p := newProvider(t, answering(func() string { return list })) // signs with the public key's
	if err := clientOf(t, p).RefreshCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.received()[0].Header.Get("Wechatpay-Serial"); got != testPublicKeyID {
		t.Errorf("got %q", got)
	}
}

func TestMerchantWithoutPlatformCertificatesGetsTheProvidersError(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		refuse(w, http.StatusNotFound, "RESOURCE_NOT_EXISTS")
	})
	client := clientOf(t, p)
	err := client.RefreshCertificates(t.Context())
	if OutcomeOf(err) != OutcomeRefused || CodeOf(err) != CodeResourceNotExists || len(client.VerificationKeys()) != 2 {
		t.Errorf("got %v", err)
	}
}

// The key that signs the refusal of the first download is in the list that was refused.
func TestRefusedDownloadDoesNotWaitForItself(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, http.StatusForbidden, `{"code":"NO_AUTH","message":"refused"}`)
	})
	p.signWith(signingKey{testPlatform, privateKey(t, "wechatpay_platform_private_key.pem")})
	client := clientOf(t, p, func(c *Config) {
		c.PublicKeys, c.PlatformCertificates, c.DownloadCertificates = nil, nil, true
	})
	err := client.RefreshCertificates(t.Context())
	if CodeOf(err) != CodeNoAuth || OutcomeOf(err) != OutcomeRefused {
		t.Errorf("refresh: got %v", err)
	}
	if _, err := client.PrepayNative(t.Context(), nativeRequest()); CodeOf(err) != CodeNoAuth || OutcomeOf(err) != OutcomeRetry {
		t.Errorf("prepay: got %v", err)
	}
	if n := len(p.received()); n != 2 {
		t.Errorf("%d downloads", n)
	}
}

// A key that is known is believed, in a refused download too.
func TestRefusedDownloadWithAWrongSignatureIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, http.StatusForbidden, `{"code":"NO_AUTH","message":"refused"}`)
	})
	p.signWith(signingKey{testPublicKeyID, privateKey(t, "wechatpay_platform_private_key.pem")})
	err := clientOf(t, p).RefreshCertificates(t.Context())
	if !errors.Is(err, ErrSignature) || OutcomeOf(err) != OutcomeUnknown {
		t.Errorf("got %v", err)
	}
}

func TestRefreshWithoutAPIv3KeyIsRefused(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	config.APIv3Key = ""
	if err := newClient(t, config).RefreshCertificates(t.Context()); OutcomeOf(err) != OutcomeRefused {
		t.Errorf("got %v", err)
	}
}

func TestGivingUpDoesNotStopTheDownloadOfOthers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	asked := make(chan struct{})
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	tellAsked := sync.OnceFunc(func() { close(asked) }) // the patient one may come so late that it asks anew
	p := newProvider(t, answering(func() string {
		tellAsked()
		<-release
		return list
	}))
	p.signWith(platformKey(t))
	client := downloadingClient(t, p)
	impatient, giveUp := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- client.RefreshCertificates(impatient) }()
	<-asked
	patient := make(chan error)
	go func() { patient <- client.RefreshCertificates(t.Context()) }()
	giveUp()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) || OutcomeOf(err) != OutcomeRetry {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := <-patient; err != nil {
		t.Error(err)
	}
}

func TestOldCertificatesAreRefreshedBehindACall(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	asked := make(chan struct{}, 8)
	list := certificateList(t, map[string][]byte{testPlatform: readFile(t, "wechatpay_platform_cert.pem")})
	p := newProvider(t, answering(func() string { asked <- struct{}{}; return list }))
	p.now = now
	p.signWith(platformKey(t))
	client := downloadingClient(t, p, func(c *Config) { c.Now = now })
	prepay := func() {
		t.Helper()
		if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
			t.Error(err)
		}
	}
	prepay()
	<-asked
	prepay()
	if len(asked) != 0 {
		t.Error("fresh certificates were fetched again")
	}
	clock.Store(int64(12 * time.Hour))
	prepay()
	<-asked
	client.CloseIdleConnections()
}
