package sandbox

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tongbao-pay/tongbao/sandbox/identity"
)

// Names of the files in [Config.Dir]. What is under provider/ is the provider's own and no merchant's business.
const (
	credentialsFile         = "credentials.json"
	stateFile               = "state.jsonl"
	merchantKeyFile         = "apiclient_key.pem"
	merchantCertificateFile = "apiclient_cert.pem"
	platformCertificateFile = "wechatpay_cert.pem"
	publicKeyFile           = "wechatpay_pub_key.pem"
	caFile                  = "ca.pem"
	platformKeyFile         = "provider/wechatpay_key.pem"
	publicKeyPrivateFile    = "provider/wechatpay_pub_private_key.pem"
	caKeyFile               = "provider/ca_key.pem"
)

// Credentials is credentials.json: all that a client of the sandbox must know. File names are relative to [Config.Dir].
type Credentials struct {
	WeChatPay  WeChatPayCredentials `json:"wechatpay"`
	Alipay     struct{}             `json:"alipay"`
	ControlURL string               `json:"control_url"`
	PhoneURL   string               `json:"phone_url"`
	TLSURL     string               `json:"tls_url,omitempty"` // for the providers' real host names; empty: off
	CAFile     string               `json:"ca_file"`

	dir   string
	files map[string][]byte
}

// String names the merchant and keeps the keys to itself.
func (c Credentials) String() string { return "sandbox credentials of " + c.WeChatPay.String() }

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// WeChatPayCredentials is one merchant at the sandbox's WeChat Pay.
type WeChatPayCredentials struct {
	BaseURL                 string `json:"base_url"`
	BackupURL               string `json:"backup_url"`
	MutualTLSURL            string `json:"mutual_tls_url,omitempty"` // all of APIv2, with the merchant's certificate where that is needed; empty: off
	MchID                   string `json:"mchid"`
	AppID                   string `json:"appid"`
	Name                    string `json:"name"` // 商户全称
	OpenID                  string `json:"openid"`
	MerchantSerialNo        string `json:"merchant_serial_no"`
	MerchantPrivateKeyFile  string `json:"merchant_private_key_file"`
	MerchantCertificateFile string `json:"merchant_certificate_file"`
	APIv3Key                string `json:"api_v3_key"`
	APIv2Key                string `json:"api_v2_key"`
	PlatformSerialNo        string `json:"platform_serial_no"`
	PlatformCertificateFile string `json:"platform_certificate_file"`
	PublicKeyID             string `json:"public_key_id"`
	PublicKeyFile           string `json:"public_key_file"`

	// SubMerchants are further merchants: the first one's 特约商户 in partner mode, receivers of combined payments and of
	// profit sharing, and merchants of their own right.
	SubMerchants []SubMerchantCredentials `json:"sub_merchants"`
}

// SubMerchantCredentials is what a further merchant signs and decrypts with. The provider's keys are those of all.
type SubMerchantCredentials struct {
	MchID                   string `json:"mchid"`
	AppID                   string `json:"appid"`
	Name                    string `json:"name"` // 商户全称, as profit sharing asks for it
	MerchantSerialNo        string `json:"merchant_serial_no"`
	MerchantPrivateKeyFile  string `json:"merchant_private_key_file"`
	MerchantCertificateFile string `json:"merchant_certificate_file"`
	APIv3Key                string `json:"api_v3_key"`
	APIv2Key                string `json:"api_v2_key"`
}

// String names the merchant and keeps the keys to itself.
func (c SubMerchantCredentials) String() string { return "wechatpay merchant " + c.MchID }

// GoString is String, for %#v.
func (c SubMerchantCredentials) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c SubMerchantCredentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String names the merchant and keeps the keys to itself.
func (c WeChatPayCredentials) String() string { return "wechatpay merchant " + c.MchID }

// GoString is String, for %#v.
func (c WeChatPayCredentials) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c WeChatPayCredentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Path returns the absolute path of a file that the credentials name, or nothing for a sandbox in memory.
func (c Credentials) Path(file string) string {
	if c.dir == "" {
		return ""
	}
	return filepath.Join(c.dir, file)
}

// PEM returns the content of a file that the credentials name, for a sandbox in memory too; nil if there is no such file.
func (c Credentials) PEM(file string) []byte { return c.files[file] }

// merchantFiles names the files of the merchant's certificate and key; the first merchant's are those of the provider's console.
func merchantFiles(i int) (certificate, key string) {
	if i == 0 {
		return merchantCertificateFile, merchantKeyFile
	}
	return fmt.Sprintf("sub%d_%s", i, merchantCertificateFile), fmt.Sprintf("sub%d_%s", i, merchantKeyFile)
}

