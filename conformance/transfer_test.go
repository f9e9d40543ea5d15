package conformance_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

const transfersURL = consts.WechatPayAPIServer + "/v3/fund-app/mch-transfer/transfer-bills"

// transferBill is a transfer to send or to read. The SDK has no package for transfers of the user-confirm mode: its raw signed calls,
// its encryption by struct tags and its notification handler reach them.
type transferBill struct {
	AppID           *string      `json:"appid,omitempty"`
	OutBillNo       *string      `json:"out_bill_no,omitempty"`
	TransferSceneID *string      `json:"transfer_scene_id,omitempty"`
	OpenID          *string      `json:"openid,omitempty"`
	UserName        *string      `json:"user_name,omitempty" encryption:"EM_APIV3"`
	TransferAmount  *int64       `json:"transfer_amount,omitempty"`
	TransferRemark  *string      `json:"transfer_remark,omitempty"`
	NotifyURL       *string      `json:"notify_url,omitempty"`
	ReportInfos     []reportInfo `json:"transfer_scene_report_infos,omitempty"`

	MchID          *string `json:"mch_id,omitempty"`
	TransferBillNo *string `json:"transfer_bill_no,omitempty"`
	State          *string `json:"state,omitempty"`
	FailReason     *string `json:"fail_reason,omitempty"`
	PackageInfo    *string `json:"package_info,omitempty"`
	CreateTime     *string `json:"create_time,omitempty"`
	UpdateTime     *string `json:"update_time,omitempty"`
}

type reportInfo struct {
	InfoType    string `json:"info_type"`
	InfoContent string `json:"info_content"`
}

func (b *bundle) transferBill(outBillNo string, amount int64) transferBill {
	w := b.wechatpay()
	return transferBill{
		AppID: &w.AppID, OutBillNo: &outBillNo, TransferSceneID: new("1000"), OpenID: &w.OpenID, UserName: new("张三"),
		TransferAmount: &amount, TransferRemark: new("六月奖励"), NotifyURL: new(b.receiver.url()),
		ReportInfos: []reportInfo{{"活动名称", "注册会员有礼"}, {"奖励说明", "注册奖励"}},
	}
}

func (b *bundle) operation(amount int64) {
	b.t.Helper()
	b.control("POST", "/wechatpay/funds", object{"action": "top_up", "account": "operation", "amount": amount})
}

func (b *bundle) confirmTransfer(outBillNo string) {
	b.t.Helper()
	b.control("POST", "/wechatpay/transfers/"+outBillNo+"/confirm", nil)
}

// transfer encrypts the user's name, sends the transfer and reads the answer, all by the SDK.
func (sdk *official) transfer(t *testing.T, bill transferBill) (transferBill, error) {
	t.Helper()
	bill.UserName = new(*bill.UserName) // the SDK encrypts in place
	_, err := sdk.client.EncryptRequest(t.Context(), &bill)
	must(t, "encrypt", err)
	return readBill(t)(sdk.client.Post(t.Context(), transfersURL, bill))
}

// queryTransfer reads a transfer by the path below the transfers' and decrypts its name, all by the SDK.
func (sdk *official) queryTransfer(t *testing.T, path string) (transferBill, error) {
	t.Helper()
	bill, err := readBill(t)(sdk.client.Get(t.Context(), transfersURL+path))
	if err == nil {
		must(t, "decrypt", sdk.client.DecryptResponse(t.Context(), &bill))
	}
	return bill, err
}

func (sdk *official) cancelTransfer(t *testing.T, outBillNo string) (transferBill, error) {
	t.Helper()
	return readBill(t)(sdk.client.Request(t.Context(), http.MethodPost, transfersURL+"/out-bill-no/"+outBillNo+"/cancel", nil, nil, nil, ""))
}

func readBill(t *testing.T) func(*core.APIResult, error) (transferBill, error) {
	return func(result *core.APIResult, err error) (bill transferBill, _ error) {
		t.Helper()
		if err == nil {
			must(t, "decode", core.UnMarshalResponse(result.Response, &bill))
		}
		return bill, err
	}
}

// refusedWith wants an error answer of the provider with the status and code.
func refusedWith(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	refusal, ok := errors.AsType[*core.APIError](err)
	if !ok || refusal.StatusCode != status || refusal.Code != code {
		t.Errorf("%s: got %v, want %d %s", what, err, status, code)
	}
}

