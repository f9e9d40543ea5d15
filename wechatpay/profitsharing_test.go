package wechatpay

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	sharedTransactionID = "4200002222202406011234567890"
	sharingAnswer       = `{"transaction_id":"4200002222202406011234567890","out_order_no":"VECS@1|2*3","order_id":"3008450740202406010000000001","state":"FINISHED",
"receivers":[{"type":"MERCHANT_ID","account":"1900009192","amount":30,"description":"分给商户","result":"SUCCESS","create_time":"2024-06-01T08:05:00+08:00","finish_time":"2024-06-01T08:05:01+08:00","detail_id":"36011111111111111111111"},
{"type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","amount":5,"description":"分给个人","result":"CLOSED","fail_reason":"NO_RELATION","create_time":"2024-06-01T08:05:00+08:00","finish_time":"2024-06-01T08:05:01+08:00","detail_id":"36011111111111111111112"}],"new_field":1}`
	sharingReturnAnswer = `{"order_id":"3008450740202406010000000001","out_order_no":"VECS@1|2*3","out_return_no":"VECB@1","return_id":"3008450740202406010000000002",
"return_mchid":"1900009192","amount":10,"description":"用户退款","result":"SUCCESS","create_time":"2024-06-01T08:06:00+08:00","finish_time":"2024-06-01T08:06:00+08:00"}`
)

var testSub = SubMerchant{MchID: "1900009192", AppID: "wxd678efh567hg6999"}

