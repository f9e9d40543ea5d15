package wechatpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const testOpenID = "o-MYE42l80oelYMDE34nYD456Xoy"

func transferRequest() TransferRequest {
	return TransferRequest{
		AppID: testAppID, OutBillNo: "BILL20240601", TransferSceneID: "1000", OpenID: testOpenID, TransferAmount: 500,
		TransferRemark: "六月奖励", NotifyURL: "https://pay.example.com/notify/transfer", UserRecvPerception: "现金奖励",
		TransferSceneReportInfos: []TransferSceneReportInfo{
			{InfoType: "活动名称", InfoContent: "注册会员有礼"}, {InfoType: "奖励说明", InfoContent: "注册奖励"},
		},
	}
}

const (
	transferCreated = `{"out_bill_no":"BILL20240601","transfer_bill_no":"1330000071100999991182020050700019480001",
"create_time":"2024-06-01T08:00:00+08:00","state":"WAIT_USER_CONFIRM","package_info":"affffddafdfafddffda==","new_field":1}`
	transferQueried = `{"mch_id":"1900009191","out_bill_no":"BILL20240601","transfer_bill_no":"1330000071100999991182020050700019480001",
"appid":"wx8888888888888888","state":"FAIL","transfer_amount":500,"transfer_remark":"六月奖励","fail_reason":"OVERDUE_CLOSE",
"openid":"o-MYE42l80oelYMDE34nYD456Xoy","user_name":"c2VhbGVk","create_time":"2024-06-01T08:00:00+08:00","update_time":"2024-06-02T08:00:01+08:00"}`
	transferCanceled = `{"out_bill_no":"BILL20240601","transfer_bill_no":"1330000071100999991182020050700019480001","state":"CANCELING",
"update_time":"2024-06-01T08:00:01+08:00"}`
)

func TestTransfersOnTheWire(t *testing.T) {
	t.Parallel()
	merchant := func(c *Client) *Client { return c }
	partner := func(c *Client) *Client { return subMerchantOf(t, c, SubMerchant{MchID: "1900001121"}) }
	const content = `"appid":"wx8888888888888888","out_bill_no":"BILL20240601","transfer_scene_id":"1000","openid":"o-MYE42l80oelYMDE34nYD456Xoy","transfer_amount":500,"transfer_remark":"六月奖励","notify_url":"https://pay.example.com/notify/transfer","user_recv_perception":"现金奖励","transfer_scene_report_infos":[{"info_type":"活动名称","info_content":"注册会员有礼"},{"info_type":"奖励说明","info_content":"注册奖励"}]`
	create := func(c *Client) error { _, err := c.CreateTransfer(t.Context(), transferRequest()); return err }
	query := func(c *Client) error { _, err := c.QueryTransferByOutBillNo(t.Context(), "BILL20240601"); return err }
	cancel := func(c *Client) error { _, err := c.CancelTransfer(t.Context(), "BILL20240601"); return err }
	cases := []struct {
		name, method, target, body, answer string
		mode                               func(*Client) *Client
		run                                func(*Client) error
	}{
		{"Create", "POST", "/v3/fund-app/mch-transfer/transfer-bills", `{` + content + `}`, transferCreated, merchant, create},
		{
			"CreateOfRedPacket", "POST", "/v3/fund-app/mch-transfer/transfer-bills", `{` + content + `,"user_recv_style":{"type":"RED_PACKET"}}`, transferCreated, merchant,
			func(c *Client) error {
				request := transferRequest()
				request.UserRecvStyle = &UserRecvStyle{Type: UserRecvStyleRedPacket}
				_, err := c.CreateTransfer(t.Context(), request)
				return err
			},
		},
		{"Query", "GET", "/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/BILL20240601", "", transferQueried, merchant, query},
		{
			"QueryByTransferBillNo", "GET", "/v3/fund-app/mch-transfer/transfer-bills/transfer-bill-no/1330000071100999991182020050700019480001", "", transferQueried, merchant,
			func(c *Client) error {
				_, err := c.QueryTransferByTransferBillNo(t.Context(), "1330000071100999991182020050700019480001")
				return err
			},
		},
		{"Cancel", "POST", "/v3/fund-app/mch-transfer/transfer-bills/out-bill-no/BILL20240601/cancel", "", transferCanceled, merchant, cancel},
		{"PartnerCreate", "POST", "/v3/fund-app/mch-transfer/partner/transfer-bills", `{"sub_mchid":"1900001121",` + content + `}`, transferCreated, partner, create},
		{"PartnerQuery", "GET", "/v3/fund-app/mch-transfer/partner/transfer-bills/out-bill-no/BILL20240601?sub_mchid=1900001121", "", transferQueried, partner, query},
		{"PartnerCancel", "POST", "/v3/fund-app/mch-transfer/partner/transfer-bills/out-bill-no/BILL20240601/cancel", `{"sub_mchid":"1900001121"}`, transferCanceled, partner, cancel},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, c.answer) })
			if err := c.run(c.mode(clientOf(t, p))); err != nil {
				t.Fatal(err)
			}
			r := p.received()[0]
			if r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body {
				t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
			}
			if (r.Header.Get("Content-Type") != "") != (c.body != "") || len(r.TransferEncoding) > 0 {
				t.Errorf("got content type %q, transfer encoding %q", r.Header.Get("Content-Type"), r.TransferEncoding)
			}
		})
	}
}

func TestTransferAnswersAreTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		switch {
		case r.Method == http.MethodGet:
			p.reply(w, 200, transferQueried)
		case strings.HasSuffix(r.RequestURI, "/cancel"):
			p.reply(w, 200, transferCanceled)
		default:
			p.reply(w, 200, transferCreated)
		}
	})
	client := clientOf(t, p)
	created, err := client.CreateTransfer(t.Context(), transferRequest())
	if err != nil || created.State != TransferStateWaitUserConfirm || created.PackageInfo != "affffddafdfafddffda==" ||
		!created.CreateTime.Equal(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)) || !created.UpdateTime.IsZero() {
		t.Errorf("create: got %+v, %v", created, err)
	}
	queried, err := client.QueryTransferByOutBillNo(t.Context(), "BILL20240601")
	if err != nil || queried.State != TransferStateFail || queried.FailReason != TransferFailOverdueClose || queried.TransferAmount != 500 ||
		queried.MchID != testMchID || queried.OpenID != testOpenID || queried.UserName != "c2VhbGVk" || queried.UpdateTime.IsZero() {
		t.Errorf("query: got %+v, %v", queried, err)
	}
	canceled, err := client.CancelTransfer(t.Context(), "BILL20240601")
	if err != nil || canceled.State != TransferStateCanceling || canceled.UpdateTime.IsZero() {
		t.Errorf("cancel: got %+v, %v", canceled, err)
	}
}

func TestAnswerAboutAnotherTransferIsUnknown(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"OtherNumber":      strings.Replace(transferQueried, "BILL20240601", "BILL2", 1),
		"OtherMerchant":    strings.Replace(transferQueried, testMchID, "1900001121", 1),
		"OfASubMerchant":   strings.Replace(transferQueried, `"mch_id"`, `"sub_mchid":"1900001121","mch_id"`, 1),
		"NoTransferBillNo": strings.Replace(transferQueried, "transfer_bill_no", "other", 1),
		"NoState":          strings.Replace(transferQueried, `"state"`, `"other"`, 1),
		"Empty":            "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, answer) })
			client := clientOf(t, p)
			if _, err := client.QueryTransferByOutBillNo(t.Context(), "BILL20240601"); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("query: got %v", err)
			}
			if _, err := client.CreateTransfer(t.Context(), transferRequest()); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("create: got %v", err)
			}
			if _, err := client.CancelTransfer(t.Context(), "BILL20240601"); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("cancel: got %v", err)
			}
		})
	}
}

