package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/money"
	"github.com/tongbao-pay/tongbao/internal/payment"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	for engine, open := range map[string]func(*testing.T) *store.Store{"SQLite": storetest.OpenSQLite, "Postgres": storetest.OpenPostgres} {
		for name, test := range map[string]func(*testing.T, *crowd){
			"ChangesThatWaitShareADatabaseTransaction":       changesThatWaitShareADatabaseTransaction,
			"ABadOneSpoilsNoNeighbour":                       aBadOneSpoilsNoNeighbour,
			"AJobThatIsRefusedSpoilsNoNeighbour":             aJobThatIsRefusedSpoilsNoNeighbour,
			"ChangesOfOnePaymentAreMadeOneAfterTheOther":     changesOfOnePaymentAreMadeOneAfterTheOther,
			"ANoticeSentAThousandTimesIsCommittedOnce":       aNoticeSentAThousandTimesIsCommittedOnce,
			"AFailureOfTheDatabaseIsAnsweredToAll":           aFailureOfTheDatabaseIsAnsweredToAll,
			"WhoLeavesWhileWaitingLeavesNothing":             whoLeavesWhileWaitingLeavesNothing,
			"WhoLeavesDuringTheCommitIsToldThatItMaySucceed": whoLeavesDuringTheCommitIsToldThatItMaySucceed,
		} {
			t.Run(engine+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, newCrowd(t, open(t)))
			})
		}
	}
	t.Run("Postgres/ALostConnectionLosesNoChange", func(t *testing.T) {
		t.Parallel()
		aLostConnectionLosesNoChange(t, newCrowd(t, storetest.OpenPostgres(t)))
	})
	t.Run("Postgres/RowsThatSomebodyHoldsKeepNoNeighbourWaiting", func(t *testing.T) {
		t.Parallel()
		rowsThatSomebodyHoldsKeepNoNeighbourWaiting(t, newCrowd(t, storetest.OpenPostgres(t)))
	})
}

// crowd lets changes wait together: while it is closed, every lane is taken by a change that does not end.
type crowd struct {
	*store.Store

	t        *testing.T
	gate     chan struct{} // closed: open
	entered  chan struct{}
	blockers sync.WaitGroup
	callers  sync.WaitGroup

	mu     sync.Mutex
	sizes  []int
	refuse func(context.Context, *store.Tx, store.Job) error
}

func newCrowd(t *testing.T, s *store.Store) *crowd {
	c := &crowd{Store: s, t: t, gate: make(chan struct{}), entered: make(chan struct{})}
	s.UseQueue(c)
	s.UseObserver(c)
	for n := range s.Lanes() {
		c.blockers.Go(func() {
			blocker := newPayment(fmt.Sprint("blocker", n))
			if err := s.Commit(t.Context(), &payment.Change{Payment: blocker, Jobs: []payment.Job{{ResourceID: "blocker"}}}); err != nil {
				t.Errorf("blocker: %v", err)
			}
		})
		<-c.entered
	}
	return c
}

func (*crowd) Pruned(string, int64) {}

func (c *crowd) Grouped(changes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sizes = append(c.sizes, changes)
}

