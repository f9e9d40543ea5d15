package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func mustRefuse(t *testing.T, err error, reason Reason) *Refusal {
	t.Helper()
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.Reason != reason {
		t.Fatalf("got %#v, want a refusal because of %s", err, reason)
	}
	return refusal
}

func TestBearer(t *testing.T) {
	t.Parallel()

	t.Run("ValidKeyTellsTheAppAndItsPolicy", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		app := b.app(t, "shop", AppSettings{LatePolicy: payment.LateReview})
		key, text := b.key(t, "shop")
		who, err := b.Bearer(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Principal{App: app, KeyID: key.ID}, who); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(payment.Applicant{AppID: "shop", LatePolicy: payment.LateReview}, who.Applicant()); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("EveryFailureHasTheSameTextAndTheSameWork", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		b.app(t, "off", AppSettings{Disabled: true})
		revoked, revokedText := b.key(t, "shop")
		if err := b.RevokeKey(t.Context(), revoked.ID); err != nil {
			t.Fatal(err)
		}
		_, expiredText, err := b.CreateKey(t.Context(), "shop", b.clock.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		b.clock.advance(time.Minute)
		_, offText := b.key(t, "off")
		_, orphanText := b.key(t, "shop")
		valid := orphanText
		cases := map[string]struct {
			token  string
			reason Reason
		}{
			"none":         {"", UnknownKey},
			"unknown":      {"sk_" + strings.Repeat("A", 43), UnknownKey},
			"one off":      {valid[:45] + "~", UnknownKey},
			"longer":       {valid + "A", UnknownKey},
			"with newline": {valid + "\n", UnknownKey},
			"huge":         {strings.Repeat("sk_", 100_000), UnknownKey},
			"a key's id":   {revoked.ID, UnknownKey},
			"revoked":      {revokedText, RevokedKey},
			"expired":      {expiredText.Reveal(), ExpiredKey},
			"app disabled": {offText, DisabledApp},
		}
		texts := map[string]bool{}
		for what, c := range cases {
			b.store.took()
			_, err := b.Bearer(t.Context(), c.token)
			refusal := mustRefuse(t, err, c.reason)
			texts[refusal.Error()] = true
			if got := b.store.took(); !slices.Equal(got, []string{"KeyByHash", "AppByID"}) {
				t.Errorf("%s: asks the store %v", what, got)
			}
		}
		if len(texts) != 1 {
			t.Errorf("the texts tell the reasons apart: %v", texts)
		}
	})

	t.Run("AppThatRequiresSignaturesSaysSoToAValidKeyAlone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{RequireSignature: true})
		_, text := b.key(t, "shop")
		_, err := b.Bearer(t.Context(), text)
		if refusal := mustRefuse(t, err, SignatureRequired); !strings.Contains(refusal.Error(), scheme) {
			t.Errorf("the text does not say what to send: %v", refusal)
		}
		key, text := b.key(t, "shop")
		if err := b.RevokeKey(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		_, err = b.Bearer(t.Context(), text)
		mustRefuse(t, err, RevokedKey)
	})

	t.Run("BusyKeyCostsOneLookInThreeSeconds", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		_, text := b.key(t, "shop")
		b.store.took()
		for range 100 {
			if _, err := b.Bearer(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.store.took(); len(got) != 2 {
			t.Errorf("100 requests asked the store %v", got)
		}
		b.clock.advance(CacheTTL)
		if _, err := b.Bearer(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if got := b.store.took(); len(got) != 2 {
			t.Errorf("after the TTL the store was asked %v", got)
		}
	})

	t.Run("RevokedKeyEndsHereAtOnceAndElsewhereWithinTheTTL", func(t *testing.T) {
		t.Parallel()
		here := setup(t)
		elsewhere, err := New(Config{Store: here.store, Sealer: here.sealer, Now: here.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		here.app(t, "shop", AppSettings{})
		key, text := here.key(t, "shop")
		for _, s := range []*Service{here.Service, elsewhere} {
			if _, err := s.Bearer(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.RevokeKey(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		_, err = here.Bearer(t.Context(), text)
		mustRefuse(t, err, RevokedKey)
		here.clock.advance(CacheTTL)
		_, err = elsewhere.Bearer(t.Context(), text)
		mustRefuse(t, err, RevokedKey)
	})

	t.Run("CachedKeyExpiresOnTime", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		_, text, err := b.CreateKey(t.Context(), "shop", b.clock.Now().Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Bearer(t.Context(), text.Reveal()); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(time.Second)
		_, err = b.Bearer(t.Context(), text.Reveal())
		mustRefuse(t, err, ExpiredKey)
	})

	t.Run("ChangedAppIsSeenAtOnceByTheReplicaThatChangedIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		_, text := b.key(t, "shop")
		if _, err := b.Bearer(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		b.app(t, "shop", AppSettings{Disabled: true})
		_, err := b.Bearer(t.Context(), text)
		mustRefuse(t, err, DisabledApp)
	})

	t.Run("StoreThatIsDownIsNotARefusal", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.down = errors.New("connection refused")
		_, err := b.Bearer(t.Context(), "sk_"+strings.Repeat("A", 43))
		if _, refused := errors.AsType[*Refusal](err); refused || !errors.Is(err, b.store.down) {
			t.Errorf("got %v, want the store's error", err)
		}
	})

	t.Run("CacheIsBoundedAndKeepsWorkingWhenFull", func(t *testing.T) {
		t.Parallel()
		c := newCache()
		now := time.Now()
		for i := range 2*cacheMax + 1 {
			c.put(fmt.Sprint(i), identity{key: Key{ID: fmt.Sprint(i)}}, now)
			if len(c.entries) > cacheMax {
				t.Fatalf("%d entries", len(c.entries))
			}
		}
		if id, ok := c.get(fmt.Sprint(2*cacheMax), now); !ok || id.key.ID != fmt.Sprint(2*cacheMax) {
			t.Error("the newest entry is not there")
		}
		if _, ok := c.get(fmt.Sprint(2*cacheMax), now.Add(-time.Second)); ok {
			t.Error("an entry from the future is used: a clock set back would keep it for long")
		}
	})
}
