package storetest

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/access"
	"github.com/tongbao-pay/tongbao/internal/payment"
)

var accessTests = map[string]func(*testing.T, *bundle){
	"AppsAreInsertedAndReplaced":     appsAreInsertedAndReplaced,
	"KeysAreFoundByHashAndID":        keysAreFoundByHashAndID,
	"AKeyIsRevokedOnce":              aKeyIsRevokedOnce,
	"AccountsAreInsertedAndReplaced": accountsAreInsertedAndReplaced,
	"ANonceIsUsedOnce":               aNonceIsUsedOnce,
	"TheFirstKeysetWins":             theFirstKeysetWins,
	"WhatIsNotThereIsNotFound":       whatIsNotThereIsNotFound,
}

func appsAreInsertedAndReplaced(t *testing.T, b *bundle) {
	ctx := t.Context()
	shop := access.App{ID: "app_shop", Name: "Shop 商店", LatePolicy: payment.LateReview, RequireSignature: true, CreatedAt: epoch}
	other := access.App{ID: "app_a", Name: "A", LatePolicy: payment.LateRefund, Disabled: true, CreatedAt: epoch}
	for _, a := range []access.App{shop, other} {
		if err := b.PutApp(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "apps", must(b.Apps(ctx))(t), []access.App{other, shop})
	shop.Name, shop.LatePolicy, shop.RequireSignature, shop.Disabled = "New", payment.LateAccept, false, true
	if err := b.PutApp(ctx, shop); err != nil {
		t.Fatal(err)
	}
	same(t, "app", must(b.AppByID(ctx, shop.ID))(t), shop)
}

func key(id string) access.Key {
	return access.Key{ID: id, AppID: appID, SecretHash: []byte("hash of " + id), SealedSecret: []byte{0, 255, 1}, CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour)}
}

func keysAreFoundByHashAndID(t *testing.T, b *bundle) {
	ctx := t.Context()
	first, second := key("ak_1"), key("ak_2")
	second.ExpiresAt = time.Time{}
	for _, k := range []access.Key{second, first} {
		if err := b.InsertKey(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "by hash", must(b.KeyByHash(ctx, second.SecretHash))(t), second)
	same(t, "by id", must(b.KeyByID(ctx, "ak_1"))(t), first)
	same(t, "of the app", must(b.KeysOfApp(ctx, appID))(t), []access.Key{first, second})
	if all := must(b.KeysOfApp(ctx, "app_2"))(t); len(all) > 0 {
		t.Errorf("another app has %v", all)
	}
	clash := key("ak_3")
	clash.SecretHash = first.SecretHash
	if err := b.InsertKey(ctx, clash); err == nil {
		t.Error("two keys have one secret")
	}
}

func aKeyIsRevokedOnce(t *testing.T, b *bundle) {
	ctx := t.Context()
	if err := b.InsertKey(ctx, key("ak_1")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{epoch.Add(time.Second), epoch.Add(time.Minute)} {
		if err := b.RevokeKey(ctx, "ak_1", at); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(b.KeyByID(ctx, "ak_1"))(t).RevokedAt; !got.Equal(epoch.Add(time.Second)) {
		t.Errorf("revoked at %s, want the first moment", got)
	}
	if err := b.RevokeKey(ctx, "ak_x", epoch); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("unknown key: %v", err)
	}
}

func accountsAreInsertedAndReplaced(t *testing.T, b *bundle) {
	ctx := t.Context()
	a := access.Account{ID: "acc_1", Channel: payment.WeChat, Settings: []byte(`{"mchid":"1"}`), SealedSecrets: []byte{0, 9, 255}, UpdatedAt: epoch}
	other := access.Account{ID: "acc_0", Channel: payment.WeChat, Settings: []byte(`{}`), UpdatedAt: epoch}
	for _, a := range []access.Account{a, other} {
		if err := b.PutAccount(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	a.Settings, a.SealedSecrets, a.Disabled, a.UpdatedAt = []byte(`{"mchid":"2"}`), []byte{7}, true, epoch.Add(time.Second)
	if err := b.PutAccount(ctx, a); err != nil {
		t.Fatal(err)
	}
	same(t, "account", must(b.AccountByID(ctx, "acc_1"))(t), a)
	same(t, "accounts", must(b.Accounts(ctx))(t), []access.Account{other, a})
}

func aNonceIsUsedOnce(t *testing.T, b *bundle) {
	ctx := t.Context()
	fresh := make([]bool, 10)
	var group sync.WaitGroup
	for i := range fresh {
		group.Go(func() {
			var err error
			if fresh[i], err = b.UseNonce(ctx, "ak_1", "n", epoch); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	won := 0
	for _, f := range fresh {
		if f {
			won++
		}
	}
	if won != 1 {
		t.Errorf("the nonce was fresh %d times", won)
	}
	if !must(b.UseNonce(ctx, "ak_2", "n", epoch))(t) {
		t.Error("another key's nonce was taken for used")
	}
}

func theFirstKeysetWins(t *testing.T, b *bundle) {
	ctx := t.Context()
	if none := must(b.Keyset(ctx))(t); none != nil {
		t.Fatalf("a new database has a keyset: %v", none)
	}
	stored := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range stored {
		group.Go(func() {
			var err error
			if stored[i], err = b.PutFirstKeyset(ctx, []byte{0, 255, byte(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	kept := must(b.Keyset(ctx))(t)
	if len(kept) != 3 {
		t.Fatalf("keyset %v", kept)
	}
	for _, s := range stored {
		if !bytes.Equal(s, kept) {
			t.Errorf("one was told %v, stored is %v", s, kept)
		}
	}
}

func whatIsNotThereIsNotFound(t *testing.T, b *bundle) {
	ctx := t.Context()
	for what, load := range map[string]func() error{
		"app":         func() error { _, err := b.AppByID(ctx, "x"); return err },
		"key":         func() error { _, err := b.KeyByID(ctx, "x"); return err },
		"key by hash": func() error { _, err := b.KeyByHash(ctx, []byte("x")); return err },
		"account":     func() error { _, err := b.AccountByID(ctx, "x"); return err },
	} {
		if err := load(); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
