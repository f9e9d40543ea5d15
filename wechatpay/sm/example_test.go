package sm_test

import (
	"fmt"
	"os"

	"github.com/tongbao-pay/tongbao/wechatpay"
	"github.com/tongbao-pay/tongbao/wechatpay/sm"
)

func Example() {
	pemText, err := os.ReadFile("testdata/merchant_private_key.pem") // SM2, as handed to the provider for its certificate
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := sm.ParsePrivateKey(pemText)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := wechatpay.New(wechatpay.Config{
		MchID:                "1900009191",
		SerialNo:             "4D3E5F60718293A4B5C6D7E8F9010203A0B1C2D3",
		Suite:                sm.Suite{},
		Signer:               key,
		APIv3Key:             "VectorApiV3Key_0123456789abcdefG",
		DownloadCertificates: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := client.SignJSAPI("wx8888888888888888", "wx201410272009395522657a690389285100")
	fmt.Println(in.SignType, err)
	// Output: SM2 <nil>
}

func ExampleParseCertificate() {
	pemText, err := os.ReadFile("testdata/platform_cert.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	certificate, err := sm.ParseCertificate(pemText)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%040X until %d\n", certificate.SerialNumber, certificate.NotAfter.Year())
	// Output: 5157F09EFDC096DE15EBE81A47057A72E1B2C3D4 until 2044
}
