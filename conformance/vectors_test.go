package conformance_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/validators"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/downloader"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/core/option"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const vectorsDir = "../wechatpay/testdata"

// vectors are the library's own, which both sides have to read in the same way.
type vectors struct {
	Meta struct {
		AppID            string `json:"appid"`
		APIv2Key         string `json:"apiv2_key"`
		MchID            string `json:"mchid"`
		APIv3Key         string `json:"apiv3_key"`
		MerchantSerialNo string `json:"merchant_serial_no"`
		PlatformSerialNo string `json:"platform_serial_no"`
		PublicKeyID      string `json:"wechatpay_public_key_id"`
		Files            struct {
			MerchantPrivateKey  string `json:"merchant_private_key"`
			MerchantCert        string `json:"merchant_cert"`
			PlatformPrivateKey  string `json:"platform_private_key"`
			PlatformCert        string `json:"platform_cert"`
			PublicKeyPrivateKey string `json:"pubkey_mode_private_key"`
			PublicKey           string `json:"pubkey_mode_public_key"`
		} `json:"files"`
	} `json:"meta"`
	Requests []signedText   `json:"v3_request_signature"`
	Upload   signedText     `json:"v3_upload_signature"`
	FrontEnd []signedText   `json:"frontend_signature"`
	Answers  []signedAnswer `json:"v3_response_verify"`

	Notifications []struct {
		Name      string            `json:"name"`
		Headers   map[string]string `json:"headers"`
		Body      string            `json:"body"`
		Decrypted string            `json:"decrypted"`
	} `json:"v3_notification"`
	Unreadable []struct {
		Name     string `json:"name"`
		Resource struct {
			Algorithm      string `json:"algorithm"`
			Nonce          string `json:"nonce"`
			AssociatedData string `json:"associated_data"`
			Ciphertext     string `json:"ciphertext"`
		} `json:"resource"`
	} `json:"v3_notification_negative"`
	Certificates struct {
		Headers      map[string]string `json:"headers"`
		Body         string            `json:"body"`
		DecryptedPEM string            `json:"decrypted_pem"`
	} `json:"v3_certificates"`
	OAEP []struct {
		Name        string  `json:"name"`
		Plaintext   *string `json:"plaintext"`
		DecryptWith string  `json:"decrypt_with"`
		Ciphertext  string  `json:"ciphertext"`
	} `json:"oaep"`
}

type signedText struct {
	Name       string `json:"name"`
	SignString string `json:"sign_string"`
	Signature  string `json:"signature"`
}

type signedAnswer struct {
	Name           string            `json:"name"`
	Status         int               `json:"status"`
	Headers        map[string]string `json:"headers"`
	Body           string            `json:"body"`
	SignatureValid bool              `json:"signature_valid"`
}

// vectorTime is when the vectors were signed.
func vectorTime() time.Time { return time.Unix(1717200000, 0) }

// config is our library for the vectors' merchant with both kinds of key, at the machine's time.
func (v vectors) config(t *testing.T) wechatpay.Config {
	return wechatpay.Config{
		MchID: v.Meta.MchID, SerialNo: v.Meta.MerchantSerialNo, Signer: loadPrivateKey(t, v.Meta.Files.MerchantPrivateKey), APIv3Key: v.Meta.APIv3Key,
		PublicKeys:           map[string]*rsa.PublicKey{v.Meta.PublicKeyID: v.publicKey(t)},
		PlatformCertificates: []*x509.Certificate{loadCertificate(t, v.Meta.Files.PlatformCert)},
		Backoff:              func(int, error) time.Duration { return 0 },
	}
}

func (v vectors) publicKey(t *testing.T) *rsa.PublicKey {
	t.Helper()
	public, err := utils.LoadPublicKeyWithPath(vectorsDir + "/" + v.Meta.Files.PublicKey)
	must(t, "load the public key", err)
	return public
}

// verifier is the SDK's, for both kinds of key.
func (v vectors) verifier(t *testing.T) auth.Verifier {
	t.Helper()
	certificates := core.NewCertificateMapWithList([]*x509.Certificate{loadCertificate(t, v.Meta.Files.PlatformCert)})
	return verifiers.NewSHA256WithRSACombinedVerifier(certificates, v.Meta.PublicKeyID, *v.publicKey(t))
}