func TestTransferEncryptsTheNameForTheNamedKeyOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
			return
		}
		p.reply(w, 200, transferCreated)
	})
	request := transferRequest()
	request.UserName, request.TransferAmount = "张三", 200000
	if _, err := clientOf(t, p).CreateTransfer(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	tries := p.received()
	if len(tries) != 2 || !bytes.Equal(tries[0].body, tries[1].body) {
		t.Fatalf("%d tries, or a repeat with other bytes", len(tries))
	}
	var body struct {
		UserName string `json:"user_name"`
	}
	if err := json.Unmarshal(tries[0].body, &body); err != nil || tries[0].Header.Get("Wechatpay-Serial") != testPublicKeyID {
		t.Fatalf("serial %s, %v", tries[0].Header.Get("Wechatpay-Serial"), err)
	}
	receiver := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, "wechatpay_pubkey_mode_private_key.pem"), suite: rsaSuite{}}}}
	if name, err := receiver.DecryptSensitive(body.UserName); err != nil || string(name) != "张三" {
		t.Errorf("got %q, %v", string(name), err)
	}
	if text, err := json.Marshal(request); err != nil || strings.Contains(string(text), "张三") || strings.Contains(fmt.Sprintf("%+v", request), "张三") {
		t.Errorf("the name is printed: %s, %v", text, err)
	}
}

// Status and code of the provider describe the request, not the transfer: nothing that could hide one is a refusal.
func TestOutcomesOfACreatedTransfer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		status int
		code   string
		want   Outcome
	}{
		{"WrongParameter", 400, "PARAM_ERROR", OutcomeRefused},
		{"SceneNotGranted", 400, "INVALID_REQUEST", OutcomeRefused},
		{"NoAuth", 403, "NO_AUTH", OutcomeRefused},
		{"WrongSignature", 401, "SIGN_ERROR", OutcomeRefused},
		{"OperatingAccountShort", 403, "NOT_ENOUGH", OutcomeRetry},
		{"TooFast", 429, "FREQUENCY_LIMITED", OutcomeRetry},
		{"NumberHasATransferWithOtherParameters", 400, "ALREADY_EXISTS", OutcomeUnknown},
		{"CodeTheTableDoesNotName", 403, "SOMETHING_NEW", OutcomeUnknown},
		{"NotFoundOnCreate", 404, "NOT_FOUND", OutcomeUnknown},
		{"System", 500, "SYSTEM_ERROR", OutcomeUnknown},
		{"NoCode", 502, "", OutcomeUnknown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) { refuse(w, c.status, c.code) })
			_, err := clientOf(t, p).CreateTransfer(t.Context(), transferRequest())
			if OutcomeOf(err) != c.want || CodeOf(err) != c.code {
				t.Errorf("got %v, %v", OutcomeOf(err), err)
			}
			if c.want == OutcomeUnknown && !strings.Contains(err.Error(), "same number") {
				t.Errorf("%q does not say what to do", err)
			}
		})
	}
}

func TestParametersThatDifferAreNoRefusalOfATransfer(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		w.Header().Set("Request-ID", "08C6AADAAF0120BF1F28E3BE04-268498688")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":"INVALID_REQUEST","message":"参数不一致"}`))
	})
	_, err := clientOf(t, p).CreateTransfer(t.Context(), transferRequest())
	if provider, ok := errors.AsType[*Error](err); !ok || !provider.ParametersDiffer() || OutcomeOf(err) != OutcomeUnknown {
		t.Errorf("got %v, %v", OutcomeOf(err), err)
	}
}

func TestRefusalAfterALostAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			refuse(w, http.StatusBadGateway, "")
			return
		}
		refuse(w, http.StatusForbidden, "NO_AUTH")
	})
	if _, err := clientOf(t, p).CreateTransfer(t.Context(), transferRequest()); OutcomeOf(err) != OutcomeUnknown || len(p.received()) != 2 {
		t.Errorf("got %v after %d tries", err, len(p.received()))
	}
}

