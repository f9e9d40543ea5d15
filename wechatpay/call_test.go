package wechatpay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const codeURLAnswer = `{"code_url":"weixin://wxpay/bizpayurl?pr=NwY5Mz9"}`

func clientOf(t testing.TB, p *provider, change ...func(*Config)) *Client {
	t.Helper()
	config := testConfig(t)
	config.BaseURL = p.URL
	for _, f := range change {
		f(&config)
	}
	client := newClient(t, config)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// Each class of answer to a write, with the outcome and the number of tries it may cost.
func TestOutcomeOfAnswers(t *testing.T) {
	t.Parallel()
	other := signingKey{testPublicKeyID, privateKey(t, "wechatpay_platform_private_key.pem")}
	signedWith := func(change func(http.Header), status int, body string) func(*provider, http.ResponseWriter) {
		return func(p *provider, w http.ResponseWriter) {
			for name, value := range signatureHeaders(p.t, p.key, p.now(), []byte(body)) {
				w.Header().Set(name, value)
			}
			change(w.Header())
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	unsigned := func(status int, body string) func(*provider, http.ResponseWriter) {
		return func(_ *provider, w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	hangUp := func(p *provider, w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			p.t.Error(err)
			return
		}
		_ = conn.Close()
	}

	cases := []struct {
		name    string
		answer  func(*provider, http.ResponseWriter)
		outcome Outcome
		tries   int
		is      error
		code    string
	}{
		{"BadRequestIsRefused", unsigned(400, `{"code":"PARAM_ERROR","message":"参数错误"}`), OutcomeRefused, 1, nil, CodeParamError},
		{"UnsignedSignErrorIsRefused", unsigned(401, `{"code":"SIGN_ERROR","message":"x"}`), OutcomeRefused, 1, nil, CodeSignError},
		{"ForbiddenIsRefused", unsigned(403, `{"code":"NO_AUTH"}`), OutcomeRefused, 1, nil, CodeNoAuth},
		{"NotFoundIsRefused", unsigned(404, `{"code":"ORDERNOTEXIST"}`), OutcomeRefused, 1, nil, CodeOrderNotExist},
		{"BalanceShortIsRetry", unsigned(403, `{"code":"NOT_ENOUGH"}`), OutcomeRetry, 1, nil, CodeNotEnough},
		{"TooManyRequestsIsRetry", unsigned(429, `{"code":"FREQUENCY_LIMIT"}`), OutcomeRetry, 3, nil, CodeFrequencyLimited},
		{"TooManyRequestsWithoutCodeIsRetry", unsigned(429, `busy`), OutcomeRetry, 3, nil, ""},
		{"ThrottledByCodeIsRetryLater", unsigned(403, `{"code":"RATELIMIT_EXCEED"}`), OutcomeRetry, 1, nil, CodeRateLimitExceeded},
		{"SystemErrorIsUnknown", unsigned(500, `{"code":"SYSTEM_ERROR"}`), OutcomeUnknown, 3, nil, CodeSystemError},
		{"BadGatewayPageIsUnknown", unsigned(502, `<html>`), OutcomeUnknown, 3, nil, ""},
		{"PageWithClientErrorStatusIsUnknown", unsigned(403, `<html>`), OutcomeUnknown, 1, nil, ""},
		{"RedirectIsUnknownAndNotFollowed", unsigned(302, ``), OutcomeUnknown, 1, nil, ""},
		{"UserPayingIsRetry", signedWith(func(http.Header) {}, 202, `{"code":"USERPAYING"}`), OutcomeRetry, 1, nil, CodeUserPaying},
		{"AcceptedIsUnknown", signedWith(func(http.Header) {}, 202, `{"code":"ACCEPTED"}`), OutcomeUnknown, 1, nil, "ACCEPTED"},
		{"UnsignedSuccessIsUnknown", unsigned(200, codeURLAnswer), OutcomeUnknown, 3, ErrSignature, ""},
		{"SuccessPageIsUnknown", unsigned(200, `<html>`), OutcomeUnknown, 3, ErrSignature, ""},
		{"SignedPageIsUnknown", signedWith(func(http.Header) {}, 200, `<html>`), OutcomeUnknown, 3, ErrMalformed, ""},
		{"SignedNothingIsUnknown", signedWith(func(http.Header) {}, 200, ``), OutcomeUnknown, 3, ErrMalformed, ""},
		{"SuccessWithoutBodyWhereOneIsDueIsUnknown", func(p *provider, w http.ResponseWriter) { p.reply(w, 204, "") }, OutcomeUnknown, 3, ErrMalformed, ""},
		{"SuccessWithoutCredentialIsUnknown", signedWith(func(http.Header) {}, 200, `{"prepay_id":"wx1"}`), OutcomeUnknown, 3, ErrMalformed, ""},
		{"NullAnswerIsUnknown", signedWith(func(http.Header) {}, 200, `null`), OutcomeUnknown, 3, ErrMalformed, ""},
		{"ProbeIsUnknown", signedWith(func(h http.Header) {
			h.Set(headerSignature, "WECHATPAY/SIGNTEST/"+h.Get(headerSignature)[19:])
		}, 200, codeURLAnswer), OutcomeUnknown, 3, ErrSignature, ""},
		{"UndecodableProbeIsUnknown", signedWith(func(h http.Header) {
			h.Set(headerSignature, "WECHATPAY/SIGNTEST/not base64!")
		}, 200, codeURLAnswer), OutcomeUnknown, 3, ErrSignature, ""},
		{"StaleAnswerIsUnknown", func(p *provider, w http.ResponseWriter) {
			for name, value := range signatureHeaders(p.t, p.key, p.now().Add(-301*time.Second), []byte(codeURLAnswer)) {
				w.Header().Set(name, value)
			}
			_, _ = io.WriteString(w, codeURLAnswer)
		}, OutcomeUnknown, 3, ErrTimestamp, ""},
		{"UnknownSerialIsUnknown", signedWith(func(h http.Header) { h.Set(headerSerial, "ABCDEF") }, 200, codeURLAnswer), OutcomeUnknown, 3, ErrUnknownSerial, ""},
		{"WrongKeyIsUnknown", func(p *provider, w http.ResponseWriter) {
			for name, value := range signatureHeaders(p.t, other, p.now(), []byte(codeURLAnswer)) {
				w.Header().Set(name, value)
			}
			_, _ = io.WriteString(w, codeURLAnswer)
		}, OutcomeUnknown, 3, ErrSignature, ""},
		{"RefusalWithWrongSignatureIsUnknown", signedWith(func(h http.Header) { h.Set(headerNonce, "other") }, 400, `{"code":"PARAM_ERROR"}`), OutcomeUnknown, 1, ErrSignature, ""},
		{"RefusalWithRightSignatureIsRefused", signedWith(func(http.Header) {}, 400, `{"code":"PARAM_ERROR"}`), OutcomeRefused, 1, nil, CodeParamError},
		{"HugeAnswerIsUnknown", unsigned(200, strings.Repeat("x", answerBytesMax+1)), OutcomeUnknown, 3, ErrBodyTooLarge, ""},
		{"CutAnswerIsUnknown", func(_ *provider, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, codeURLAnswer)
		}, OutcomeUnknown, 3, io.ErrUnexpectedEOF, ""},
		{"LostAnswerIsUnknown", hangUp, OutcomeUnknown, 3, io.EOF, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { c.answer(p, w) })
			_, err := clientOf(t, p).PrepayNative(t.Context(), nativeRequest())
			if err == nil {
				t.Fatal("got no error")
			}
			if got := OutcomeOf(err); got != c.outcome {
				t.Errorf("got outcome %s, want %s: %v", got, c.outcome, err)
			}
			if got := len(p.received()); got != c.tries {
				t.Errorf("got %d tries, want %d: %v", got, c.tries, err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if got := CodeOf(err); got != c.code {
				t.Errorf("got code %q, want %q", got, c.code)
			}
		})
	}
}

func TestRepeatHasSameBytesAndFreshSignature(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n < 3 {
			refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
			return
		}
		p.reply(w, http.StatusOK, codeURLAnswer)
	})
	answer, err := clientOf(t, p).PrepayNative(t.Context(), nativeRequest())
	if err != nil || answer.CodeURL == "" {
		t.Fatalf("got %+v, %v", answer, err)
	}
	nonces := map[string]bool{}
	for _, r := range p.received() {
		nonces[r.authorization["nonce_str"]] = true
		if !bytes.Equal(r.body, p.received()[0].body) {
			t.Errorf("body changed to %s", r.body)
		}
		if r.Header.Get("Wechatpay-Serial") != testPublicKeyID {
			t.Errorf("got serial %q", r.Header.Get("Wechatpay-Serial"))
		}
	}
	if len(nonces) != 3 {
		t.Errorf("got %d nonces", len(nonces))
	}
}

func TestRefusalAfterLostWriteIsUnknown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
			return
		}
		refuse(w, http.StatusForbidden, "NO_AUTH")
	})
	client := clientOf(t, p)
	_, err := client.CreateRefund(t.Context(), refundRequest())
	if OutcomeOf(err) != OutcomeUnknown || CodeOf(err) != CodeNoAuth {
		t.Errorf("write: got %s, %v", OutcomeOf(err), err)
	}
}