func sharingRequest() ProfitSharingRequest {
	return ProfitSharingRequest{
		AppID: testAppID, TransactionID: sharedTransactionID, OutOrderNo: "VECS@1|2*3",
		Receivers: []ProfitSharingPart{
			{Type: ReceiverTypeMerchantID, Account: "1900009192", Amount: 30, Description: "分给商户"},
			{Type: ReceiverTypePersonalOpenID, Account: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", Amount: 5, Description: "分给个人"},
		},
	}
}

func sharingReturnRequest() ProfitSharingReturnRequest {
	return ProfitSharingReturnRequest{
		OutOrderNo: "VECS@1|2*3", OutReturnNo: "VECB@1", ReturnMchID: "1900009192", Amount: 10, Description: "用户退款",
	}
}

func personalReceiver() ProfitSharingReceiver {
	return ProfitSharingReceiver{
		AppID: testAppID, Type: ReceiverTypePersonalOpenID, Account: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", RelationType: RelationTypeStaff,
	}
}

// asSub makes an answer one of partner mode.
func asSub(answer string) string { return `{"sub_mchid":"1900009192",` + answer[1:] }

func TestProfitSharingOnTheWire(t *testing.T) {
	t.Parallel()
	const (
		merchantReceiver = `{"type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","relation_type":"STAFF"}`
		order            = `"transaction_id":"4200002222202406011234567890","out_order_no":"VECS@1|2*3","receivers":[{"type":"MERCHANT_ID","account":"1900009192","amount":30,"description":"分给商户"},{"type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","amount":5,"description":"分给个人"}],"unfreeze_unsplit":false}`
	)
	merchant := func(c *Client) *Client { return c }
	partner := func(c *Client) *Client { return subMerchantOf(t, c, testSub) }
	cases := []struct {
		name, method, target, body, answer string
		as                                 func(*Client) *Client
		run                                func(*Client) error
	}{
		{
			"AddReceiver", "POST", "/v3/profitsharing/receivers/add",
			`{"appid":"wx8888888888888888","type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o","relation_type":"STAFF"}`, merchantReceiver,
			merchant, func(c *Client) error { return c.AddProfitSharingReceiver(t.Context(), personalReceiver()) },
		},
		{
			"AddReceiverForSubMerchant", "POST", "/v3/profitsharing/receivers/add",
			`{"sub_mchid":"1900009192","appid":"wx8888888888888888","sub_appid":"wxd678efh567hg6999","type":"PERSONAL_SUB_OPENID","account":"o1","relation_type":"CUSTOM","custom_relation":"代理商"}`,
			asSub(`{"type":"PERSONAL_SUB_OPENID","account":"o1","relation_type":"CUSTOM"}`),
			partner, func(c *Client) error {
				return c.AddProfitSharingReceiver(t.Context(), ProfitSharingReceiver{
					AppID: testAppID, Type: ReceiverTypePersonalSubOpenID, Account: "o1", RelationType: RelationTypeCustom, CustomRelation: "代理商",
				})
			},
		},
		{
			"DeleteReceiver", "POST", "/v3/profitsharing/receivers/delete",
			`{"appid":"wx8888888888888888","type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}`, merchantReceiver,
			merchant, func(c *Client) error { return c.DeleteProfitSharingReceiver(t.Context(), personalReceiver()) },
		},
		{
			"DeleteReceiverForSubMerchant", "POST", "/v3/profitsharing/receivers/delete",
			`{"sub_mchid":"1900009192","appid":"wx8888888888888888","sub_appid":"wxd678efh567hg6999","type":"PERSONAL_OPENID","account":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}`,
			asSub(merchantReceiver),
			partner, func(c *Client) error { return c.DeleteProfitSharingReceiver(t.Context(), personalReceiver()) },
		},
		{
			"Create", "POST", "/v3/profitsharing/orders", `{"appid":"wx8888888888888888",` + order, sharingAnswer,
			merchant, func(c *Client) error { _, err := c.CreateProfitSharing(t.Context(), sharingRequest()); return err },
		},
		{
			"CreateForSubMerchant", "POST", "/v3/profitsharing/orders",
			`{"sub_mchid":"1900009192","appid":"wx8888888888888888","sub_appid":"wxd678efh567hg6999",` + order, asSub(sharingAnswer),
			partner, func(c *Client) error { _, err := c.CreateProfitSharing(t.Context(), sharingRequest()); return err },
		},
		{
			"Query", "GET", "/v3/profitsharing/orders/VECS@1%7C2%2A3?transaction_id=4200002222202406011234567890", "", sharingAnswer,
			merchant, func(c *Client) error {
				_, err := c.QueryProfitSharing(t.Context(), sharedTransactionID, "VECS@1|2*3")
				return err
			},
		},
		{
			"QueryForSubMerchant", "GET", "/v3/profitsharing/orders/VECS@1%7C2%2A3?sub_mchid=1900009192&transaction_id=4200002222202406011234567890", "", asSub(sharingAnswer),
			partner, func(c *Client) error {
				_, err := c.QueryProfitSharing(t.Context(), sharedTransactionID, "VECS@1|2*3")
				return err
			},
		},
		{
			"Unfreeze", "POST", "/v3/profitsharing/orders/unfreeze",
			`{"transaction_id":"4200002222202406011234567890","out_order_no":"VECS@1|2*3","description":"解冻全部剩余资金"}`, sharingAnswer,
			merchant, func(c *Client) error {
				_, err := c.UnfreezeProfitSharing(t.Context(), ProfitSharingUnfreezeRequest{sharedTransactionID, "VECS@1|2*3", "解冻全部剩余资金"})
				return err
			},
		},
		{
			"UnfreezeForSubMerchant", "POST", "/v3/profitsharing/orders/unfreeze",
			`{"sub_mchid":"1900009192","transaction_id":"4200002222202406011234567890","out_order_no":"VECS@1|2*3","description":"解冻全部剩余资金"}`, asSub(sharingAnswer),
			partner, func(c *Client) error {
				_, err := c.UnfreezeProfitSharing(t.Context(), ProfitSharingUnfreezeRequest{sharedTransactionID, "VECS@1|2*3", "解冻全部剩余资金"})
				return err
			},
		},
		{
			"Return", "POST", "/v3/profitsharing/return-orders",
			`{"out_order_no":"VECS@1|2*3","out_return_no":"VECB@1","return_mchid":"1900009192","amount":10,"description":"用户退款"}`, sharingReturnAnswer,
			merchant, func(c *Client) error {
				_, err := c.CreateProfitSharingReturn(t.Context(), sharingReturnRequest())
				return err
			},
		},
		{
			"ReturnByOrderIDForSubMerchant", "POST", "/v3/profitsharing/return-orders",
			`{"sub_mchid":"1900009192","order_id":"3008450740202406010000000001","out_return_no":"VECB@1","return_mchid":"1900009192","amount":10,"description":"用户退款"}`,
			asSub(sharingReturnAnswer), partner,
			func(c *Client) error {
				request := sharingReturnRequest()
				request.OutOrderNo, request.OrderID = "", "3008450740202406010000000001"
				_, err := c.CreateProfitSharingReturn(t.Context(), request)
				return err
			},
		},
		{
			"QueryReturn", "GET", "/v3/profitsharing/return-orders/VECB@1?out_order_no=VECS%401%7C2%2A3", "", sharingReturnAnswer,
			merchant, func(c *Client) error {
				_, err := c.QueryProfitSharingReturn(t.Context(), "VECS@1|2*3", "VECB@1")
				return err
			},
		},
		{
			"QueryReturnForSubMerchant", "GET", "/v3/profitsharing/return-orders/VECB@1?out_order_no=VECS%401%7C2%2A3&sub_mchid=1900009192", "", asSub(sharingReturnAnswer),
			partner, func(c *Client) error {
				_, err := c.QueryProfitSharingReturn(t.Context(), "VECS@1|2*3", "VECB@1")
				return err
			},
		},
		{
			"UnsplitAmount", "GET", "/v3/profitsharing/transactions/4200002222202406011234567890/amounts", "",
			`{"transaction_id":"4200002222202406011234567890","unsplit_amount":65}`,
			merchant, func(c *Client) error {
				amount, err := c.QueryUnsplitAmount(t.Context(), sharedTransactionID)
				if amount != 65 {
					t.Errorf("got %d", amount)
				}
				return err
			},
		},
		{
			"MaxRatio", "GET", "/v3/profitsharing/merchant-configs/1900009192", "", `{"sub_mchid":"1900009192","max_ratio":2000}`,
			partner, func(c *Client) error {
				ratio, err := c.QueryProfitSharingMaxRatio(t.Context())
				if ratio != 2000 {
					t.Errorf("got %d", ratio)
				}
				return err
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, c.answer) })
			if err := c.run(c.as(clientOf(t, p))); err != nil {
				t.Fatal(err)
			}
			r := p.received()[0]
			if r.Method != c.method || r.RequestURI != c.target || string(r.body) != c.body {
				t.Errorf("got %s %s %s", r.Method, r.RequestURI, r.body)
			}
		})
	}
}

func TestProfitSharingAnswerIsTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, sharingAnswer) })
	order, err := clientOf(t, p).QueryProfitSharing(t.Context(), sharedTransactionID, "VECS@1|2*3")
	if err != nil {
		t.Fatal(err)
	}
	if order.State != ProfitSharingStateFinished || order.OrderID == "" || len(order.Receivers) != 2 {
		t.Fatalf("got %+v", order)
	}
	paid, closed := order.Receivers[0], order.Receivers[1]
	if paid.Result != ProfitSharingResultSuccess || paid.Amount != 30 || paid.DetailID == "" || paid.FailReason != "" ||
		!paid.FinishTime.Equal(time.Date(2024, 6, 1, 0, 5, 1, 0, time.UTC)) {
		t.Errorf("got %+v", paid)
	}
	if closed.Result != ProfitSharingResultClosed || closed.FailReason != "NO_RELATION" {
		t.Errorf("got %+v", closed)
	}
}

func TestProfitSharingReturnAnswerIsTyped(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		p.reply(w, 200, sharingReturnAnswer)
	})
	back, err := clientOf(t, p).QueryProfitSharingReturn(t.Context(), "VECS@1|2*3", "VECB@1")
	if err != nil || back.Result != ProfitSharingReturnSuccess || back.Amount != 10 || back.ReturnID == "" || back.CreateTime.IsZero() ||
		back.FinishTime.IsZero() || back.ReturnMchID != "1900009192" {
		t.Errorf("got %+v, %v", back, err)
	}
}