func TestTransfersTheProviderAlwaysRefusesAreNotSent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) { t.Error("a request was sent") })
	client := clientOf(t, p)
	create := func(change func(*TransferRequest)) func() error {
		return func() error {
			r := transferRequest()
			change(&r)
			_, err := client.CreateTransfer(t.Context(), r)
			return err
		}
	}
	cases := []struct {
		name, field string
		run         func() error
	}{
		{"NoAppID", "appid", create(func(r *TransferRequest) { r.AppID = "" })},
		{"NumberWithDash", "out_bill_no", create(func(r *TransferRequest) { r.OutBillNo = "BILL-1" })},
		{"NoNumber", "out_bill_no", create(func(r *TransferRequest) { r.OutBillNo = "" })},
		{"LongNumber", "out_bill_no", create(func(r *TransferRequest) { r.OutBillNo = strings.Repeat("1", 33) })},
		{"NoScene", "transfer_scene_id", create(func(r *TransferRequest) { r.TransferSceneID = "" })},
		{"LongOpenID", "openid", create(func(r *TransferRequest) { r.OpenID = strings.Repeat("o", 65) })},
		{"ZeroAmount", "transfer_amount", create(func(r *TransferRequest) { r.TransferAmount = 0 })},
		{"LongRemark", "transfer_remark", create(func(r *TransferRequest) { r.TransferRemark = strings.Repeat("奖", 33) })},
		{"NotifyURLWithQuery", "notify_url", create(func(r *TransferRequest) { r.NotifyURL += "?a=1" })},
		{"NoReport", "transfer_scene_report_infos", create(func(r *TransferRequest) { r.TransferSceneReportInfos = nil })},
		{"LongReport", "transfer_scene_report_infos[1].info_content", create(func(r *TransferRequest) {
			r.TransferSceneReportInfos[1].InfoContent = strings.Repeat("奖", 33)
		})},
		{"LongReportType", "transfer_scene_report_infos[0].info_type", create(func(r *TransferRequest) {
			r.TransferSceneReportInfos[0].InfoType = strings.Repeat("奖", 16)
		})},
		{"LargeAmountWithoutName", "user_name", create(func(r *TransferRequest) { r.TransferAmount = 200000 })},
		{"NameThatCannotBeEncrypted", "user_name", create(func(r *TransferRequest) { r.UserName = Sensitive(strings.Repeat("张", 72)) })},
		{"StyleWithoutType", "user_recv_style.type", create(func(r *TransferRequest) { r.UserRecvStyle = &UserRecvStyle{} })},
		{"QueryWithDash", "out_bill_no", func() error { _, err := client.QueryTransferByOutBillNo(t.Context(), "BILL-1"); return err }},
		{"QueryWithoutBillNo", "transfer_bill_no", func() error { _, err := client.QueryTransferByTransferBillNo(t.Context(), ""); return err }},
		{"CancelWithoutNumber", "out_bill_no", func() error { _, err := client.CancelTransfer(t.Context(), ""); return err }},
		{"PartnerQueryByTransferBillNo", "transfer_bill_no", func() error {
			_, err := subMerchantOf(t, client, SubMerchant{MchID: "1900001121"}).QueryTransferByTransferBillNo(t.Context(), "1330")
			return err
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.run()
			if !slices.Contains(fieldsOf(err), c.field) || OutcomeOf(err) != OutcomeRefused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPartnerTransferMayNameEitherMerchant(t *testing.T) {
	t.Parallel()
	for _, mchID := range []string{testMchID, "1900001121"} {
		p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
			p.reply(w, 200, strings.Replace(transferQueried, testMchID, mchID, 1))
		})
		client := subMerchantOf(t, clientOf(t, p), SubMerchant{MchID: "1900001121"})
		if transfer, err := client.QueryTransferByOutBillNo(t.Context(), "BILL20240601"); err != nil || transfer.MchID != mchID {
			t.Errorf("got %+v, %v", transfer, err)
		}
	}
}

func TestParametersThatOpenTheConfirmPage(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	partner := subMerchantOf(t, client, SubMerchant{MchID: "1900001121", AppID: "wx2222222222222222"})
	for _, c := range []struct {
		name          string
		client        *Client
		appID         string
		wantJSON, url string
	}{
		{
			"Merchant", client, testAppID, `{"mchId":"1900009191","appId":"wx8888888888888888","package":"aff=="}`,
			"appId=wx8888888888888888&mchId=1900009191&package=aff%3D%3D",
		},
		{
			"PartnerWithItsOwnApp", partner, testAppID, `{"mchId":"1900009191","subMchId":"1900001121","appId":"wx8888888888888888","package":"aff=="}`,
			"appId=wx8888888888888888&mchId=1900009191&package=aff%3D%3D&subMchId=1900001121",
		},
		{
			"PartnerWithTheSubMerchantsApp", partner, "wx2222222222222222", `{"mchId":"1900009191","subMchId":"1900001121","subAppId":"wx2222222222222222","package":"aff=="}`,
			"mchId=1900009191&package=aff%3D%3D&subAppId=wx2222222222222222&subMchId=1900001121",
		},
	} {
		in, err := c.client.InvokeTransfer(c.appID, "aff==")
		if err != nil {
			t.Fatal(err)
		}
		if text, err := json.Marshal(in); err != nil || string(text) != c.wantJSON || in.Query() != c.url {
			t.Errorf("%s: got %s, %s, %v", c.name, text, in.Query(), err)
		}
	}
	if _, err := client.InvokeTransfer("", ""); len(fieldsOf(err)) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestNotificationOfATransfer(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	const plaintext = `{"out_bill_no":"B1","transfer_bill_no":"1330","state":"SUCCESS","%s":"1900009191","transfer_amount":500,"openid":"o-MYE42l80oelYMDE34nYD456Xoy","fail_reason":"","create_time":"2024-06-01T08:00:00+08:00","update_time":"2024-06-01T08:00:30.5Z"}`
	for _, merchantName := range []string{"mch_id", "mchid"} {
		for _, originalType := range []string{"mch_payment", ""} {
			r := notificationRequest(t, publicKeyMode(t), time.Now(), EventTransferFinished, originalType, fmt.Sprintf(plaintext, merchantName))
			n, err := client.ParseNotification(r)
			if err != nil {
				t.Fatal(err)
			}
			transfer, ok := n.Transfer()
			if !ok || transfer.State != TransferStateSuccess || transfer.TransferAmount != 500 || transfer.MchID != testMchID || transfer.UpdateTime.IsZero() {
				t.Fatalf("%s, %q: got %+v", merchantName, originalType, transfer)
			}
			transfer.TransferAmount = 1
			if again, _ := n.Transfer(); again.TransferAmount != 500 {
				t.Error("a notification was changed from outside")
			}
			if _, isOrder := n.Order(); isOrder {
				t.Error("a transfer is an order")
			}
		}
	}
}

func TestNotificationOfAnOldBatchIsRaw(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(t))
	r := notificationRequest(t, publicKeyMode(t), time.Now(), "MCHTRANSFER.BATCH.FINISHED", "mch_payment", `{"mchid":"1900009191","out_batch_no":"1","batch_status":"FINISHED"}`)
	n, err := client.ParseNotification(r)
	if err != nil {
		t.Fatal(err)
	}
	if transfer, ok := n.Transfer(); ok {
		t.Errorf("got %+v", transfer)
	}
}

func FuzzTransferAnswer(f *testing.F) {
	for _, answer := range []string{transferCreated, transferQueried, transferCanceled} {
		f.Add([]byte(answer))
	}
	f.Add([]byte(`{"out_bill_no":"1","transfer_bill_no":"2","state":"X","mchid":"3","transfer_amount":1e3}`))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeTransfer) })
}
