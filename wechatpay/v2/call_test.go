package wechatpayv2

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/wechatpay"
)

func query(t *testing.T, answer func(r request, n int) (Fields, error)) (*Order, *provider, error) {
	t.Helper()
	p := newProvider(t, answer)
	order, err := newClient(t, testConfig(p)).QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"})
	return order, p, err
}

func TestRequestsAreSignedAsConfigured(t *testing.T) {
	t.Parallel()
	for _, signType := range []SignType{SignTypeMD5, SignTypeHMACSHA256, ""} {
		p := newProvider(t, func(r request, _ int) (Fields, error) { return orderIn(r, "SUCCESS"), nil })
		config := testConfig(p)
		config.SignType = signType
		if _, err := newClient(t, config).QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"}); err != nil {
			t.Error(err)
		}
		want := orDefault(signType, SignTypeHMACSHA256)
		r := p.received()[0] // the provider has checked the signature
		if r.fields["sign_type"] != string(want) || r.fields["appid"] != testAppID || r.fields["mch_id"] != testMchID || len(r.fields["nonce_str"]) != 32 {
			t.Errorf("got %v", r.fields)
		}
		if _, sent := r.fields["sub_mch_id"]; sent {
			t.Error("a sub-merchant in merchant mode")
		}
	}
}

func TestSubMerchantIsNamedAndSigned(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(r request, _ int) (Fields, error) {
		return done(r, Fields{"sub_mch_id": "1900009192", "out_trade_no": r.fields["out_trade_no"], "trade_state": "NOTPAY"}), nil
	})
	client := newClient(t, testConfig(p)).ForSubMerchant(wechatpay.SubMerchant{MchID: "1900009192", AppID: "wx9999999999999999"})
	if _, err := client.QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"}); err != nil {
		t.Fatal(err)
	}
	r := p.received()[0]
	if r.fields["sub_mch_id"] != "1900009192" || r.fields["sub_appid"] != "wx9999999999999999" || r.fields["mch_id"] != testMchID {
		t.Errorf("got %v", r.fields)
	}
	other := newClient(t, testConfig(p)).ForSubMerchant(wechatpay.SubMerchant{MchID: "1900009193"})
	if _, err := other.QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"}); !errors.Is(err, wechatpay.ErrMalformed) {
		t.Errorf("another sub-merchant's order: got %v", err)
	}
	broken := newClient(t, testConfig(p)).ForSubMerchant(wechatpay.SubMerchant{AppID: "wx9999999999999999"})
	if _, err := broken.QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"}); OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("no sub-merchant: got %v", err)
	}
}

// Only what is signed over every field counts; all else is an unknown outcome.
func TestAnswersThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(fields Fields){
		"no sign":               func(f Fields) { delete(f, "sign") },
		"empty sign":            func(f Fields) { f["sign"] = "" },
		"wrong sign":            func(f Fields) { f["sign"] = strings.Repeat("0", len(f["sign"])) },
		"lower-case sign":       func(f Fields) { f["sign"] = strings.ToLower(f["sign"]) },
		"another state":         func(f Fields) { f["trade_state"] = "NOTPAY" },
		"a changed amount":      func(f Fields) { f["total_fee"] = "1" },
		"a changed new field":   func(f Fields) { f["a_future_field"] = "2" },
		"an added field":        func(f Fields) { f["coupon_fee_0"] = "1" },
		"another merchant":      func(f Fields) { f["mch_id"] = "1900009192"; maps.Copy(f, signed(f)) },
		"another order":         func(f Fields) { f["out_trade_no"] = "VECM2"; maps.Copy(f, signed(f)) },
		"no state":              func(f Fields) { delete(f, "trade_state"); maps.Copy(f, signed(f)) },
		"an amount of words":    func(f Fields) { f["total_fee"] = "1.00"; maps.Copy(f, signed(f)) },
		"a negative amount":     func(f Fields) { f["total_fee"] = "-1"; maps.Copy(f, signed(f)) },
		"no return code":        func(f Fields) { delete(f, "return_code") },
		"a million coupons":     func(f Fields) { f["coupon_count"] = "1000000"; maps.Copy(f, signed(f)) },
		"a document with types": func(f Fields) { f["body"] = "<!DOCTYPE a><xml></xml>" },
		"a page":                func(f Fields) { f["body"] = "<html></html>" },
		"a bad gateway":         func(f Fields) { f["status"] = "502" },
	} {
		order, p, err := query(t, func(r request, _ int) (Fields, error) {
			fields := orderIn(r, "SUCCESS")
			spoil(fields)
			return fields, nil
		})
		if order != nil || OutcomeOf(err) != wechatpay.OutcomeUnknown {
			t.Errorf("%s: got %v, %v", name, order, err)
		}
		if n := len(p.received()); n != triesMax && name != "no return code" {
			t.Errorf("%s: %d tries", name, n)
		}
	}
}