func TestOfficialTransfer(t *testing.T) {
	t.Parallel()
	eachKeyMode(t, func(t *testing.T, b *bundle, sdk *official) {
		t.Run("IsToppedUpConfirmedAndNotified", func(t *testing.T) {
			bill := b.transferBill("BILL1", 200_000)
			_, err := sdk.transfer(t, bill)
			refusedWith(t, "a short operating account", err, http.StatusForbidden, "NOT_ENOUGH")
			_, err = sdk.queryTransfer(t, "/out-bill-no/BILL1")
			refusedWith(t, "query of what was refused", err, http.StatusNotFound, "NOT_FOUND")
			b.operation(500_000)
			made, err := sdk.transfer(t, bill)
			must(t, "transfer", err)
			want(t, "state", *made.State, "WAIT_USER_CONFIRM")
			again, err := sdk.transfer(t, bill) // the name is encrypted anew
			must(t, "the same transfer again", err)
			want(t, "package_info of the repeat", *again.PackageInfo, *made.PackageInfo)
			_, err = sdk.transfer(t, b.transferBill("BILL1", 200_001))
			refusedWith(t, "other parameters", err, http.StatusBadRequest, "ALREADY_EXISTS")

			b.confirmTransfer("BILL1")
			b.advance(time.Minute)
			queried, err := sdk.queryTransfer(t, "/out-bill-no/BILL1")
			must(t, "query", err)
			want(t, "state", *queried.State, "SUCCESS")
			want(t, "name", *queried.UserName, "张三")
			byBill, err := sdk.queryTransfer(t, "/transfer-bill-no/"+*made.TransferBillNo)
			must(t, "query by transfer_bill_no", err)
			want(t, "update_time by the other number", *byBill.UpdateTime, *queried.UpdateTime)
			got := b.receiver.wait()
			want(t, "signed by", got.header.Get("Wechatpay-Serial"), sdk.serial)
			var notice transferBill
			envelope, err := sdk.handler.ParseNotifyRequest(t.Context(), got.request(), &notice)
			must(t, "parse the notification", err)
			want(t, "event", envelope.EventType, "MCHTRANSFER.BILL.FINISHED")
			want(t, "original type", envelope.Resource.OriginalType, "mch_payment")
			want(t, "summary", envelope.Summary, "商家转账单据终态通知")
			want(t, "notified state", *notice.State, *queried.State)
			want(t, "notified amount", *notice.TransferAmount, 200_000)
			want(t, "notified merchant", *notice.MchID, b.wechatpay().MchID)

			n, err := b.library().ParseNotification(got.request())
			must(t, "parse with ours", err)
			agree(t, n, envelope)
			transfer, ok := n.Transfer()
			if !ok {
				t.Fatal("we do not take it for a transfer")
			}
			sameFields(t, transfer, notice)
		})
		t.Run("IsCancelledUntilItIsConfirmed", func(t *testing.T) {
			_, err := sdk.transfer(t, b.transferBill("BILL2", 500))
			must(t, "transfer", err)
			cancelled, err := sdk.cancelTransfer(t, "BILL2")
			must(t, "cancel", err)
			want(t, "state", *cancelled.State, "CANCELING")
			b.advance(time.Minute)
			queried, err := sdk.queryTransfer(t, "/out-bill-no/BILL2")
			must(t, "query", err)
			want(t, "state", *queried.State, "CANCELLED")
			b.receiver.wait()
			_, err = sdk.cancelTransfer(t, "BILL1")
			refusedWith(t, "cancel of what the user has", err, http.StatusBadRequest, "INVALID_REQUEST")
		})
		t.Run("NameInTheClearIsRefused", func(t *testing.T) {
			_, err := readBill(t)(sdk.client.Post(t.Context(), transfersURL, b.transferBill("BILL3", 500)))
			refusedWith(t, "a name in the clear", err, http.StatusBadRequest, "PARAM_ERROR")
		})
		for _, effect := range []string{"bad_signature", "probe", "stale_timestamp", "unknown_serial"} {
			t.Run("RefusesTheAnswer/"+effect, func(t *testing.T) {
				number := "BILL4" + strings.ReplaceAll(effect, "_", "")
				b.fault("transfer", effect)
				if _, err := sdk.transfer(t, b.transferBill(number, 500)); err == nil {
					t.Error("the SDK accepts it")
				}
				made, err := sdk.transfer(t, b.transferBill(number, 500))
				must(t, "the same transfer again", err)
				want(t, "state", *made.State, "WAIT_USER_CONFIRM")
			})
		}
		for _, effect := range []string{"bad_signature", "corrupt", "other_key"} {
			t.Run("RefusesTheNotification/"+effect, func(t *testing.T) {
				number := "BILL5" + strings.ReplaceAll(effect, "_", "")
				_, err := sdk.transfer(t, b.transferBill(number, 500))
				must(t, "transfer", err)
				b.fault("notify/transfer", effect)
				b.confirmTransfer(number)
				b.advance(4 * time.Second)
				if _, err := sdk.handler.ParseNotifyRequest(t.Context(), b.receiver.wait().request(), new(notify.ContentMap)); err == nil {
					t.Error("the SDK accepts it")
				}
			})
		}
	})
}