// Names of receivers travel encrypted for the key that the request names, all of one request for the same.
func TestNamesOfReceiversAreEncrypted(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, r receivedRequest, _ int) {
		if strings.HasSuffix(r.RequestURI, "/orders") {
			p.reply(w, 200, sharingAnswer)
			return
		}
		p.reply(w, 200, `{"type":"MERCHANT_ID","account":"1900009192","relation_type":"STORE"}`)
	})
	client := clientOf(t, p)
	if err := client.AddProfitSharingReceiver(t.Context(), ProfitSharingReceiver{
		AppID: testAppID, Type: ReceiverTypeMerchantID, Account: "1900009192", Name: "示例商户有限公司", RelationType: RelationTypeStore,
	}); err != nil {
		t.Fatal(err)
	}
	request := sharingRequest()
	request.Receivers[1].Name = "张三"
	if _, err := client.CreateProfitSharing(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	reader := &Client{core: &core{merchant: merchantKey{signer: privateKey(t, "wechatpay_pubkey_mode_private_key.pem"), suite: rsaSuite{}}}}
	opens := func(sealed, want string) {
		t.Helper()
		if name, err := reader.DecryptSensitive(sealed); err != nil || string(name) != want {
			t.Errorf("got %q, %v, want %s", string(name), err, want)
		}
	}
	var added struct{ Name string }
	var shared profitSharingBody
	for i, to := range []any{&added, &shared} {
		r := p.received()[i]
		if err := json.Unmarshal(r.body, to); err != nil || r.Header.Get("Wechatpay-Serial") != testPublicKeyID {
			t.Fatalf("request %d: serial %s, %v", i, r.Header.Get("Wechatpay-Serial"), err)
		}
	}
	opens(added.Name, "示例商户有限公司")
	opens(shared.Receivers[1].Name, "张三")
	if shared.Receivers[0].Name != "" {
		t.Errorf("a name that was not given travels: %s", shared.Receivers[0].Name)
	}
}

