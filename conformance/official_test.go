package conformance_test

import (
	"crypto/rsa"
	"net/http"
	"testing"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// official is the provider's own SDK as a merchant sets it up, verification included.
type official struct {
	client   *core.Client
	verifier auth.Verifier // of notifications
	handler  *notify.Handler
	serial   string // what the provider should sign with: a platform certificate's serial number or the public key's id
}

// eachKeyMode runs the test once for each way in which the SDK knows the provider's key.
func eachKeyMode(t *testing.T, test func(t *testing.T, b *bundle, sdk *official)) {
	t.Helper()
	for name, open := range map[string]func(*bundle) *official{
		"PlatformCertificate": (*bundle).withCertificates,
		"PublicKey":           (*bundle).withPublicKey,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			test(t, b, open(b))
		})
	}
}

// withPublicKey is the SDK of a merchant on the WeChat Pay public key (微信支付公钥).
func (b *bundle) withPublicKey() *official {
	b.t.Helper()
	return b.withThisPublicKey(b.publicKey())
}

func (b *bundle) publicKey() *rsa.PublicKey {
	b.t.Helper()
	public, err := utils.LoadPublicKey(string(b.sandbox.Credentials().PEM(b.wechatpay().PublicKeyFile)))
	must(b.t, "load the public key", err)
	return public
}

func (b *bundle) withThisPublicKey(public *rsa.PublicKey) *official {
	b.t.Helper()
	w := b.wechatpay()
	return b.official(
		option.WithWechatPayPublicKeyAuthCipher(w.MchID, w.MerchantSerialNo, b.merchant, w.PublicKeyID, public),
		verifiers.NewSHA256WithRSAPubkeyVerifier(w.PublicKeyID, *public), w.PublicKeyID,
	)
}

// withCertificates is the SDK of a merchant on platform certificates (平台证书), which its own downloader fetches.
func (b *bundle) withCertificates() *official {
	b.t.Helper()
	return b.withManager(newManager(b.t), b.httpClient())
}

// newManager is the SDK's certificate manager with the interval it has by itself, 24 hours.
func newManager(t *testing.T) *downloader.CertificateDownloaderMgr {
	manager := downloader.NewCertificateDownloaderMgr(t.Context())
	t.Cleanup(manager.Stop)
	return manager
}

// withManager is withCertificates under a certificate manager of the test's choice.
func (b *bundle) withManager(manager *downloader.CertificateDownloaderMgr, httpClient *http.Client) *official {
	b.t.Helper()
	w := b.wechatpay()
	bootstrap, err := core.NewClient(b.t.Context(), option.WithMerchantCredential(w.MchID, w.MerchantSerialNo, b.merchant),
		option.WithoutValidator(), option.WithHTTPClient(httpClient)) // until a certificate is known nothing can be verified
	must(b.t, "make the downloader's client", err)
	must(b.t, "download the certificates", manager.RegisterDownloaderWithClient(b.t.Context(), bootstrap, w.MchID, w.APIv3Key))
	return b.official(
		option.WithWechatPayAutoAuthCipherUsingDownloaderMgr(w.MchID, w.MerchantSerialNo, b.merchant, manager),
		verifiers.NewSHA256WithRSAVerifier(manager.GetCertificateVisitor(w.MchID)), w.PlatformSerialNo,
	)
}

func (b *bundle) official(keys core.ClientOption, verifier auth.Verifier, serial string) *official {
	b.t.Helper()
	client, err := core.NewClient(b.t.Context(), keys, option.WithHTTPClient(b.httpClient()))
	must(b.t, "make the SDK's client", err)
	handler, err := notify.NewRSANotifyHandler(b.wechatpay().APIv3Key, verifier)
	must(b.t, "make the SDK's notification handler", err)
	return &official{client, verifier, handler, serial}
}