func (c *crowd) EnqueueTx(ctx context.Context, tx *store.Tx, jobs []store.Job) error {
	for _, j := range jobs {
		switch {
		case j.ResourceID == "blocker":
			c.entered <- struct{}{}
			<-c.gate
		case c.refuse != nil:
			if err := c.refuse(ctx, tx, j); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait commits the change in the background and returns when it waits, with where its answer will be.
func (c *crowd) wait(ctx context.Context, change *payment.Change) *error {
	answer, before := new(error), c.Waiting()
	c.callers.Go(func() { *answer = c.Commit(ctx, change) })
	for c.Waiting() == before {
		runtime.Gosched()
	}
	return answer
}

// open lets everybody go and waits for the answers.
func (c *crowd) open() {
	close(c.gate)
	c.callers.Wait()
	c.blockers.Wait()
}

func (c *crowd) stored(p *payment.Payment) (version int64) {
	c.t.Helper()
	got, err := c.PaymentByID(c.t.Context(), p.AppID, p.ID)
	if errors.Is(err, payment.ErrNotFound) {
		return 0
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return got.Version
}

func newPayment(id string) *payment.Payment {
	now := time.UnixMilli(1_800_000_000_000).UTC()
	return &payment.Payment{
		ID: "pay_" + id, AppID: "app", AccountID: "main", OutTradeNo: "order-" + id, Amount: 100, Currency: money.CNY, Channel: payment.WeChat,
		LatePolicy: payment.LateRefund, Status: payment.Pending, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour), Version: 1,
	}
}

func next(p *payment.Payment) *payment.Payment {
	n := *p
	n.Version++
	return &n
}

func notice(id string) *payment.Notice {
	return &payment.Notice{AccountID: "main", NotificationID: id, EventType: "TRANSACTION.SUCCESS", Verdict: payment.Applied, Body: []byte("{}"), ReceivedAt: time.UnixMilli(1)}
}

func changesThatWaitShareADatabaseTransaction(t *testing.T, c *crowd) {
	const n = 50
	payments, answers := make([]*payment.Payment, n), make([]*error, n)
	for i := range n {
		payments[i] = newPayment(fmt.Sprint(i))
		answers[i] = c.wait(t.Context(), &payment.Change{Payment: payments[i]})
	}
	c.open()
	for i, p := range payments {
		if *answers[i] != nil || c.stored(p) != 1 {
			t.Errorf("%s: %v", p.ID, *answers[i])
		}
	}
	if slices.Max(c.sizes) != n {
		t.Errorf("groups of %v, want one of %d", c.sizes, n)
	}
}

func aBadOneSpoilsNoNeighbour(t *testing.T, c *crowd) {
	known := newPayment("blocker0")
	good := func(n int) *payment.Change {
		return &payment.Change{Payment: newPayment(fmt.Sprint(n)), Notice: notice(fmt.Sprint(n))}
	}
	impossible := good(10)
	impossible.Payment.Amount = 0
	stale := &payment.Change{Payment: next(next(next(known))), Notice: notice("stale")}
	number := good(11)
	number.Payment.OutTradeNo = "order-3"
	var answers []*error
	for n := range 8 {
		answers = append(answers, c.wait(t.Context(), good(n)))
		switch n {
		case 1:
			answers = append(answers, c.wait(t.Context(), impossible))
		case 4:
			answers = append(answers, c.wait(t.Context(), stale))
		case 6:
			answers = append(answers, c.wait(t.Context(), number))
		}
	}
	c.open()
	for i, want := range []string{"", "", "constraint", "", "", "", payment.ErrConflict.Error(), "", "", payment.ErrConflict.Error(), ""} {
		got := *answers[i]
		if (got == nil) != (want == "") || got != nil && !strings.Contains(strings.ToLower(got.Error()), want) {
			t.Errorf("answer %d: %v, want %q", i, got, want)
		}
	}
	for n := range 12 {
		known, err := c.Noticed(t.Context(), "main", fmt.Sprint(n))
		if err != nil || known != (n < 8) || (c.stored(newPayment(fmt.Sprint(n))) == 1) != (n < 8) {
			t.Errorf("change %d: noticed %v (%v)", n, known, err)
		}
	}
	if stale, err := c.Noticed(t.Context(), "main", "stale"); stale || err != nil {
		t.Errorf("the notice of a change that came too late was kept (%v)", err)
	}
}

func aJobThatIsRefusedSpoilsNoNeighbour(t *testing.T, c *crowd) {
	full := errors.New("full")
	c.refuse = func(_ context.Context, _ *store.Tx, j store.Job) error {
		if j.ResourceID == "bad" {
			return full
		}
		return nil
	}
	bad := newPayment("bad")
	refused := c.wait(t.Context(), &payment.Change{Payment: bad, Jobs: []payment.Job{{ResourceID: "bad"}}})
	good := newPayment("good")
	accepted := c.wait(t.Context(), &payment.Change{Payment: good, Jobs: []payment.Job{{ResourceID: "good"}}})
	c.open()
	if !errors.Is(*refused, full) || c.stored(bad) != 0 {
		t.Errorf("the bad one: %v, version %d", *refused, c.stored(bad))
	}
	if *accepted != nil || c.stored(good) != 1 {
		t.Errorf("its neighbour: %v, version %d", *accepted, c.stored(good))
	}
}

func changesOfOnePaymentAreMadeOneAfterTheOther(t *testing.T, c *crowd) {
	p := newPayment("p")
	first := c.wait(t.Context(), &payment.Change{Payment: p})
	second := c.wait(t.Context(), &payment.Change{Payment: next(p)})
	rival := c.wait(t.Context(), &payment.Change{Payment: next(p), Notice: notice("rival")})
	third := c.wait(t.Context(), &payment.Change{Payment: next(next(p))})
	c.open()
	if *first != nil || *second != nil || *third != nil || c.stored(p) != 3 {
		t.Errorf("answers %v, %v, %v; version %d", *first, *second, *third, c.stored(p))
	}
	if !errors.Is(*rival, payment.ErrConflict) {
		t.Errorf("the rival: %v", *rival)
	}
	if kept, err := c.Noticed(t.Context(), "main", "rival"); kept || err != nil {
		t.Errorf("the rival's notice was kept (%v)", err)
	}
}

func aNoticeSentAThousandTimesIsCommittedOnce(t *testing.T, c *crowd) {
	answers := make([]*error, 1000)
	for i := range answers {
		answers[i] = c.wait(t.Context(), &payment.Change{Payment: newPayment("p"), Notice: notice("n")})
	}
	c.open()
	won := 0
	for _, err := range answers {
		switch {
		case *err == nil:
			won++
		case !errors.Is(*err, payment.ErrDuplicate):
			t.Fatalf("answered %v", *err)
		}
	}
	if won != 1 || c.stored(newPayment("p")) != 1 {
		t.Errorf("%d were committed", won)
	}
	if len(c.sizes) != c.Lanes()+1 {
		t.Errorf("%d database transactions for one change", len(c.sizes)-c.Lanes())
	}
}

func aFailureOfTheDatabaseIsAnsweredToAll(t *testing.T, c *crowd) {
	one := c.wait(t.Context(), &payment.Change{Payment: newPayment("1"), Jobs: []payment.Job{{ResourceID: "x"}}})
	two := c.wait(t.Context(), &payment.Change{Payment: newPayment("2"), Jobs: []payment.Job{{ResourceID: "x"}}})
	gone := errors.New("gone")
	c.refuse = func(context.Context, *store.Tx, store.Job) error { return gone }
	c.open()
	if !errors.Is(*one, gone) || !errors.Is(*two, gone) || c.stored(newPayment("1")) != 0 || c.stored(newPayment("2")) != 0 {
		t.Errorf("answers %v and %v; versions %d and %d", *one, *two, c.stored(newPayment("1")), c.stored(newPayment("2")))
	}
}

func whoLeavesWhileWaitingLeavesNothing(t *testing.T, c *crowd) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPayment("p")
	left := c.wait(ctx, &payment.Change{Payment: p})
	stays := c.wait(t.Context(), &payment.Change{Payment: newPayment("q")})
	cancel()
	for c.Waiting() == 2 {
		runtime.Gosched()
	}
	c.open()
	if !errors.Is(*left, context.Canceled) || strings.Contains((*left).Error(), "may") || c.stored(p) != 0 {
		t.Errorf("answered %v, version %d", *left, c.stored(p))
	}
	if *stays != nil {
		t.Errorf("the one who stayed: %v", *stays)
	}
}

func whoLeavesDuringTheCommitIsToldThatItMaySucceed(t *testing.T, c *crowd) {
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan struct{})
	c.refuse = func(context.Context, *store.Tx, store.Job) error {
		cancel()
		<-told
		return nil
	}
	p := newPayment("p")
	var err error
	c.callers.Go(func() {
		defer close(told)
		err = c.Commit(ctx, &payment.Change{Payment: p, Jobs: []payment.Job{{ResourceID: "x"}}})
	})
	for c.Waiting() == 0 {
		runtime.Gosched()
	}
	neighbour := c.wait(t.Context(), &payment.Change{Payment: newPayment("q")})
	c.open()
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may still succeed") {
		t.Errorf("answered %v", err)
	}
	if *neighbour != nil || c.stored(p) != 1 {
		t.Errorf("the neighbour: %v; version %d of the one whose caller left", *neighbour, c.stored(p))
	}
}

