package browser_test

import (
	"context"
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/wechatpay"
)

func TestTransferIsTakenOnThePhone(t *testing.T) {
	t.Parallel()
	s, client := startSandbox(t)
	for path, body := range map[string]string{
		"/wechatpay/funds": `{"action":"top_up","account":"operation","amount":1000000}`, "/wechatpay/settings": `{"transfer":{"delay":"0s"}}`,
	} {
		response, err := http.Post(s.ControlURL()+path, "application/json", strings.NewReader(body))
		if err != nil || response.Body.Close() != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v", path, err)
		}
	}
	w := s.Credentials().WeChatPay
	made, err := client.CreateTransfer(t.Context(), wechatpay.TransferRequest{
		AppID: w.AppID, OutBillNo: "BILL0001", TransferSceneID: "1000", OpenID: w.OpenID, TransferAmount: 123456, TransferRemark: "六月活动的奖励，谢谢你",
		UserRecvPerception: "现金奖励",
		TransferSceneReportInfos: []wechatpay.TransferSceneReportInfo{
			{InfoType: "活动名称", InfoContent: "注册会员有礼"}, {InfoType: "奖励说明", InfoContent: "注册奖励"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	invocation, err := client.InvokeTransfer(w.AppID, made.PackageInfo)
	if err != nil {
		t.Fatal(err)
	}

	b := openBrowser(t)
	take := chromedp.CSS(`button[name="result"][value="confirm"]`)
	b.do(chromedp.EmulateViewport(390, 844), chromedp.Navigate(s.PhoneURL()+"/transfer?"+invocation.Query()), chromedp.WaitVisible(take))
	b.shot("1-confirm")
	if wide := read(b, chromedp.Evaluate[float64]("document.documentElement.scrollWidth")); wide > 390 {
		t.Errorf("on a phone the page is %v pixels wide", wide)
	}
	if amount := read(b, chromedp.Text(chromedp.CSS(".amount"))); !strings.Contains(amount, "1234.56") {
		t.Errorf("the page shows %q", amount)
	}
	b.do(chromedp.Click(take), chromedp.WaitVisible(chromedp.CSS(".mark.good")))
	b.shot("2-taken")
	transfer, err := client.QueryTransferByOutBillNo(t.Context(), "BILL0001")
	if err != nil || transfer.State != wechatpay.TransferStateSuccess {
		t.Errorf("the provider says %+v, %v", transfer, err)
	}
}

// startSandbox serves a sandbox in memory and returns a client of its merchant.
func startSandbox(t *testing.T) (*sandbox.Sandbox, *wechatpay.Client) {
	t.Helper()
	s, err := sandbox.Open(sandbox.Config{Listen: ":0", Backup: ":0", Control: ":0", Phone: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	c := s.Credentials()
	key, err := wechatpay.ParsePrivateKey(c.PEM(c.WeChatPay.MerchantPrivateKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	public, err := wechatpay.ParsePublicKey(c.PEM(c.WeChatPay.PublicKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	client, err := wechatpay.New(wechatpay.Config{
		MchID: c.WeChatPay.MchID, SerialNo: c.WeChatPay.MerchantSerialNo, Signer: key, APIv3Key: c.WeChatPay.APIv3Key,
		PublicKeys: map[string]*rsa.PublicKey{c.WeChatPay.PublicKeyID: public}, BaseURL: s.URL(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return s, client
}
