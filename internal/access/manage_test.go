package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

func mustAnswer(t *testing.T, err error, code payment.Code, field string) *payment.Error {
	t.Helper()
	answer, ok := errors.AsType[*payment.Error](err)
	if !ok || answer.Code != code || answer.Field != field {
		t.Fatalf("got %v, want %s about %q", err, code, field)
	}
	return answer
}

func TestApps(t *testing.T) {
	t.Parallel()

	t.Run("NewAppGetsAnIDThatIsAValidNameAndDefaults", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		app, err := b.CreateApp(t.Context(), "", AppSettings{Name: "商城"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(app.ID, "app_") || !name.MatchString(app.ID) {
			t.Errorf("id %q", app.ID)
		}
		if app.LatePolicy != payment.LateRefund || app.Name != "商城" || app.CreatedAt.IsZero() {
			t.Errorf("got %+v", app)
		}
		stored, err := b.App(t.Context(), app.ID)
		if diff := cmp.Diff(app, stored); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if apps, err := b.Apps(t.Context()); err != nil || len(apps) != 1 {
			t.Errorf("Apps() = %v, %v", apps, err)
		}
	})

	t.Run("CreateDoesNotReplace", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{Name: "first"})
		_, err := b.CreateApp(t.Context(), "shop", AppSettings{Name: "second"})
		mustAnswer(t, err, payment.CodeInvalid, "id")
		if app, _ := b.App(t.Context(), "shop"); app.Name != "first" {
			t.Error("the app was replaced")
		}
	})

	t.Run("PutReplacesSettingsAndKeepsAge", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first := b.app(t, "shop", AppSettings{})
		b.clock.advance(time.Hour)
		second := b.app(t, "shop", AppSettings{LatePolicy: payment.LateAccept, RequireSignature: true})
		if !second.CreatedAt.Equal(first.CreatedAt) || second.LatePolicy != payment.LateAccept || !second.RequireSignature {
			t.Errorf("got %+v", second)
		}
	})

	t.Run("BadSettingsAreRefusedByField", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, id := range []string{"Shop", "-shop", "_shop", "shop!", "a/b", "shop\n", "店", strings.Repeat("a", 33)} {
			_, err := b.PutApp(t.Context(), id, AppSettings{})
			mustAnswer(t, err, payment.CodeInvalid, "id")
		}
		_, err := b.PutApp(t.Context(), "shop", AppSettings{LatePolicy: "keep"})
		mustAnswer(t, err, payment.CodeInvalid, "late_policy")
		_, err = b.PutApp(t.Context(), "shop", AppSettings{Name: strings.Repeat("长", 101)})
		mustAnswer(t, err, payment.CodeInvalid, "name")
		_, err = b.PutApp(t.Context(), "shop", AppSettings{Name: "\xff"})
		mustAnswer(t, err, payment.CodeInvalid, "name")
	})

	t.Run("UnknownAppIsNotFound", func(t *testing.T) {
		t.Parallel()
		_, err := setup(t).App(t.Context(), "nobody")
		mustAnswer(t, err, payment.CodeNotFound, "")
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()

	t.Run("SecretIsShownOnceAndStoredOnlyHashedAndSealed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		key, text, err := b.CreateKey(t.Context(), "shop", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^sk_[0-9A-Za-z_-]{43}$`).MatchString(text.Reveal()) || !keyIDForm.MatchString(key.ID) {
			t.Errorf("key %q, secret of %d characters", key.ID, len(text.Reveal()))
		}
		if hash := sha256.Sum256([]byte(text.Reveal())); !bytes.Equal(hash[:], key.SecretHash) {
			t.Error("the hash is not the secret's")
		}
		stored, _ := json.Marshal(b.store.keys)
		if strings.Contains(string(stored), text.Reveal()) || strings.Contains(fmt.Sprintf("%+v %v", key, text), text.Reveal()) {
			t.Error("the secret can be read where it must not")
		}
		opened, err := b.sealer.Open(key.SealedSecret, "api_keys/"+key.ID+"/secret")
		if err != nil || string(opened) != text.Reveal() {
			t.Errorf("the sealed secret does not open: %v", err)
		}
	})

	t.Run("SecretsDiffer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		one, oneText := b.key(t, "shop")
		two, twoText := b.key(t, "shop")
		if one.ID == two.ID || oneText == twoText {
			t.Error("two keys are one")
		}
		if keys, err := b.Keys(t.Context(), "shop"); err != nil || len(keys) != 2 {
			t.Errorf("Keys() = %v, %v", keys, err)
		}
	})

	t.Run("SealedSecretOfOneKeyDoesNotServeAnother", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		other, _ := b.key(t, "shop")
		moved := b.store.keys[other.ID]
		moved.SealedSecret = b.store.keys[r.keyID].SealedSecret
		b.store.keys[other.ID] = moved
		r.keyID = other.ID
		if who, err := b.Signed(t.Context(), r.sign()); err == nil {
			t.Errorf("a ciphertext moved to another row lets %+v in", who)
		}
	})

	t.Run("UnknownAppAndPastExpiryAreRefused", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, _, err := b.CreateKey(t.Context(), "nobody", time.Time{})
		mustAnswer(t, err, payment.CodeNotFound, "")
		_, err = b.Keys(t.Context(), "nobody")
		mustAnswer(t, err, payment.CodeNotFound, "")
		b.app(t, "shop", AppSettings{})
		_, _, err = b.CreateKey(t.Context(), "shop", b.clock.Now())
		mustAnswer(t, err, payment.CodeInvalid, "expires_at")
	})

	t.Run("RevokingTwiceKeepsTheFirstTime", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		key, _ := b.key(t, "shop")
		if err := b.RevokeKey(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		at := b.store.keys[key.ID].RevokedAt
		b.clock.advance(time.Hour)
		if err := b.RevokeKey(t.Context(), key.ID); err != nil {
			t.Fatal(err)
		}
		if got := b.store.keys[key.ID].RevokedAt; !got.Equal(at) || got.IsZero() {
			t.Errorf("revoked at %v, then %v", at, got)
		}
		mustAnswer(t, b.RevokeKey(t.Context(), "ak_x"), payment.CodeNotFound, "")
	})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	const settings, secrets = `{"mchid":"1900000001"}`, `{"api_v3_key":"hunter2-hunter2"}`

	put := func(t *testing.T, b *bundle, id, settings, secrets string) {
		t.Helper()
		var sealed json.RawMessage
		if secrets != "" {
			sealed = json.RawMessage(secrets)
		}
		if err := b.PutAccount(t.Context(), id, payment.WeChat, json.RawMessage(settings), sealed); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("SecretsComeBackOpenedAndDoNotPrint", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		put(t, b, "main", settings, secrets)
		account, err := b.Account(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		if account.Secrets.Reveal() != secrets || string(account.Settings) != settings || account.Channel != payment.WeChat || account.UpdatedAt.IsZero() {
			t.Errorf("got %+v", account)
		}
		all, err := b.Accounts(t.Context())
		if err != nil || len(all) != 1 || all[0].Secrets.Reveal() != secrets {
			t.Errorf("Accounts() = %v, %v", all, err)
		}
		printed, _ := json.Marshal(all)
		for _, text := range []string{string(printed), fmt.Sprintf("%v %+v %#v", account, account, all)} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("prints its secrets: %s", text)
			}
		}
		if strings.Contains(string(b.store.accounts["main"].SealedSecrets), "hunter2") {
			t.Error("stored in the clear")
		}
	})

	t.Run("SecretsOfOneAccountDoNotOpenAsAnothers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		put(t, b, "main", settings, secrets)
		put(t, b, "second", settings, `{}`)
		moved := b.store.accounts["second"]
		moved.SealedSecrets = b.store.accounts["main"].SealedSecrets
		b.store.accounts["second"] = moved
		if account, err := b.Account(t.Context(), "second"); err == nil {
			t.Errorf("opened as %+v", account)
		}
	})

	t.Run("NewSettingsKeepOldSecretsAndTheSwitch", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		put(t, b, "main", settings, secrets)
		if err := b.SetAccountDisabled(t.Context(), "main", true); err != nil {
			t.Fatal(err)
		}
		put(t, b, "main", `{"mchid":"2"}`, "")
		account, err := b.Account(t.Context(), "main")
		if err != nil || account.Secrets.Reveal() != secrets || string(account.Settings) != `{"mchid":"2"}` || !account.Disabled {
			t.Errorf("got %+v, %v", account, err)
		}
	})

	t.Run("NewAccountWithoutSecretsHasNone", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		put(t, b, "main", settings, "")
		if account, err := b.Account(t.Context(), "main"); err != nil || account.Secrets.Reveal() != "{}" {
			t.Errorf("got %q, %v", account.Secrets.Reveal(), err)
		}
	})

	t.Run("BadAccountsAreRefusedByField", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for _, c := range []struct {
			id                string
			channel           payment.Channel
			settings, secrets string
			field             string
		}{
			{"Main", payment.WeChat, settings, secrets, "id"},
			{"../main", payment.WeChat, settings, secrets, "id"},
			{"", payment.WeChat, settings, secrets, "id"},
			{"main", "paypal", settings, secrets, "channel"},
			{"main", payment.WeChat, ``, secrets, "settings"},
			{"main", payment.WeChat, `[]`, secrets, "settings"},
			{"main", payment.WeChat, `null`, secrets, "settings"},
			{"main", payment.WeChat, `{"a":`, secrets, "settings"},
			{"main", payment.WeChat, settings, `"hunter2"`, "secrets"},
			{"main", payment.WeChat, settings, `{"a":"` + strings.Repeat("x", accountJSONMax) + `"}`, "secrets"},
		} {
			err := b.PutAccount(t.Context(), c.id, c.channel, json.RawMessage(c.settings), json.RawMessage(c.secrets))
			if answer := mustAnswer(t, err, payment.CodeInvalid, c.field); strings.Contains(answer.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", answer)
			}
		}
	})

	t.Run("ChannelOfAnAccountNeverChanges", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.store.accounts["main"] = Account{ID: "main", Channel: "other", SealedSecrets: []byte{1}}
		err := b.PutAccount(t.Context(), "main", payment.WeChat, json.RawMessage(settings), nil)
		mustAnswer(t, err, payment.CodeInvalid, "channel")
	})

	t.Run("UnknownAccountIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.Account(t.Context(), "nobody")
		mustAnswer(t, err, payment.CodeNotFound, "")
		mustAnswer(t, b.SetAccountDisabled(t.Context(), "nobody", true), payment.CodeNotFound, "")
	})
}