// keep turns identities into the files of a directory.
func keep(ids identity.Identities) (map[string][]byte, error) {
	w := ids.WeChatPay
	public, err := identity.EncodePublicKey(&w.PublicKey.PublicKey)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		caFile:                  identity.EncodeCertificate(ids.CA.Cert),
		platformCertificateFile: identity.EncodeCertificate(w.Platform.Cert),
		publicKeyFile:           public,
	}
	private := map[string]func() ([]byte, error){
		caKeyFile:            func() ([]byte, error) { return identity.EncodePrivateKey(ids.CA.Key) },
		platformKeyFile:      func() ([]byte, error) { return identity.EncodePrivateKey(w.Platform.Key) },
		publicKeyPrivateFile: func() ([]byte, error) { return identity.EncodePrivateKey(w.PublicKey) },
	}
	for i, m := range w.Merchants() {
		certificate, key := merchantFiles(i)
		files[certificate] = identity.EncodeCertificate(m.Certificate.Cert)
		private[key] = func() ([]byte, error) { return identity.EncodePrivateKey(m.Certificate.Key) }
	}
	for name, encode := range private {
		if files[name], err = encode(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// readIdentities reads what an earlier sandbox left in the directory; os.ErrNotExist if there was none.
func readIdentities(dir string) (identity.Identities, error) {
	text, err := os.ReadFile(filepath.Join(dir, credentialsFile))
	if err != nil {
		return identity.Identities{}, err
	}
	var c Credentials
	if err := json.Unmarshal(text, &c); err != nil {
		return identity.Identities{}, fmt.Errorf("%s is not JSON: %w", credentialsFile, err)
	}
	var failures []error
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			failures = append(failures, fmt.Errorf("read %s: %v", name, err)) // %v: a lost file is not a missing sandbox
		}
		return data
	}
	pair := func(cert, key string) identity.Certificate {
		pair, err := identity.ParseCertificate(read(cert), read(key))
		if err != nil {
			failures = append(failures, fmt.Errorf("%s, %s: %w", cert, key, err))
		}
		return pair
	}
	w := c.WeChatPay
	ids := identity.Identities{CA: pair(caFile, caKeyFile), WeChatPay: identity.WeChatPay{
		Merchant: identity.Merchant{
			MchID: w.MchID, AppID: w.AppID, Name: w.Name, APIv3Key: w.APIv3Key, APIv2Key: w.APIv2Key,
			Certificate: pair(merchantCertificateFile, merchantKeyFile),
		},
		OpenID: w.OpenID, PublicKeyID: w.PublicKeyID, Platform: pair(platformCertificateFile, platformKeyFile),
	}}
	for i, m := range w.SubMerchants {
		ids.WeChatPay.Others = append(ids.WeChatPay.Others, identity.Merchant{
			MchID: m.MchID, AppID: m.AppID, Name: m.Name, APIv3Key: m.APIv3Key, APIv2Key: m.APIv2Key,
			Certificate: pair(merchantFiles(i + 1)),
		})
	}
	key, err := identity.ParsePrivateKey(read(publicKeyPrivateFile))
	if err != nil {
		failures = append(failures, fmt.Errorf("%s: %w", publicKeyPrivateFile, err))
	}
	public, ok := key.(*rsa.PrivateKey)
	if err == nil && !ok {
		failures = append(failures, fmt.Errorf("%s: not an RSA key", publicKeyPrivateFile))
	}
	ids.WeChatPay.PublicKey = public
	if w.PublicKeyID == "" || len(w.SubMerchants) == 0 {
		failures = append(failures, fmt.Errorf("%s lacks public_key_id or sub_merchants", credentialsFile))
	}
	for _, m := range ids.WeChatPay.Merchants() {
		if m.MchID == "" || m.AppID == "" || len(m.APIv3Key) != 32 {
			failures = append(failures, fmt.Errorf("%s lacks a mchid, an appid or a 32-byte api_v3_key", credentialsFile))
		}
	}
	return ids, errors.Join(failures...)
}

// writeFiles writes the identities of a new sandbox.
func writeFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(filepath.Join(dir, "provider"), 0o700); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeCredentials writes credentials.json in one step: who reads it never sees half of it.
func writeCredentials(dir string, c Credentials) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, credentialsFile+".new")
	if err := os.WriteFile(fresh, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, credentialsFile))
}