func aLostConnectionLosesNoChange(t *testing.T, c *crowd) {
	var once sync.Once
	c.refuse = func(ctx context.Context, tx *store.Tx, _ store.Job) (err error) {
		once.Do(func() { _, err = tx.Postgres.Exec(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`) })
		return err
	}
	answers := make([]*error, 10)
	for i := range answers {
		answers[i] = c.wait(t.Context(), &payment.Change{Payment: newPayment(fmt.Sprint(i)), Notice: notice(fmt.Sprint(i)), Jobs: []payment.Job{{ResourceID: "x"}}})
	}
	c.open()
	for i, err := range answers {
		kept, readErr := c.Noticed(t.Context(), "main", fmt.Sprint(i))
		if *err != nil || readErr != nil || !kept || c.stored(newPayment(fmt.Sprint(i))) != 1 {
			t.Errorf("change %d: %v, noticed %v (%v)", i, *err, kept, readErr)
		}
	}
}

func rowsThatSomebodyHoldsKeepNoNeighbourWaiting(t *testing.T, c *crowd) {
	c.open()
	late := make([]error, c.Postgres().Config().MaxConns+1) // one that waits for its row with each connection, and more
	for n := range late {
		if err := c.Commit(t.Context(), &payment.Change{Payment: newPayment(fmt.Sprint("held", n))}); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := c.Postgres().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT 1 FROM payments FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	for n := range late {
		c.callers.Go(func() {
			late[n] = c.Commit(t.Context(), &payment.Change{Payment: next(newPayment(fmt.Sprint("held", n)))})
		})
	}
	for n := range 3 * c.Lanes() { // while the rows are still held
		if err := c.Commit(t.Context(), &payment.Change{Payment: newPayment(fmt.Sprint("free", n))}); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.callers.Wait()
	for n, err := range late {
		if err != nil || c.stored(newPayment(fmt.Sprint("held", n))) != 2 {
			t.Errorf("whose row was held: %v", err)
		}
	}
}
