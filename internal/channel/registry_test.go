package channel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/channel"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// registryBundle is a registry whose clock and accounts the test moves.
type registryBundle struct {
	*channel.Registry

	t        *testing.T
	sandbox  *sandbox.Sandbox
	accounts *accounts
	observed *observed
	log      *strings.Builder
	mu       sync.Mutex
	now      time.Time
}

type observed struct {
	mu    sync.Mutex
	calls []string
}

func (o *observed) ProviderCall(_ context.Context, ch payment.Channel, operation, outcome string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took < 0 {
		operation = "negative " + operation
	}
	o.calls = append(o.calls, string(ch)+" "+operation+" "+outcome)
}

func (o *observed) Held(_ context.Context, ch payment.Channel, operation, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, string(ch)+" "+operation+" held: "+reason)
}

func newRegistry(t *testing.T, s *sandbox.Sandbox) *registryBundle {
	t.Helper()
	b := &registryBundle{t: t, sandbox: s, accounts: &accounts{}, observed: &observed{}, log: &strings.Builder{}, now: time.Now()}
	b.Registry = channel.New(channel.Config{
		Source: b.accounts, PublicURL: "https://pay.example", Observer: b.observed, Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Now: func() time.Time {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.now
		},
	})
	return b
}

func (b *registryBundle) later(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *registryBundle) account(id string, change func(*channel.WeChatSettings, *channel.WeChatSecrets)) channel.Account {
	b.t.Helper()
	return weChatAccount(b.t, id, b.sandbox.Credentials(), change)
}

func (b *registryBundle) chosen(product payment.Product, accountID, want string) {
	b.t.Helper()
	got, err := b.Choose(b.t.Context(), payment.WeChat, product, accountID)
	if err != nil || got != want {
		b.t.Fatalf("chosen %q, %v; want %q", got, err, want)
	}
}