func TestRefusalAfterLostQueryIsRefused(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, n int) {
		if n == 1 {
			refuse(w, http.StatusInternalServerError, "SYSTEM_ERROR")
			return
		}
		refuse(w, http.StatusNotFound, "ORDER_NOT_EXIST")
	})
	_, err := clientOf(t, p).QueryOrderByOutTradeNo(t.Context(), "VEC20240601000001")
	if OutcomeOf(err) != OutcomeRefused {
		t.Errorf("got %s, %v", OutcomeOf(err), err)
	}
}

func TestHostThatRefusesConnectionsIsRetry(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	config := testConfig(t)
	config.BaseURL = closed.URL
	_, err := newClient(t, config).PrepayNative(t.Context(), nativeRequest())
	if OutcomeOf(err) != OutcomeRetry {
		t.Errorf("got %s, %v", OutcomeOf(err), err)
	}
}

func TestBackupHostTakesOver(t *testing.T) {
	t.Parallel()
	answer := func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, codeURLAnswer) }
	bad := map[string]func(p *provider, w http.ResponseWriter, r receivedRequest, n int){
		"OnServerError": func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
			refuse(w, http.StatusServiceUnavailable, "")
		},
		"OnHang": func(_ *provider, _ http.ResponseWriter, r receivedRequest, _ int) { <-r.Context().Done() },
	}
	for name, primaryAnswer := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary, backup := newProvider(t, primaryAnswer), newProvider(t, answer)
			client := clientOf(t, primary, func(c *Config) { c.BackupURL, c.WriteTimeout = backup.URL, 3*time.Second })
			if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
				t.Fatal(err)
			}
			if len(primary.received()) != 1 || len(backup.received()) != 1 {
				t.Errorf("primary got %d, backup %d", len(primary.received()), len(backup.received()))
			}
		})
	}
}

func TestBadPrimaryIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
	primary := newProvider(t, func(_ *provider, w http.ResponseWriter, _ receivedRequest, _ int) {
		refuse(w, http.StatusServiceUnavailable, "")
	})
	backup := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, codeURLAnswer) })
	backup.now = now
	client := clientOf(t, primary, func(c *Config) { c.BackupURL, c.Now = backup.URL, now })
	prepay := func() {
		t.Helper()
		if _, err := client.PrepayNative(t.Context(), nativeRequest()); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		prepay()
	}
	if got := len(primary.received()); got != primaryFailuresMax {
		t.Errorf("primary was asked %d times, want %d", got, primaryFailuresMax)
	}
	clock.Store(int64(primaryRest))
	prepay()
	if got := len(primary.received()); got != primaryFailuresMax+1 {
		t.Errorf("after the rest primary was asked %d times, want %d", got, primaryFailuresMax+1)
	}
	clock.Store(int64(-time.Hour)) // the clock is set back: no rest longer than a minute
	if client.hosts.first(now()) != client.hosts.primary {
		t.Error("the primary rests for an hour")
	}
}

func TestBackoffStaysInsideTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		config := testConfig(t)
		config.Backoff = nil
		config.Now = vectorClock
		config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			return jsonAnswer(http.StatusTooManyRequests, `{"code":"FREQUENCY_LIMITED"}`), nil
		})
		client := newClient(t, config)

		began := time.Now()
		_, err := client.PrepayNative(t.Context(), nativeRequest())
		if took := time.Since(began); OutcomeOf(err) != OutcomeRetry || tries != 3 || took < 2*time.Second || took > 5*time.Second {
			t.Errorf("got %d tries in %s, %v", tries, took, err)
		}

		tries, began = 0, time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		_, err = client.PrepayNative(ctx, nativeRequest())
		if OutcomeOf(err) != OutcomeRetry || tries != 1 || time.Since(began) != 0 {
			t.Errorf("short deadline: got %d tries in %s, %v", tries, time.Since(began), err)
		}
	})
}

func TestRepeatsStayInsideTheCallersBudget(t *testing.T) {
	t.Parallel()
	type budgetKey struct{}
	tries := 0
	config := testConfig(t)
	config.AllowRepeat = func(ctx context.Context) bool {
		left, ok := ctx.Value(budgetKey{}).(*int)
		if !ok {
			t.Error("it is not the call's context")
			return false
		}
		*left--
		return *left >= 0
	}
	config.Now = vectorClock
	config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		tries++
		return jsonAnswer(http.StatusInternalServerError, `{"code":"SYSTEM_ERROR"}`), nil
	})
	client := newClient(t, config)
	left := 3
	ctx := context.WithValue(t.Context(), budgetKey{}, &left)
	for call, want := range []int{3, 2, 1} {
		tries = 0
		if _, err := client.PrepayNative(ctx, nativeRequest()); OutcomeOf(err) != OutcomeUnknown || tries != want {
			t.Errorf("call %d: got %d tries, want %d; %v", call+1, tries, want, err)
		}
	}
}

func TestEveryTryGetsAShareOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var shares []time.Duration
		config := testConfig(t)
		config.WriteTimeout = 30 * time.Second
		config.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			began := time.Now()
			<-r.Context().Done()
			shares = append(shares, time.Since(began))
			return nil, r.Context().Err()
		})
		_, err := newClient(t, config).PrepayNative(t.Context(), nativeRequest())
		if OutcomeOf(err) != OutcomeUnknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if fmt.Sprint(shares) != "[10s 10s 10s]" {
			t.Errorf("got %v", shares)
		}
	})
}

func TestCancelledCallIsNotRepeated(t *testing.T) {
	t.Parallel()
	t.Run("BeforeSending", func(t *testing.T) {
		t.Parallel()
		p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) {})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := clientOf(t, p).PrepayNative(ctx, nativeRequest())
		if OutcomeOf(err) != OutcomeRetry || !errors.Is(err, context.Canceled) || len(p.received()) != 0 {
			t.Errorf("got %s, %v", OutcomeOf(err), err)
		}
	})
	t.Run("AfterSending", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		p := newProvider(t, func(_ *provider, _ http.ResponseWriter, r receivedRequest, _ int) {
			cancel()
			<-r.Context().Done()
		})
		_, err := clientOf(t, p).PrepayNative(ctx, nativeRequest())
		if OutcomeOf(err) != OutcomeUnknown || len(p.received()) != 1 {
			t.Errorf("got %s after %d tries, %v", OutcomeOf(err), len(p.received()), err)
		}
	})
}

func TestSignerThatFailsSendsNothing(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(*provider, http.ResponseWriter, receivedRequest, int) {})
	client := clientOf(t, p)
	client.merchant.signer = brokenSigner{client.merchant.signer}
	_, err := client.PrepayNative(t.Context(), nativeRequest())
	if OutcomeOf(err) != OutcomeRetry || len(p.received()) != 0 {
		t.Errorf("got %s, %v", OutcomeOf(err), err)
	}
}

func TestNetworkFailureBeforeSendingIsRetry(t *testing.T) {
	t.Parallel()
	cases := map[error]Outcome{
		&net.OpError{Op: "dial", Err: errors.New("refused")}: OutcomeRetry,
		&net.DNSError{Err: "no such host"}:                   OutcomeRetry,
		&net.OpError{Op: "read", Err: errors.New("reset")}:   OutcomeUnknown,
		context.DeadlineExceeded:                             OutcomeUnknown,
		errors.New("anything else"):                          OutcomeUnknown,
	}
	for err, want := range cases {
		if got := networkFailure(err); got.outcome != want || !got.repeat || !got.hostFault {
			t.Errorf("%v: got %+v", err, got)
		}
	}
}

// A body that is too large is not read to its end; its connection must not be kept.
func TestAnswerBodiesAreClosed(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"Small": 10, "TooLarge": answerBytesMax + 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opened, closed int
			config := testConfig(t)
			config.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
				opened++
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: struct {
					io.Reader
					io.Closer
				}{strings.NewReader(strings.Repeat("x", size)), closerFunc(func() { closed++ })}}, nil
			})
			if _, err := newClient(t, config).PrepayNative(t.Context(), nativeRequest()); err == nil || opened != 3 || closed != opened {
				t.Errorf("opened %d, closed %d, %v", opened, closed, err)
			}
		})
	}
}

type closerFunc func()

func (f closerFunc) Close() error {
	f()
	return nil
}

// A key that became current after the fields were encrypted must not be named for them.
func TestKeyThatEncryptedIsNamed(t *testing.T) {
	t.Parallel()
	p := newProvider(t, func(p *provider, w http.ResponseWriter, _ receivedRequest, _ int) { p.reply(w, 200, "{}") })
	if err := clientOf(t, p).do(t.Context(), call{name: "x", method: "GET", target: "/", timeout: time.Minute, keySerial: testPlatform}); err != nil {
		t.Fatal(err)
	}
	if got := p.received()[0].Header.Get("Wechatpay-Serial"); got != testPlatform {
		t.Errorf("got %s", got)
	}
}
