// Package sm gives package wechatpay the SM algorithms (国密): SM2 with SM3 for signatures, SM2 for sensitive fields,
// SM4 in GCM for notifications and certificates. It is a package of its own so that wechatpay stands on the standard
// library alone.
//
// # Before you begin
//
// The provider does not offer the SM algorithms to everybody. A merchant applies for them to the provider's support
// (微信支付技术支持), which then hands out the documents. From the merchant console come an SM2 merchant API certificate,
// issued for an SM2 key pair that the merchant makes, and the platform certificates of the SM2 kind. The APIv3 key
// stays what it is.
//
// # Configure a client
//
//	key, err := sm.ParsePrivateKey(apiclientKeyPEM)
//	client, err := wechatpay.New(wechatpay.Config{
//		MchID:                "1900009191",
//		SerialNo:             "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3", // of the SM2 merchant API certificate
//		Suite:                sm.Suite{},
//		Signer:               key,
//		APIv3Key:             apiV3Key,
//		DownloadCertificates: true, // or PlatformCertificates, read by sm.ParseCertificate
//	})
//
// From there on nothing differs: every method of [wechatpay.Client] works with either [wechatpay.Suite]. WeChat Pay
// public keys (微信支付公钥) are RSA keys and are refused; with SM the provider signs by platform certificates.
//
// # From RSA to SM
//
// A client of one suite refuses what is signed by the other, with [wechatpay.ErrSignature]. While notifications of both
// kinds arrive, make a client of each and choose by the header Wechatpay-Signature-Type:
//
//	client := rsaClient
//	if r.Header.Get("Wechatpay-Signature-Type") == sm.SignatureType {
//		client = smClient
//	}
//	n, err := client.ParseNotification(r)
//
// That a stranger can choose the client does no harm: each verifies with its own keys.
//
// # A private key in hardware
//
// Config.Signer may be any [crypto.Signer] whose public key is an *ecdsa.PublicKey on the curve of SM2. It is given
// the 32 bytes of SM3(Z ‖ text), Z being that of the user id 1234567812345678, with opts zero, and returns the DER
// sequence of r and s. A [crypto.Decrypter] is given the DER of the ciphertext.
package sm