// atVectorTime runs the test in a bubble whose clock stands at the vectors' time: the SDK reads the machine's clock only.
func atVectorTime(t *testing.T, test func(t *testing.T, v vectors)) {
	t.Helper()
	v := readVectors(t)
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(vectorTime())) // takes no real time
		test(t, v)
	})
}

func headerOf(values map[string]string) http.Header {
	header := http.Header{}
	for name, value := range values {
		header.Set(name, value)
	}
	return header
}

// canned answers every request alike.
type canned struct {
	status  int
	headers map[string]string
	body    string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Header: headerOf(c.headers), Body: io.NopCloser(strings.NewReader(c.body)), Request: r}, nil
}

// TestVectorSignatures has the SDK make every signature of the vectors. The library makes those of requests and front ends in its own tests.
func TestVectorSignatures(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	signer := newJudge(t).merchant
	cases := slices.Concat(v.Requests, v.FrontEnd, []signedText{v.Upload})
	want(t, "cases", len(cases), 6+2+1)
	for _, c := range cases {
		signed, err := signer.Sign(t.Context(), c.SignString)
		if err != nil || signed.Signature != c.Signature {
			t.Errorf("%s: the SDK signs %+v, %v; want %s", c.Name, signed, err, c.Signature)
		}
	}
}

func TestVectorAnswers(t *testing.T) {
	t.Parallel()
	atVectorTime(t, func(t *testing.T, v vectors) {
		validator := validators.NewWechatPayResponseValidator(v.verifier(t))
		want(t, "cases", len(v.Answers), 8)
		for _, c := range v.Answers {
			theirs, err := canned{c.Status, c.Headers, c.Body}.RoundTrip(nil)
			must(t, c.Name, err)
			if err := validator.Validate(t.Context(), theirs); (err == nil) != c.SignatureValid {
				t.Errorf("%s: the SDK says %v", c.Name, err)
			}
			theirs.Body.Close()
			config := v.config(t)
			config.Transport = canned{c.Status, c.Headers, c.Body}
			_, err = newClient(t, config).QueryOrderByOutTradeNo(t.Context(), "ORDER0001")
			if errors.Is(err, wechatpay.ErrSignature) == c.SignatureValid { // a verified answer to another question is another error
				t.Errorf("%s: we say %v", c.Name, err)
			}
		}
	})
}

func TestVectorNotifications(t *testing.T) {
	t.Parallel()
	atVectorTime(t, func(t *testing.T, v vectors) {
		handler, err := notify.NewRSANotifyHandler(v.Meta.APIv3Key, v.verifier(t))
		must(t, "make the SDK's handler", err)
		ours := newClient(t, v.config(t))
		want(t, "cases", len(v.Notifications), 8)
		for _, c := range v.Notifications {
			got := received{headerOf(c.Headers), []byte(c.Body)}
			var content notify.ContentMap
			theirs, err := handler.ParseNotifyRequest(t.Context(), got.request(), &content)
			must(t, c.Name+" by the SDK", err)
			want(t, c.Name+" by the SDK", theirs.Resource.Plaintext, c.Decrypted)
			n, err := ours.ParseNotification(got.request())
			must(t, c.Name, err)
			want(t, c.Name, string(n.Plaintext()), c.Decrypted)
			agree(t, n, theirs)
		}
	})
}

// TestVectorUnreadableNotifications are well signed, by the SDK, and hold what the APIv3 key does not open.
func TestVectorUnreadableNotifications(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	j := newJudge(t)
	handler, err := notify.NewRSANotifyHandler(v.Meta.APIv3Key, v.verifier(t))
	must(t, "make the SDK's handler", err)
	want(t, "cases", len(v.Unreadable), 2)
	for _, c := range v.Unreadable {
		body, err := json.Marshal(object{"id": "EV-1", "event_type": "TRANSACTION.SUCCESS", "resource_type": "encrypt-resource", "resource": c.Resource})
		must(t, "encode", err)
		got := received{http.Header{}, body}
		j.sign(t.Context(), got.header, v.Meta.PlatformSerialNo, string(body))
		if _, err := j.client(false).ParseNotification(got.request()); !errors.Is(err, wechatpay.ErrDecrypt) {
			t.Errorf("%s: we say %v", c.Name, err)
		}
		_, err = handler.ParseNotifyRequest(t.Context(), got.request(), new(notify.ContentMap))
		failed(t, err, "decrypt")
	}
}

