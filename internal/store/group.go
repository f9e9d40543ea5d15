package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// Observer hears how many changes shared one database transaction, and how many old rows of a table were deleted. It
// must not block.
type Observer interface {
	Grouped(changes int)
	Pruned(table string, rows int64)
}

// groupMax bounds a group: a larger one gains nothing on the disk and keeps its first member waiting.
const groupMax = 128

// groupTimeout bounds one database transaction of a group. It belongs to nobody's request: a caller who leaves must not
// take the others along.
const groupTimeout = 10 * time.Second

// passesMax is how often a group is tried again without those that spoiled it, before each goes alone.
const passesMax = 3

// entry is a change on its way to the database, as plain values: its caller may leave, and do with the change what he likes.
type entry struct {
	claims     []claim
	statements []statement
	jobs       []payment.Job
	cause      trace.SpanContext // of the request that makes the change; its jobs continue that trace

	webhooks []payment.Job // that the statements of the present try made
	lost     error         // what a statement of the present try found taken

	err  error // the answer, once done is closed
	done chan struct{}
}

// claim is something that one change only can have: the next version of a payment, the number of an order, the id of a
// notification, the end of a review. Changes with a claim to the same thing never share a group, so that each sees what the one before did.
type claim struct {
	key     string
	version int64
	taken   error // the answer to who comes too late
}

func claims(c *payment.Change) []claim {
	var all []claim
	if v := c.Resolved; v != nil {
		all = append(all, claim{key: key("review", v.AppID, v.ID), version: 1, taken: payment.ErrResolved})
	}
	if n := c.Notice; n != nil {
		all = append(all, claim{key: key("notice", n.AccountID, n.NotificationID), version: 1, taken: payment.ErrDuplicate})
	}
	if p := c.Payment; p != nil {
		all = append(all, claim{key: key("payment", p.AppID, p.ID), version: p.Version, taken: payment.ErrConflict})
		if p.Version == 1 {
			all = append(all, claim{key: key("order", p.AppID, p.OutTradeNo), version: 1, taken: payment.ErrConflict})
		}
	}
	return all
}

func key(parts ...string) string { return strings.Join(parts, "\x00") }

// rank orders the changes of a group. Every process locks rows in this order, so that two groups wait for each other in
// one direction only.
func (e *entry) rank() string {
	if len(e.claims) == 0 {
		return ""
	}
	return e.claims[len(e.claims)-1].key
}

// committer puts changes that wait at the same time into one database transaction. The first goes at once; those that
// come while it is under way form the next group. Its goroutines live only while there is something to commit.
type committer struct {
	store *Store
	lanes int           // groups under way at once
	apart chan struct{} // holds a token for each change that is committed alone

	mu      sync.Mutex
	running int
	waiting []*entry
	busy    map[string]struct{} // claims of what is under way
}

// commit waits for the entry's answer, or for ctx.
func (c *committer) commit(ctx context.Context, e *entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	c.waiting = append(c.waiting, e)
	c.start()
	c.mu.Unlock()
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
	}
	if c.withdraw(e) {
		return ctx.Err()
	}
	return fmt.Errorf("store: the commit is under way and may still succeed, read before repeating: %w", ctx.Err())
}

// withdraw takes an entry back that no group has taken yet.
func (c *committer) withdraw(e *entry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, e)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}

// start fills the free lanes. The caller holds the lock.
func (c *committer) start() {
	for c.running < c.lanes {
		group := c.take()
		if len(group) == 0 {
			return
		}
		c.running++
		go c.run(group)
	}
}

// take chooses the next group in the order of arrival. What claims something that is under way, or in the group
// already, stays. The caller holds the lock.
func (c *committer) take() []*entry {
	var group []*entry
	rest := c.waiting[:0]
	for _, e := range c.waiting {
		if len(group) == groupMax || slices.ContainsFunc(e.claims, c.isBusy) {
			rest = append(rest, e)
			continue
		}
		for _, claim := range e.claims {
			c.busy[claim.key] = struct{}{}
		}
		group = append(group, e)
	}
	clear(c.waiting[len(rest):])
	c.waiting = rest
	return group
}

func (c *committer) isBusy(claim claim) bool {
	_, busy := c.busy[claim.key]
	return busy
}