// TestLibraryTransfersAtTheSandbox goes the whole way with ours; the SDK sees the same.
func TestLibraryTransfersAtTheSandbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ours, sdk := b.library(), b.withPublicKey()
	w := b.wechatpay()
	request := wechatpay.TransferRequest{
		AppID: w.AppID, OutBillNo: "BILL1", TransferSceneID: "1000", OpenID: w.OpenID, UserName: "张三", TransferAmount: 200_000,
		TransferRemark: "六月奖励", NotifyURL: b.receiver.url(), UserRecvPerception: "现金奖励",
		TransferSceneReportInfos: []wechatpay.TransferSceneReportInfo{
			{InfoType: "活动名称", InfoContent: "注册会员有礼"}, {InfoType: "奖励说明", InfoContent: "注册奖励"},
		},
		UserRecvStyle: &wechatpay.UserRecvStyle{Type: wechatpay.UserRecvStyleConfirmPage},
	}
	_, err := ours.CreateTransfer(t.Context(), request)
	want(t, "a short operating account", wechatpay.OutcomeOf(err).String()+" "+wechatpay.CodeOf(err), "retry NOT_ENOUGH")
	b.operation(500_000)
	b.fault("transfer", "lose_answer")
	made, err := ours.CreateTransfer(t.Context(), request) // the second try finds what the first did
	must(t, "transfer", err)
	want(t, "state", made.State, wechatpay.TransferStateWaitUserConfirm)
	other := request
	other.TransferAmount++
	_, err = ours.CreateTransfer(t.Context(), other)
	want(t, "other parameters", wechatpay.OutcomeOf(err).String()+" "+wechatpay.CodeOf(err), "unknown ALREADY_EXISTS")

	invocation, err := ours.InvokeTransfer(w.AppID, made.PackageInfo)
	must(t, "invoke", err)
	response, err := http.Get(b.sandbox.PhoneURL() + "/transfer?" + invocation.Query())
	must(t, "open the page", err)
	must(t, "close", response.Body.Close())
	want(t, "the page", response.StatusCode, http.StatusOK)
	b.confirmTransfer("BILL1")
	b.advance(time.Minute)

	queried, err := ours.QueryTransferByOutBillNo(t.Context(), "BILL1")
	must(t, "query", err)
	name, err := ours.DecryptSensitive(queried.UserName)
	must(t, "decrypt", err)
	want(t, "name", string(name), "张三")
	theirs, err := sdk.queryTransfer(t, "/transfer-bill-no/"+made.TransferBillNo)
	must(t, "query with the SDK", err)
	theirs.UserName = &queried.UserName // each answer encrypts it anew
	sameFields(t, queried, theirs)
	byBill, err := ours.QueryTransferByTransferBillNo(t.Context(), made.TransferBillNo)
	must(t, "query by transfer_bill_no", err)
	want(t, "state", byBill.State, wechatpay.TransferStateSuccess)
	n, err := ours.ParseNotification(b.receiver.wait().request())
	must(t, "parse", err)
	transfer, ok := n.Transfer()
	if !ok || transfer.State != wechatpay.TransferStateSuccess || transfer.TransferAmount != 200_000 || transfer.MchID != w.MchID {
		t.Errorf("notified %+v", transfer)
	}

	request.OutBillNo = "BILL2"
	_, err = ours.CreateTransfer(t.Context(), request)
	must(t, "a second transfer", err)
	cancelled, err := ours.CancelTransfer(t.Context(), "BILL2")
	must(t, "cancel", err)
	want(t, "state", cancelled.State, wechatpay.TransferStateCanceling)
	_, err = ours.CancelTransfer(t.Context(), "BILL1")
	want(t, "cancel of what the user has", wechatpay.OutcomeOf(err), wechatpay.OutcomeRefused)

	sub := w.SubMerchants[0]
	b.control("POST", "/wechatpay/funds", object{"action": "top_up", "account": "operation", "amount": 200_000, "mchid": sub.MchID})
	partner, err := ours.ForSubMerchant(wechatpay.SubMerchant{MchID: sub.MchID, AppID: sub.AppID})
	must(t, "act for the sub-merchant", err)
	made, err = partner.CreateTransfer(t.Context(), request) // the number is another one for another merchant
	must(t, "transfer of the sub-merchant", err)
	want(t, "state", made.State, wechatpay.TransferStateWaitUserConfirm)
	queried, err = partner.QueryTransferByOutBillNo(t.Context(), "BILL2")
	must(t, "query of the sub-merchant", err)
	want(t, "payer", queried.MchID, sub.MchID)
	_, err = partner.CancelTransfer(t.Context(), "BILL2")
	must(t, "cancel of the sub-merchant", err)
	books := b.control("GET", "/wechatpay/books", nil)
	want(t, "consistent", books["consistent"], true)
	want(t, "transferred", books["transferred"], 200_000)
}