func (b *registryBundle) notChosen(ch payment.Channel, product payment.Product, accountID, field string) {
	b.t.Helper()
	_, err := b.Choose(b.t.Context(), ch, product, accountID)
	e, ok := errors.AsType[*payment.Error](err)
	if !ok || e.Code != payment.CodeAccount || e.Field != field {
		b.t.Fatalf("got %v, want %s %s", err, payment.CodeAccount, field)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	appIDs := func(ids map[payment.Product]string) func(*channel.WeChatSettings, *channel.WeChatSecrets) {
		return func(settings *channel.WeChatSettings, _ *channel.WeChatSecrets) {
			settings.AppID, settings.AppIDs = "", ids
		}
	}
	broken := func(settings *channel.WeChatSettings, secrets *channel.WeChatSecrets) {
		settings.MchID, secrets.APIv3Key = "", "hunter2"
	}
	t.Run("TheOnlyAccountNeedsNoName", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("a", nil))
		b.chosen(payment.Native, "", "a")
		b.chosen(payment.Native, "a", "a")
		b.notChosen(payment.WeChat, payment.Native, "b", "account")
		b.notChosen("alipay", payment.Native, "a", "account")
		b.notChosen("alipay", payment.Native, "", "")
	})
	t.Run("OneOfSeveralMustBeNamed", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("b", nil), b.account("a", nil))
		b.notChosen(payment.WeChat, payment.Native, "", "account")
		b.chosen(payment.Native, "b", "b")
	})
	t.Run("TheProductDecidesWhereOnlyOneOffersIt", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("mini", appIDs(map[payment.Product]string{payment.MiniProgram: "wxmini"})), b.account("app", appIDs(map[payment.Product]string{payment.App: "wxapp"})))
		b.chosen(payment.MiniProgram, "", "mini")
		b.chosen(payment.App, "", "app")
		b.notChosen(payment.WeChat, payment.Native, "", "")
		b.notChosen(payment.WeChat, payment.App, "mini", "product")
		p, err := b.Provider(t.Context(), "mini")
		if err != nil {
			t.Fatal(err)
		}
		if mchID, appID, err := p.Identity(payment.MiniProgram); err != nil || mchID != s.Credentials().WeChatPay.MchID || appID != "wxmini" {
			t.Error(mchID, appID, err)
		}
		if _, _, err := p.Identity(payment.Native); err == nil {
			t.Error("a product without an appid has an identity")
		}
	})
	t.Run("ADisabledAccountTakesNothingNewButSettles", func(t *testing.T) {
		b := newRegistry(t, s)
		off := b.account("off", nil)
		off.Disabled = true
		b.accounts.set(nil, off, b.account("on", nil))
		b.chosen(payment.Native, "", "on")
		b.notChosen(payment.WeChat, payment.Native, "off", "account")
		p, err := b.Provider(t.Context(), "off")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.QueryOrder(t.Context(), &payment.Attempt{TradeNo: "20260309000000NOBODY"})
		if ce, ok := errors.AsType[*payment.ChannelError](err); !ok || ce.Outcome != payment.Absent {
			t.Error(err)
		}
		if _, ok := b.Door(t.Context(), payment.WeChat, "off"); !ok {
			t.Error("its notifications find no door")
		}
	})
	t.Run("AMistakeIsToldForItsAccountOnly", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("bad", broken), b.account("good", nil))
		b.chosen(payment.Native, "", "good")
		b.notChosen(payment.WeChat, payment.Native, "bad", "account")
		if _, err := b.Provider(t.Context(), "bad"); err == nil {
			t.Error("a broken account has a provider")
		}
		if _, ok := b.Door(t.Context(), payment.WeChat, "bad"); ok {
			t.Error("a broken account has a door")
		}
		states, err := b.Check(t.Context())
		if err != nil || states["good"] != nil || states["bad"] == nil || !strings.Contains(states["bad"].Error(), "MchID") || !strings.Contains(states["bad"].Error(), "APIv3Key") {
			t.Errorf("%v %v; want every mistake named", states, err)
		}
		if all := states["bad"].Error() + b.log.String(); strings.Contains(all, "hunter2") || strings.Contains(all, "PRIVATE KEY") {
			t.Error("a secret is told")
		}
	})
	t.Run("SettingsThatAreNoJSONAndUnknownChannelsAreTold", func(t *testing.T) {
		b := newRegistry(t, s)
		settings, secrets, other := b.account("settings", nil), b.account("secrets", nil), b.account("other", nil)
		settings.Settings, secrets.Secrets, other.Channel = []byte("{"), []byte("hunter2"), "cash"
		b.accounts.set(nil, settings, secrets, other)
		states, err := b.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for id, state := range states {
			if state == nil || strings.Contains(state.Error(), "hunter2") {
				t.Errorf("%s: %v", id, state)
			}
		}
	})
	t.Run("AChangedAccountIsRebuilt", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("a", broken))
		b.notChosen(payment.WeChat, payment.Native, "", "")
		mended := b.account("a", nil)
		mended.UpdatedAt = mended.UpdatedAt.Add(time.Millisecond)
		b.accounts.set(nil, mended)
		b.notChosen(payment.WeChat, payment.Native, "", "") // read a moment ago
		b.later(5 * time.Second)
		b.chosen(payment.Native, "", "a")
		b.accounts.set(nil)
		b.Forget()
		b.notChosen(payment.WeChat, payment.Native, "", "")
		if _, err := b.Provider(t.Context(), "a"); err == nil {
			t.Error("an account that is gone has a provider")
		}
	})
	t.Run("TheKnownAccountsServeOnWhileTheDatabaseIsAway", func(t *testing.T) {
		b := newRegistry(t, s)
		away := errors.New("away")
		b.accounts.set(away)
		if _, err := b.Choose(t.Context(), payment.WeChat, payment.Native, ""); !errors.Is(err, away) {
			t.Errorf("before the first read: %v", err)
		}
		b.accounts.set(nil, b.account("a", nil))
		b.chosen(payment.Native, "", "a")
		b.accounts.set(away)
		b.later(time.Minute)
		b.chosen(payment.Native, "", "a")
	})
	t.Run("ADoorIsOfItsChannel", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("a", nil))
		for _, test := range []struct {
			ch   payment.Channel
			id   string
			want bool
		}{{payment.WeChat, "a", true}, {"alipay", "a", false}, {payment.WeChat, "b", false}, {payment.WeChat, "", false}} {
			if _, ok := b.Door(t.Context(), test.ch, test.id); ok != test.want {
				t.Errorf("%s %q: %v", test.ch, test.id, ok)
			}
		}
	})
	t.Run("EveryCallIsObserved", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("a", nil))
		p, err := b.Provider(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		a := &payment.Attempt{Product: payment.Native, TradeNo: "20260309OBSERVED", MerchantAppID: s.Credentials().WeChatPay.AppID}
		order := &payment.Payment{Amount: 100, Currency: "CNY", Description: "x", ExpiresAt: time.Now().Add(time.Hour)}
		refund := &payment.Refund{RefundNo: "ROBSERVED", TradeNo: a.TradeNo, Amount: 1, Currency: "CNY"}
		_, _ = p.Place(t.Context(), order, a)
		_, _ = p.QueryOrder(t.Context(), a)
		_, _ = p.CreateRefund(t.Context(), order, refund)
		_, _ = p.QueryRefund(t.Context(), refund)
		_ = p.CloseOrder(t.Context(), a)
		want := "wechat prepay done|wechat query done|wechat refund refused|wechat query_refund absent|wechat close done"
		if got := strings.Join(b.observed.calls, "|"); got != want {
			t.Errorf("observed %s\nwant     %s", got, want)
		}
	})
	t.Run("AnAccountWhoseProviderIsGoneIsLeftAloneUntilItIsMended", func(t *testing.T) {
		b := newRegistry(t, s)
		b.accounts.set(nil, b.account("a", func(settings *channel.WeChatSettings, _ *channel.WeChatSecrets) {
			settings.BaseURL, settings.BackupURL = "http://127.0.0.1:1", ""
		}), b.account("b", nil), b.account("bad", broken))
		states := func(want string) {
			t.Helper()
			breakers, err := b.Breakers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]channel.BreakerState{}
			for _, at := range breakers {
				got[at.Account] = at.State
			}
			if fmt.Sprint(got) != want {
				t.Errorf("breakers %v, want %s", got, want)
			}
		}
		query := func() (ce *payment.ChannelError) {
			p, err := b.Provider(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return nil
			}
			_, err = p.QueryOrder(t.Context(), &payment.Attempt{TradeNo: "20260309000000NOBODY"})
			ce, _ = errors.AsType[*payment.ChannelError](err)
			return ce
		}
		states("map[a:0 b:0]")
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() { query() })
		}
		all.Wait()
		states("map[a:2 b:0]")
		if ce := query(); ce == nil || ce.Wait == 0 || !strings.HasSuffix(strings.Join(b.observed.calls, "|"), "|wechat query held: breaker") {
			t.Errorf("got %v, observed %v", ce, b.observed.calls)
		}
		if log := b.log.String(); strings.Count(log, "held back") != 1 || !strings.Contains(log, "account=a class=ask") {
			t.Errorf("log: %s", log)
		}
		mended := b.account("a", nil)
		mended.UpdatedAt = mended.UpdatedAt.Add(time.Millisecond)
		b.accounts.set(nil, mended, b.account("b", nil))
		b.Forget()
		if ce := query(); ce == nil || ce.Outcome != payment.Absent {
			t.Errorf("mended: %v", ce)
		}
		states("map[a:0 b:0]")
	})
	t.Run("CertificatesAreRefreshedAndFailuresLogged", func(t *testing.T) {
		b := newRegistry(t, s)
		gone := b.account("gone", func(settings *channel.WeChatSettings, _ *channel.WeChatSecrets) {
			settings.BaseURL, settings.BackupURL = "http://127.0.0.1:1", ""
		})
		off := b.account("off", broken)
		b.accounts.set(nil, b.account("a", nil), gone, off)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := b.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if log := b.log.String(); !strings.Contains(log, "account=gone") || strings.Contains(log, "account=a ") {
			t.Errorf("log: %s", log)
		}
	})
}