// run commits a group. Whoever spoils it is taken out and the others try again; so one bad change costs its
// neighbours a moment, never their answer.
func (c *committer) run(group []*entry) {
	ctx, cancel := context.WithTimeout(trace.ContextWithSpanContext(context.Background(), group[0].cause), groupTimeout)
	defer cancel()
	slices.SortStableFunc(group, func(a, b *entry) int { return strings.Compare(a.rank(), b.rank()) })
	for pass := 1; len(group) > 0; pass++ {
		spoiler, ended, err := c.store.writeGroup(ctx, group, c.store.dialect.impatient)
		if err == nil || ended {
			c.answer(err, group...)
			break
		}
		var rest []*entry
		for _, e := range group {
			switch {
			case e.lost != nil:
				c.answer(e.lost, e)
			case e == spoiler, pass == passesMax, spoiler == nil && !errors.Is(err, errLost):
				go c.alone(e)
			default:
				rest = append(rest, e)
			}
		}
		group = rest
	}
	c.mu.Lock()
	c.running--
	c.start()
	c.mu.Unlock()
}

// alone commits a change beside the lanes: every failure is its own, and what it waits for, such as a row that somebody
// holds, nobody else does. Few do so at once, or they would wait with every connection there is.
func (c *committer) alone(e *entry) {
	ctx, cancel := context.WithTimeout(trace.ContextWithSpanContext(context.Background(), e.cause), groupTimeout)
	defer cancel()
	select {
	case c.apart <- struct{}{}:
		defer func() { <-c.apart }()
	case <-ctx.Done():
		c.answer(fmt.Errorf("store: other changes wait for rows that somebody holds, repeat this one later: %w", ctx.Err()), e)
		return
	}
	_, _, err := c.store.writeGroup(ctx, []*entry{e}, "")
	switch {
	case e.lost != nil:
		err = e.lost
	case isUniqueViolation(err):
		err = errors.Join(payment.ErrConflict, err)
	}
	c.answer(err, e)
}

// answer tells the callers, and those who wait for what was just taken: they need no database to learn it.
func (c *committer) answer(err error, entries ...*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := map[string]int64{}
	for _, e := range entries {
		for _, claim := range e.claims {
			delete(c.busy, claim.key)
			if err == nil {
				taken[claim.key] = claim.version
			}
		}
		e.finish(err)
	}
	if err == nil {
		c.waiting = slices.DeleteFunc(c.waiting, func(e *entry) bool {
			i := slices.IndexFunc(e.claims, func(claim claim) bool { return claim.version <= taken[claim.key] })
			if i >= 0 {
				e.finish(e.claims[i].taken)
			}
			return i >= 0
		})
	}
	c.start()
}

func (e *entry) finish(err error) {
	e.err = err
	close(e.done)
}

// errLost ends a group in which a change found its place taken.
var errLost = errors.New("store: a change of the group came too late")

// writeGroup writes all entries in one database transaction, or none. Where it fails, spoiler is the entry whose
// statement the database refused, if it was one; entries that came too late say so themselves. ended means that the
// failure is everybody's: the database is not there, or did not answer to the commit, which may have happened. first,
// where it is set, is the statement to begin with.
func (s *Store) writeGroup(ctx context.Context, group []*entry, first string) (spoiler *entry, ended bool, err error) {
	var all []statement
	var owners []*entry
	if first != "" {
		all, owners = append(all, statement{sql: first}), append(owners, nil)
	}
	for _, e := range group {
		e.lost, e.webhooks = nil, nil
		for _, st := range e.statements {
			all, owners = append(all, e.judged(st)), append(owners, e)
		}
	}
	began, written := false, false
	err = s.inTx(ctx, func(tx *Tx) error {
		began = true
		if err := tx.batch(ctx, all); err != nil {
			return err
		}
		var jobs []Job
		for _, e := range group {
			if e.lost != nil {
				return errLost
			}
			for _, j := range slices.Concat(e.jobs, e.webhooks) {
				jobs = append(jobs, Job{Job: j, Cause: e.cause})
			}
		}
		if len(jobs) > 0 {
			if err := s.queue.EnqueueTx(ctx, tx, jobs); err != nil {
				return err
			}
		}
		written = true
		return nil
	})
	if err == nil && s.observer != nil {
		s.observer.Grouped(len(group))
	}
	failure, inBatch := errors.AsType[*batchError](err)
	switch {
	case err == nil, errors.Is(err, errLost):
		return nil, false, err
	case !began, written, inBatch && !isRefusal(err):
		return nil, true, err
	case inBatch:
		return owners[failure.at], false, err
	}
	return nil, false, err
}

// judged is a statement whose verdict is kept with its entry, so that the others' can still be read.
func (e *entry) judged(st statement) statement {
	if judge := st.affected; judge != nil {
		st.affected = func(n int64) error {
			if err := judge(n); err != nil && e.lost == nil {
				e.lost = err
			}
			return nil
		}
	}
	if made := st.jobs; made != nil {
		st.returned = func(r rows) error {
			j, err := made(r)
			e.webhooks = append(e.webhooks, j)
			return err
		}
	}
	return st
}