func TestProfitSharingAnswersThatCannotBeRightAreUnknown(t *testing.T) {
	t.Parallel()
	type run func(*Client) error
	create := run(func(c *Client) error { _, err := c.CreateProfitSharing(t.Context(), sharingRequest()); return err })
	giveBack := run(func(c *Client) error {
		_, err := c.CreateProfitSharingReturn(t.Context(), sharingReturnRequest())
		return err
	})
	unsplit := run(func(c *Client) error { _, err := c.QueryUnsplitAmount(t.Context(), sharedTransactionID); return err })
	ratio := run(func(c *Client) error {
		_, err := subMerchantOf(t, c, testSub).QueryProfitSharingMaxRatio(t.Context())
		return err
	})
	add := run(func(c *Client) error { return c.AddProfitSharingReceiver(t.Context(), personalReceiver()) })
	cases := []struct {
		name, answer string
		run          run
	}{
		{"OrderOfAnotherNumber", strings.Replace(sharingAnswer, "VECS@1|2*3", "OTHER", 1), create},
		{"OrderOfAnotherTransaction", strings.Replace(sharingAnswer, sharedTransactionID, "42", 1), create},
		{"OrderOfASubMerchant", asSub(sharingAnswer), create},
		{"OrderWithoutState", strings.Replace(sharingAnswer, "FINISHED", "", 1), create},
		{"ReceiverWithoutResult", strings.Replace(sharingAnswer, "CLOSED", "", 1), create},
		{"OrderThatIsNoObject", `[]`, create},
		{"ReturnOfAnotherNumber", strings.Replace(sharingReturnAnswer, "VECB@1", "OTHER", 1), giveBack},
		{"ReturnOfAnotherOrder", strings.Replace(sharingReturnAnswer, "VECS@1|2*3", "OTHER", 1), giveBack},
		{"ReturnByAnotherMerchant", strings.Replace(sharingReturnAnswer, "1900009192", "1900009193", 1), giveBack},
		{"ReturnWithoutResult", strings.Replace(sharingReturnAnswer, "SUCCESS", "", 1), giveBack},
		{"NoUnsplitAmount", `{"transaction_id":"4200002222202406011234567890"}`, unsplit},
		{"NegativeUnsplitAmount", `{"transaction_id":"4200002222202406011234567890","unsplit_amount":-1}`, unsplit},
		{"UnsplitAmountOfAnotherOrder", `{"transaction_id":"42","unsplit_amount":1}`, unsplit},
		{"RatioOverTheWhole", `{"sub_mchid":"1900009192","max_ratio":10001}`, ratio},
		{"NoRatio", `{"sub_mchid":"1900009192"}`, ratio},
		{"RatioOfAnotherMerchant", `{"sub_mchid":"1900009193","max_ratio":1}`, ratio},
		{"AnotherReceiver", `{"type":"PERSONAL_OPENID","account":"oOther"}`, add},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, c.answer) })
			if err := c.run(clientOf(t, p)); OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOutcomeOfProfitSharing(t *testing.T) {
	t.Parallel()
	create := func(c *Client) error { _, err := c.CreateProfitSharing(t.Context(), sharingRequest()); return err }
	giveBack := func(c *Client) error {
		_, err := c.CreateProfitSharingReturn(t.Context(), sharingReturnRequest())
		return err
	}
	add := func(c *Client) error { return c.AddProfitSharingReceiver(t.Context(), personalReceiver()) }
	notEnough := func(w http.ResponseWriter, _ int) { refuse(w, http.StatusForbidden, "NOT_ENOUGH") }
	lostThen := func(status int, code string) func(http.ResponseWriter, int) {
		return func(w http.ResponseWriter, n int) {
			if n == 1 {
				refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
				return
			}
			refuse(w, status, code)
		}
	}
	cases := []struct {
		name    string
		answer  func(w http.ResponseWriter, n int)
		run     func(*Client) error
		outcome Outcome
		tries   int
	}{
		{"MoreThanIsLeftIsRefused", notEnough, create, OutcomeRefused, 1},
		{"MoreThanIsLeftAfterALostTryIsUnknown", lostThen(http.StatusForbidden, "NOT_ENOUGH"), create, OutcomeUnknown, 2},
		{"ReceiverShortOfMoneyIsRetry", notEnough, giveBack, OutcomeRetry, 1},
		{"RatioExceededIsRefused", func(w http.ResponseWriter, _ int) { refuse(w, http.StatusForbidden, "RULE_LIMIT") }, create, OutcomeRefused, 1},
		{"TooFastIsRetry", func(w http.ResponseWriter, _ int) { refuse(w, http.StatusTooManyRequests, "RATELIMIT_EXCEED") }, create, OutcomeRetry, 3},
		{"RefusedReturnAfterALostTryIsUnknown", lostThen(http.StatusBadRequest, "INVALID_REQUEST"), giveBack, OutcomeUnknown, 2},
		{"RefusedReceiverAfterALostTryIsUnknown", lostThen(http.StatusBadRequest, "INVALID_REQUEST"), add, OutcomeUnknown, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, n int) { c.answer(w, n) })
			err := c.run(clientOf(t, p))
			if OutcomeOf(err) != c.outcome || len(p.received()) != c.tries {
				t.Errorf("got %s after %d tries: %v", OutcomeOf(err), len(p.received()), err)
			}
		})
	}
}

