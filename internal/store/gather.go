package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// gatherMax is how many callers share a query, gatherTimeout how long it may take.
const (
	gatherMax     = 128
	gatherTimeout = 10 * time.Second
)

// gather answers callers who ask the same kind of question at the same time with one query. The first is asked at
// once; those that come meanwhile are asked together. An answer is never older than its question.
type gather[V any] struct {
	// ask answers for the keys of one owner, an account or an app; what it has no answer for is missing.
	ask func(ctx context.Context, owner string, keys []string) (map[string]V, error)
	// clone makes each caller an answer of his own, where they change what they get and several may get the same: for one
	// key, or for two that lead to it.
	clone func(V) V

	mu      sync.Mutex
	running bool
	waiting []*question[V]
}

type question[V any] struct {
	owner, key string
	cause      trace.SpanContext

	answer V
	found  bool
	err    error
	done   chan struct{}
}

// get asks for one key.
func (g *gather[V]) get(ctx context.Context, owner, key string) (answer V, found bool, err error) {
	q := &question[V]{owner: owner, key: key, cause: trace.SpanContextFromContext(ctx), done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, q)
	g.start()
	g.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.found, q.err
	case <-ctx.Done():
		return answer, false, ctx.Err()
	}
}

// start sends the next query, unless one is under way. The caller holds the lock.
func (g *gather[V]) start() {
	if !g.running && len(g.waiting) > 0 {
		g.running = true
		go g.run(g.take())
	}
}

// take chooses what is asked together, for one owner. The caller holds the lock.
func (g *gather[V]) take() []*question[V] {
	var group []*question[V]
	owner, rest := g.waiting[0].owner, g.waiting[:0]
	for _, q := range g.waiting {
		if len(group) == gatherMax || q.owner != owner {
			rest = append(rest, q)
			continue
		}
		group = append(group, q)
	}
	clear(g.waiting[len(rest):])
	g.waiting = rest
	return group
}

func (g *gather[V]) run(group []*question[V]) {
	if err := g.answer(group); isRefusal(err) && len(group) > 1 {
		for one := range slices.Chunk(group, 1) { // a key that the database does not take spoils nobody else's
			_ = g.answer(one) // who asked is told
		}
	}
	for _, q := range group {
		close(q.done)
	}
	g.mu.Lock()
	g.running = false
	g.start()
	g.mu.Unlock()
}

func (g *gather[V]) answer(group []*question[V]) error {
	ctx, cancel := context.WithTimeout(trace.ContextWithSpanContext(context.Background(), group[0].cause), gatherTimeout)
	defer cancel()
	keys := map[string]struct{}{}
	for _, q := range group {
		keys[q.key] = struct{}{}
	}
	answers, err := g.ask(ctx, group[0].owner, slices.Collect(maps.Keys(keys)))
	for _, q := range group {
		q.answer, q.found = answers[q.key]
		q.err = err
		if q.found && g.clone != nil {
			q.answer = g.clone(q.answer)
		}
	}
	return err
}
