package access

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAtTheSameMoment(t *testing.T) {
	t.Parallel()

	t.Run("OneSignedRequestPassesOnceOnAllReplicasTogether", func(t *testing.T) {
		t.Parallel()
		b, r := signing(t)
		second, err := New(Config{Store: b.store, Sealer: b.sealer, Now: b.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		sent := r.sign()
		var passed, reused atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			replica := b.Service
			if i%2 == 1 {
				replica = second
			}
			all.Go(func() {
				_, err := replica.Signed(t.Context(), sent)
				refusal, refused := errors.AsType[*Refusal](err)
				switch {
				case err == nil:
					passed.Add(1)
				case refused && refusal.Reason == ReusedNonce:
					reused.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 || reused.Load() != 31 {
			t.Errorf("%d passed, %d were replays, want 1 and 31", passed.Load(), reused.Load())
		}
	})

	t.Run("RevokingAmidRequestsEndsTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.app(t, "shop", AppSettings{})
		key, text := b.key(t, "shop")
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { _, _ = b.Bearer(t.Context(), text) })
		}
		if err := b.RevokeKey(t.Context(), key.ID); err != nil {
			t.Error(err)
		}
		all.Wait()
		b.clock.advance(CacheTTL)
		_, err := b.Bearer(t.Context(), text)
		mustRefuse(t, err, RevokedKey)
	})
}