func TestAnswersAreBelievedUnderEitherAlgorithm(t *testing.T) {
	t.Parallel()
	for _, signType := range []string{"MD5", "HMAC-SHA256", ""} {
		order, _, err := query(t, func(r request, _ int) (Fields, error) {
			return paid(r, Fields{"trade_state": "SUCCESS", "sign_type": signType}), nil
		})
		if err != nil || order.TotalFee != 88 {
			t.Errorf("%q: got %v, %v", signType, order, err)
		}
	}
}

func TestRefusalsAreClassed(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]wechatpay.Outcome{
		"ORDERNOTEXIST": wechatpay.OutcomeRefused, "PARAM_ERROR": wechatpay.OutcomeRefused, "A_FUTURE_CODE": wechatpay.OutcomeRefused,
		"SYSTEMERROR": wechatpay.OutcomeUnknown, "SYSTEM_ERROR": wechatpay.OutcomeUnknown, "BANKERROR": wechatpay.OutcomeUnknown,
		"USERPAYING": wechatpay.OutcomeUnknown, "": wechatpay.OutcomeUnknown,
		"FREQUENCY_LIMITED": wechatpay.OutcomeRetry, "FREQUENCY_LIMIT": wechatpay.OutcomeRetry, "BIZERR_NEED_RETRY": wechatpay.OutcomeRetry,
	} {
		_, _, err := query(t, func(r request, _ int) (Fields, error) {
			if code == "" {
				return done(r, Fields{"result_code": "FAIL"}), nil
			}
			return refused(r, code), nil
		})
		if got := OutcomeOf(err); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
}

func TestRefusalThatIsNotSignedSaysOnlyThatItWasNotTaken(t *testing.T) {
	t.Parallel()
	_, p, err := query(t, func(request, int) (Fields, error) {
		return Fields{"return_code": "FAIL", "return_msg": "签名错误"}, nil
	})
	provider, ok := errors.AsType[*Error](err)
	if !ok || provider.ReturnCode != "FAIL" || provider.ReturnMsg != "签名错误" || provider.Code != "" || OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("got %v", err)
	}
	if len(p.received()) != 1 {
		t.Error("a refusal was repeated")
	}
}

// A refusal after a try whose answer was lost does not say what that try did.
func TestRefusalAfterALostRefundIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(r request, n int) (Fields, error) {
		if n == 1 {
			return nil, errLost
		}
		return refused(r, "PARAM_ERROR"), nil
	})
	_, err := newClient(t, testConfig(p)).CreateRefund(t.Context(), refundRequest())
	if OutcomeOf(err) != wechatpay.OutcomeUnknown || CodeOf(err) != CodeParamError {
		t.Errorf("got %v", err)
	}
	requests := p.received()
	if len(requests) != 2 || requests[1].host != "two.test" {
		t.Errorf("got %d requests", len(requests))
	}
	if requests[0].fields["out_refund_no"] != requests[1].fields["out_refund_no"] || requests[0].fields["nonce_str"] == requests[1].fields["nonce_str"] {
		t.Error("want the same number under a fresh nonce")
	}
}

func TestPrimaryIsLeftAloneForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		p := newProvider(t, func(r request, _ int) (Fields, error) {
			if down && r.host == "one.test" {
				return nil, errDial()
			}
			return orderIn(r, "NOTPAY"), nil
		})
		client := newClient(t, testConfig(p))
		ask := func() string {
			if _, err := client.QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"}); err != nil {
				t.Fatal(err)
			}
			requests := p.received()
			return requests[len(requests)-1].host
		}
		if ask() != "two.test" {
			t.Error("not taken to the backup")
		}
		down = false
		if ask() != "two.test" || len(p.received()) != 3 {
			t.Error("the primary was asked at once")
		}
		<-time.After(time.Minute)
		if ask() != "one.test" {
			t.Error("the primary was not asked again")
		}
	})
}

func TestCallsEndWithTheirTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, func(request, int) (Fields, error) {
			<-time.After(4 * time.Second)
			return nil, errLost
		})
		start := time.Now()
		_, err := newClient(t, testConfig(p)).QueryOrder(t.Context(), OrderQuery{OutTradeNo: "VECM20240601000001"})
		if err == nil || time.Since(start) > 12*time.Second {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
	})
}

func TestErrorsNeverHoldTheKey(t *testing.T) {
	t.Parallel()
	_, _, err := query(t, func(r request, _ int) (Fields, error) {
		fields := orderIn(r, "SUCCESS")
		fields["sign"] = "0"
		return fields, nil
	})
	config := testConfig(nil)
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %s", config, config, config, config)} {
		if strings.Contains(text, testAPIv2Key) {
			t.Errorf("the key leaves: %s", text)
		}
	}
}

func TestConfigurationMistakesComeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(Config{MchID: "x", APIv2Key: "short", SignType: "SHA1", BaseURL: "http://example.com", PollEvery: -1, UserAgent: "a\nb"})
	for _, field := range []string{"MchID", "AppID", "APIv2Key", "SignType", "BaseURL", "PollEvery", "UserAgent"} {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	if OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("got %s", OutcomeOf(err))
	}
}

func TestDoReachesOtherEndpoints(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(r request, _ int) (Fields, error) {
		if r.fields["appid"] != "" || r.fields["mch_appid"] != testAppID {
			t.Errorf("got %v", r.fields)
		}
		answer := done(r, Fields{"payment_no": "1"})
		delete(answer, "sign")
		return answer, nil
	})
	client := newClient(t, testConfig(p))
	request := Request{
		Path: "/mmpaymkttransfers/promotion/transfers", UnsignedAnswer: true,
		Fields: Fields{"appid": "", "mch_appid": testAppID},
	}
	fields, err := client.Do(t.Context(), request)
	if err != nil || fields["payment_no"] != "1" {
		t.Errorf("got %v, %v", fields, err)
	}
	request.UnsignedAnswer = false
	if _, err := client.Do(t.Context(), request); !errors.Is(err, wechatpay.ErrSignature) {
		t.Errorf("unsigned: got %v", err)
	}
	if n := len(p.received()); n != 2 {
		t.Errorf("%d requests: one was repeated", n)
	}
	if _, err := client.Do(t.Context(), Request{Path: "/a", Fields: Fields{"a><b": "1"}}); OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("a name that is none: got %v", err)
	}
}

func TestBillIsHandedOnAsItArrives(t *testing.T) {
	t.Parallel()
	const text = "交易时间,公众账号ID\n`2024-06-01 08:00:30,`wx8888888888888888\n"
	client := newClient(t, testConfig(newProvider(t, func(r request, _ int) (Fields, error) {
		if r.fields["bill_date"] != "20240601" || r.fields["bill_type"] != "ALL" {
			t.Errorf("got %v", r.fields)
		}
		if r.fields["tar_type"] == "GZIP" {
			return Fields{"body": gzipped(t, text)}, nil
		}
		return Fields{"body": text}, nil
	})))
	for _, tarType := range []string{"", wechatpay.TarTypeGZIP} {
		bill, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{BillDate: "2024-06-01", TarType: tarType})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(bill)
		if err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
		if err := bill.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBillThatIsRefusedIsAnError(t *testing.T) {
	t.Parallel()
	client := newClient(t, testConfig(newProvider(t, func(request, int) (Fields, error) {
		return Fields{"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}, nil
	})))
	_, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{BillDate: "2024-06-01"})
	if CodeOf(err) != "20002" || OutcomeOf(err) != wechatpay.OutcomeRefused {
		t.Errorf("got %v", err)
	}
}

func TestTruncatedGZIPBillIsNoBill(t *testing.T) {
	t.Parallel()
	whole := gzipped(t, strings.Repeat("交易时间\n", 1000))
	client := newClient(t, testConfig(newProvider(t, func(request, int) (Fields, error) {
		return Fields{"body": whole[:len(whole)-9]}, nil
	})))
	bill, err := client.DownloadBill(t.Context(), wechatpay.TradeBillRequest{BillDate: "2024-06-01", TarType: wechatpay.TarTypeGZIP})
	if err != nil {
		t.Fatal(err)
	}
	defer bill.Close()
	if _, err := io.ReadAll(bill); err == nil {
		t.Error("a bill without its end was read")
	}
}