func TestVectorCertificates(t *testing.T) {
	t.Parallel()
	atVectorTime(t, func(t *testing.T, v vectors) {
		transport := canned{http.StatusOK, v.Certificates.Headers, v.Certificates.Body}
		client, err := core.NewClient(t.Context(), option.WithoutValidator(), option.WithHTTPClient(&http.Client{Transport: transport}),
			option.WithMerchantCredential(v.Meta.MchID, v.Meta.MerchantSerialNo, loadPrivateKey(t, v.Meta.Files.MerchantPrivateKey)))
		must(t, "make the SDK's client", err)
		theirs, err := downloader.NewCertificateDownloaderWithClient(t.Context(), client, v.Meta.APIv3Key)
		must(t, "download with the SDK", err)
		must(t, "download once more, verified", theirs.DownloadCertificates(t.Context()))
		want(t, "the SDK's certificates", theirs.ExportAll(t.Context()), map[string]string{v.Meta.PlatformSerialNo: v.Certificates.DecryptedPEM})

		config := v.config(t)
		config.PublicKeys, config.PlatformCertificates, config.DownloadCertificates, config.Transport = nil, nil, true, transport
		ours := newClient(t, config)
		must(t, "download with ours", ours.RefreshCertificates(t.Context()))
		keys := ours.VerificationKeys()
		certificate := theirs.GetAll(t.Context())[v.Meta.PlatformSerialNo]
		if len(keys) != 1 || keys[0].Serial != v.Meta.PlatformSerialNo || !keys[0].NotAfter.Equal(certificate.NotAfter) {
			t.Errorf("we know %v, the SDK %v", keys, slices.Collect(maps.Keys(theirs.GetAll(t.Context()))))
		}
	})
}

func TestVectorSensitiveFields(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	want(t, "cases", len(v.OAEP), 6)
	for _, c := range v.OAEP {
		key := loadPrivateKey(t, c.DecryptWith)
		config := v.config(t)
		config.Signer, config.PlatformCertificates, config.PublicKeys = key, nil, nil // a provider's key, in the merchant's place
		config.DownloadCertificates = true
		theirs, theirError := utils.DecryptOAEP(c.Ciphertext, key)
		ours, ourError := newClient(t, config).DecryptSensitive(c.Ciphertext)
		if c.Plaintext == nil {
			if theirError == nil || !errors.Is(ourError, wechatpay.ErrDecrypt) {
				t.Errorf("%s: the SDK says %v, we say %v", c.Name, theirError, ourError)
			}
			continue
		}
		must(t, c.Name+" by the SDK", theirError)
		must(t, c.Name, ourError)
		want(t, c.Name+" by the SDK", theirs, *c.Plaintext)
		want(t, c.Name, string(ours), *c.Plaintext)
	}
}

// agree wants both readings of a notification to be the same.
func agree(t *testing.T, ours *wechatpay.Notification, theirs *notify.Request) {
	t.Helper()
	want(t, "id", ours.ID(), theirs.ID)
	want(t, "event type", ours.EventType(), theirs.EventType)
	want(t, "original type", ours.OriginalType(), theirs.Resource.OriginalType)
	want(t, "summary", ours.Summary(), theirs.Summary)
	want(t, "content", string(ours.Plaintext()), theirs.Resource.Plaintext)
	if theirs.CreateTime == nil || !ours.CreateTime().Equal(*theirs.CreateTime) {
		t.Errorf("create time: we say %v, the SDK %v", ours.CreateTime(), theirs.CreateTime)
	}
}
