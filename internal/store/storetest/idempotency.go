package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/idempotency"
)

var idempotencyTests = map[string]func(*testing.T, *bundle){
	"AKeyIsBegunOnce":                           aKeyIsBegunOnce,
	"AFinishedKeyKeepsItsAnswer":                aFinishedKeyKeepsItsAnswer,
	"AForgottenKeyBeginsAnew":                   aForgottenKeyBeginsAnew,
	"AKeyWhoseOwnerDiedIsTakenOverOnce":         aKeyWhoseOwnerDiedIsTakenOverOnce,
	"AKeyIsNotTakenOverForAnotherRequest":       aKeyIsNotTakenOverForAnotherRequest,
	"AnAnswerIsKeptThoughTheLockEnded":          anAnswerIsKeptThoughTheLockEnded,
	"KeysOfTwoAppsHaveNothingToDoWithEachOther": keysOfTwoAppsHaveNothingToDoWithEachOther,
}

func record() idempotency.Record {
	return idempotency.Record{AppID: appID, Key: "key-1", RequestHash: "hash", LockedUntil: epoch.Add(time.Minute), CreatedAt: epoch}
}

func (b *bundle) begin(r idempotency.Record, now time.Time) (idempotency.Record, bool) {
	b.t.Helper()
	current, started, err := b.Begin(b.t.Context(), r, now)
	if err != nil {
		b.t.Fatal(err)
	}
	return current, started
}

func (b *bundle) finish(r idempotency.Record) {
	b.t.Helper()
	if err := b.Finish(b.t.Context(), r); err != nil {
		b.t.Fatal(err)
	}
}

func aKeyIsBegunOnce(t *testing.T, b *bundle) {
	if n := b.beginners(record(), epoch); n != 1 {
		t.Errorf("%d began", n)
	}
	current, started := b.begin(record(), epoch.Add(time.Second))
	if started || current.Done {
		t.Errorf("started %v, %+v", started, current)
	}
	same(t, "record", current, record())
}

// beginners is how many of many callers at once own the key now.
func (b *bundle) beginners(r idempotency.Record, now time.Time) (n int) {
	b.t.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			_, started, err := b.Begin(b.t.Context(), r, now)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.t.Error(err)
			}
			if started {
				n++
			}
		})
	}
	group.Wait()
	return n
}

func aFinishedKeyKeepsItsAnswer(t *testing.T, b *bundle) {
	r := record()
	b.begin(r, epoch)
	r.Done, r.Status, r.ContentType, r.Location, r.Body = true, 201, "application/json", "/v1/payments/pay_1", []byte("{\"a\":\"\xff\x00\"}")
	b.finish(r)
	current, started := b.begin(record(), epoch.Add(time.Second))
	if started {
		t.Error("began again")
	}
	same(t, "record", current, r)
	other := record()
	other.RequestHash = "other"
	if current, started := b.begin(other, epoch.Add(time.Second)); started || current.RequestHash != "hash" {
		t.Errorf("another request: started %v, hash %s", started, current.RequestHash)
	}
	if err := b.Forget(t.Context(), appID, r.Key); err != nil {
		t.Fatal(err)
	}
	if _, started := b.begin(record(), epoch.Add(time.Second)); started {
		t.Error("an answer was forgotten")
	}
}

func aForgottenKeyBeginsAnew(t *testing.T, b *bundle) {
	b.begin(record(), epoch)
	if err := b.Forget(t.Context(), "app_2", "key-1"); err != nil {
		t.Fatal(err)
	}
	if _, started := b.begin(record(), epoch); started {
		t.Fatal("another app forgot the key")
	}
	if err := b.Forget(t.Context(), appID, "key-1"); err != nil {
		t.Fatal(err)
	}
	other := record()
	other.RequestHash = "other"
	if _, started := b.begin(other, epoch); !started {
		t.Error("did not begin")
	}
}

func aKeyWhoseOwnerDiedIsTakenOverOnce(t *testing.T, b *bundle) {
	b.begin(record(), epoch)
	again := record()
	again.LockedUntil = epoch.Add(3 * time.Minute)
	if _, started := b.begin(again, epoch.Add(time.Minute)); started {
		t.Error("taken over while the lock lasts")
	}
	if n := b.beginners(again, epoch.Add(time.Minute+time.Millisecond)); n != 1 {
		t.Errorf("%d took it over", n)
	}
}

func aKeyIsNotTakenOverForAnotherRequest(t *testing.T, b *bundle) {
	b.begin(record(), epoch)
	other := record()
	other.RequestHash = "other"
	if current, started := b.begin(other, epoch.Add(time.Hour)); started || current.RequestHash != "hash" {
		t.Errorf("started %v, hash %s", started, current.RequestHash)
	}
}

func anAnswerIsKeptThoughTheLockEnded(t *testing.T, b *bundle) {
	r := record()
	b.begin(r, epoch)
	r.Done, r.Status = true, 200
	b.finish(r)
	if current, started := b.begin(record(), epoch.Add(time.Hour)); started || !current.Done {
		t.Errorf("started %v, done %v", started, current.Done)
	}
}

func keysOfTwoAppsHaveNothingToDoWithEachOther(t *testing.T, b *bundle) {
	b.begin(record(), epoch)
	other := record()
	other.AppID = "app_2"
	if _, started := b.begin(other, epoch); !started {
		t.Error("the key of another app was in the way")
	}
}