func TestRepeatedTriesOfASharingKeepTheNumber(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n < 3 {
			refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
			return
		}
		p.reply(w, 200, sharingAnswer)
	})
	request := sharingRequest()
	request.Receivers[1].Name = "张三"
	if _, err := clientOf(t, p).CreateProfitSharing(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	for i, r := range p.received() {
		if !bytes.Equal(r.body, p.received()[0].body) {
			t.Errorf("try %d has other bytes", i+1)
		}
	}
}

func TestProfitSharingRequestsTheProviderAlwaysRefusesAreNotSent(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) { t.Error("a request was sent") })
	client := clientOf(t, p)
	create := func(change func(*ProfitSharingRequest)) func() error {
		return func() error {
			r := sharingRequest()
			change(&r)
			_, err := client.CreateProfitSharing(t.Context(), r)
			return err
		}
	}
	giveBack := func(change func(*ProfitSharingReturnRequest)) func() error {
		return func() error {
			r := sharingReturnRequest()
			change(&r)
			_, err := client.CreateProfitSharingReturn(t.Context(), r)
			return err
		}
	}
	add := func(change func(*ProfitSharingReceiver)) func() error {
		return func() error {
			r := personalReceiver()
			change(&r)
			return client.AddProfitSharingReceiver(t.Context(), r)
		}
	}
	cases := []struct {
		name, field string
		run         func() error
	}{
		{"NoAppID", "appid", create(func(r *ProfitSharingRequest) { r.AppID = "" })},
		{"NoTransactionID", "transaction_id", create(func(r *ProfitSharingRequest) { r.TransactionID = "" })},
		{"LongNumber", "out_order_no", create(func(r *ProfitSharingRequest) { r.OutOrderNo = strings.Repeat("1", 65) })},
		{"NumberWithOtherCharacter", "out_order_no", create(func(r *ProfitSharingRequest) { r.OutOrderNo = "a/b" })},
		{"NoReceivers", "receivers", create(func(r *ProfitSharingRequest) { r.Receivers = nil })},
		{"FiftyOneReceivers", "receivers", create(func(r *ProfitSharingRequest) {
			for len(r.Receivers) < 51 {
				r.Receivers = append(r.Receivers, r.Receivers[0])
			}
		})},
		{"NoAmount", "receivers[1].amount", create(func(r *ProfitSharingRequest) { r.Receivers[1].Amount = 0 })},
		{"NoDescription", "receivers[0].description", create(func(r *ProfitSharingRequest) { r.Receivers[0].Description = "" })},
		{"LongDescription", "receivers[0].description", create(func(r *ProfitSharingRequest) { r.Receivers[0].Description = strings.Repeat("分", 81) })},
		{"NoAccount", "receivers[0].account", create(func(r *ProfitSharingRequest) { r.Receivers[0].Account = "" })},
		{"UnknownType", "receivers[0].type", create(func(r *ProfitSharingRequest) { r.Receivers[0].Type = "PERSONAL_WECHATID" })},
		{"SubOpenIDWithoutSubMerchant", "receivers[0].type", create(func(r *ProfitSharingRequest) { r.Receivers[0].Type = ReceiverTypePersonalSubOpenID })},
		{"LongName", "receivers[0].name", create(func(r *ProfitSharingRequest) { r.Receivers[0].Name = Sensitive(strings.Repeat("名", 72)) })},
		{"MerchantWithoutName", "name", add(func(r *ProfitSharingReceiver) { r.Type, r.Account = ReceiverTypeMerchantID, "1900009192" })},
		{"UnknownRelation", "relation_type", add(func(r *ProfitSharingReceiver) { r.RelationType = "FRIEND" })},
		{"ServiceProviderWithoutSubMerchant", "relation_type", add(func(r *ProfitSharingReceiver) { r.RelationType = RelationTypeServiceProvider })},
		{"CustomWithoutName", "custom_relation", add(func(r *ProfitSharingReceiver) { r.RelationType = RelationTypeCustom })},
		{"LongCustomRelation", "custom_relation", add(func(r *ProfitSharingReceiver) {
			r.RelationType, r.CustomRelation = RelationTypeCustom, strings.Repeat("伙", 11)
		})},
		{"CustomNameWithoutCustom", "custom_relation", add(func(r *ProfitSharingReceiver) { r.CustomRelation = "伙伴" })},
		{"DeleteWithoutAccount", "account", func() error {
			return client.DeleteProfitSharingReceiver(t.Context(), ProfitSharingReceiver{AppID: testAppID, Type: ReceiverTypePersonalOpenID})
		}},
		{"ReturnOfNoOrder", "out_order_no", giveBack(func(r *ProfitSharingReturnRequest) { r.OutOrderNo = "" })},
		{"ReturnOfTwoOrders", "out_order_no", giveBack(func(r *ProfitSharingReturnRequest) { r.OrderID = "3008" })},
		{"ReturnWithoutNumber", "out_return_no", giveBack(func(r *ProfitSharingReturnRequest) { r.OutReturnNo = "" })},
		{"ReturnByAPerson", "return_mchid", giveBack(func(r *ProfitSharingReturnRequest) { r.ReturnMchID = "oUpF8uMuAJO" })},
		{"ReturnOfNothing", "amount", giveBack(func(r *ProfitSharingReturnRequest) { r.Amount = 0 })},
		{"ReturnWithoutDescription", "description", giveBack(func(r *ProfitSharingReturnRequest) { r.Description = "" })},
		{"UnfreezeWithoutDescription", "description", func() error {
			_, err := client.UnfreezeProfitSharing(t.Context(), ProfitSharingUnfreezeRequest{TransactionID: "42", OutOrderNo: "1"})
			return err
		}},
		{"QueryWithoutNumber", "out_order_no", func() error { _, err := client.QueryProfitSharing(t.Context(), "42", ""); return err }},
		{"QueryReturnWithSlash", "out_return_no", func() error { _, err := client.QueryProfitSharingReturn(t.Context(), "1", "a/b"); return err }},
		{"UnsplitAmountOfNothing", "transaction_id", func() error { _, err := client.QueryUnsplitAmount(t.Context(), ""); return err }},
		{"RatioOfTheMerchantItself", "sub_mchid", func() error { _, err := client.QueryProfitSharingMaxRatio(t.Context()); return err }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.run()
			fields := fieldsOf(err)
			if len(fields) != 1 || fields[0] != c.field || OutcomeOf(err) != OutcomeRefused {
				t.Errorf("got %v (%s) from %v, want %s", fields, OutcomeOf(err), err, c.field)
			}
		})
	}
}

func TestProfitSharingLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ total, fee, maxRatio, want int64 }{
		{10000, 0, 3000, 3000},
		{10000, 60, 3000, 2940},
		{333, 0, 3000, 99}, // 99.9 fen
		{1, 0, 3000, 0},
		{100, 60, 3000, 0}, // the fee is more than the share
		{100, 1, 10000, 99},
		{1_000_000_000_000_000, 0, 3000, 300_000_000_000_000},
	} {
		if got := ProfitSharingLimit(c.total, c.fee, c.maxRatio); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func FuzzProfitSharingOrder(f *testing.F) {
	f.Add([]byte(sharingAnswer))
	f.Add([]byte(`{"transaction_id":"1","out_order_no":"1","order_id":"1","state":"PROCESSING","receivers":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeProfitSharingOrder) })
}

func FuzzProfitSharingReturn(f *testing.F) {
	f.Add([]byte(sharingReturnAnswer))
	f.Fuzz(func(t *testing.T, body []byte) { decodesTwiceAlike(t, body, decodeProfitSharingReturn) })
}
