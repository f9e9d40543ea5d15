package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// creation is one measurement of orders, each figure for one order unless it says otherwise.
type creation struct {
	rate        float64 // a second
	cpu         float64 // of the service's process, in signatures
	databaseCPU float64 // of the database's own processes, in signatures; 0 where it has none
	writes      float64 // database transactions that wrote
	connections float64 // opened to the provider
	p50, p99    time.Duration
	failed      int
	signature   time.Duration // CPU of one
}

// intake is one measurement of notifications.
type intake struct {
	rate     float64 // a second
	cpu      float64 // of the service's process, in signatures
	writes   float64
	p99      time.Duration
	failed   int
	slowest  time.Duration
	besideBy floor // of the same round
}

// memory is resident memory in bytes.
type memory struct{ rest, worked, open int64 }

// ofService is all that was measured of one.
type ofService struct {
	name, configured string
	creations        map[int][]creation // by callers
	intakes          []intake
	memory           memory
	firstFailure     error
}

// measuredEngine is what came of one engine.
type measuredEngine struct {
	name     string
	services []*ofService
	floors   []floor
	webhooks float64 // a second, of the gateway
	open     int
}

func (m *measuredEngine) service(name string) *ofService {
	for _, s := range m.services {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (b *gatewayBench) onEngine(ctx context.Context, open func(context.Context) (*engine, error)) (*measuredEngine, error) {
	e, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer e.quit()
	services, err := b.services(ctx, e)
	if err != nil {
		return nil, err
	}
	defer stopAll(services)
	m := &measuredEngine{name: e.name}
	for _, s := range services {
		o := &ofService{name: s.name, configured: s.configured, creations: make(map[int][]creation)}
		if o.memory.rest, err = s.memory(); err != nil {
			return nil, err
		}
		m.services = append(m.services, o)
	}
	for round := range b.plan.rounds + 1 {
		fmt.Fprintf(b.progress, "bench: %s, round %d of %d (0 warms up)\n", e.name, round, b.plan.rounds)
		if err := b.round(ctx, round, e, services, m); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	for i, s := range services {
		if m.services[i].memory.worked, err = s.memory(); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(b.progress, "bench: %s, %d webhooks, then %d open payments\n", e.name, b.plan.webhooks, b.plan.open)
	if m.webhooks, err = b.countWebhooks(ctx, services[0], m.services[0]); err != nil {
		return nil, err
	}
	return m, b.leaveOpen(ctx, services[0], m)
}

// round measures every service in turn; every round begins with another. The first, 0, warms up and counts for nothing.
func (b *gatewayBench) round(ctx context.Context, round int, e *engine, services []*service, m *measuredEngine) error {
	beside, err := measureFloor(ctx, e.rows, b.plan.slice/2)
	if err != nil {
		return err
	}
	if round > 0 {
		m.floors = append(m.floors, beside)
	}
	for _, callers := range b.plan.callers {
		for i := range services {
			at := (i + round) % len(services)
			s, o := services[at], m.services[at]
			made, err := b.creations(ctx, e, s, o, callers)
			if err != nil {
				return fmt.Errorf("%s, %d callers: %w", s.name, callers, err)
			}
			paid, err := b.intake(ctx, e, s, o)
			if err != nil {
				return fmt.Errorf("%s, notifications: %w", s.name, err)
			}
			if round == 0 {
				continue
			}
			o.creations[callers] = append(o.creations[callers], made)
			if callers == intakeCallers {
				paid.besideBy = beside
				o.intakes = append(o.intakes, paid)
			}
		}
	}
	return nil
}

// gauges are the counters around one measurement.
type gauges struct {
	cpu, databaseCPU time.Duration
	writes           int64
	connections      int64
}

func (b *gatewayBench) read(ctx context.Context, e *engine, s *service) (g gauges, err error) {
	if g.cpu, err = s.cpu(); err != nil {
		return g, err
	}
	if e.server != nil {
		if g.writes, err = e.server.writes(ctx); err != nil {
			return g, err
		}
		if g.databaseCPU, err = e.server.familyCPU(); err != nil {
			return g, err
		}
	}
	c, err := b.upstream.counts()
	g.connections = c.Connections
	return g, err
}

// around makes calls and tells what they took, each figure for one that succeeded. A signature is measured before and
// after them: how fast the cores are depends on who else wants them.
func (b *gatewayBench) around(ctx context.Context, e *engine, s *service, calls func() burst) (r burst, c creation, err error) {
	signatureBefore, err := b.signatureCPU()
	if err != nil {
		return r, c, err
	}
	before, err := b.read(ctx, e, s)
	if err != nil {
		return r, c, err
	}
	r = calls()
	after, err := b.read(ctx, e, s)
	if err != nil {
		return r, c, err
	}
	signatureAfter, err := b.signatureCPU()
	if err != nil {
		return r, c, err
	}
	signature := (signatureBefore + signatureAfter) / 2
	if r.done == 0 {
		return r, c, fmt.Errorf("nothing succeeded: %w", r.err)
	}
	n := float64(r.done)
	return r, creation{
		rate: r.rate(), p50: r.percentile(50), p99: r.percentile(99), failed: r.failed, signature: signature,
		cpu:         float64(after.cpu-before.cpu) / n / float64(signature),
		databaseCPU: float64(after.databaseCPU-before.databaseCPU) / n / float64(signature),
		writes:      float64(after.writes-before.writes) / n,
		connections: float64(after.connections-before.connections) / n,
	}, nil
}

// creations places orders, and some before that do not count: connections end when a service has had its turn and
// others are measured.
func (b *gatewayBench) creations(ctx context.Context, e *engine, s *service, o *ofService, callers int) (creation, error) {
	orders := func(slice time.Duration) burst {
		first := s.placed
		r := load(ctx, callers, slice, func(ctx context.Context, i int64) error { return s.createNext(ctx, first+i) })
		s.placed += int64(r.done + r.failed + callers)
		o.keep(r.err)
		return r
	}
	orders(b.plan.slice / 4)
	_, made, err := b.around(ctx, e, s, func() burst { return orders(b.plan.slice) })
	return made, err
}

func (o *ofService) keep(err error) {
	if o.firstFailure == nil {
		o.firstFailure = err
	}
}

// intake pays all orders placed since. A service that would ask for them has then nothing left to ask while others are
// measured.
func (b *gatewayBench) intake(ctx context.Context, e *engine, s *service, o *ofService) (intake, error) {
	orders, err := b.upstream.orders()
	if err != nil {
		return intake{}, err
	}
	all, err := notices(b.parties, orders)
	if err != nil {
		return intake{}, err
	}
	r, made, err := b.around(ctx, e, s, func() burst {
		return loadTimes(ctx, intakeCallers, len(all), func(ctx context.Context, i int64) error { return s.notify(ctx, all[i]) })
	})
	o.keep(r.err)
	if err != nil {
		return intake{}, err
	}
	return intake{rate: made.rate, cpu: made.cpu, writes: made.writes, p99: made.p99, failed: made.failed, slowest: r.latencies[r.done-1]}, nil
}

// countWebhooks has payments paid and counts their webhooks to one endpoint, from the first notification to the last
// webhook. It is not a number where some are still on their way after two minutes, which does not spoil the rest.
func (b *gatewayBench) countWebhooks(ctx context.Context, s *service, o *ofService) (float64, error) {
	var received atomic.Int64
	complete := make(chan struct{})
	want := int64(b.plan.webhooks)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	shop := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if received.Add(1) == want {
			close(complete)
		}
	})}
	go func() { _ = shop.Serve(listener) }() // it ends when it is closed
	defer shop.Close()
	endpoint, err := json.Marshal(map[string]any{"url": "http://" + listener.Addr().String(), "types": []string{"payment.succeeded"}})
	if err != nil {
		return 0, err
	}
	if err := s.send(ctx, http.MethodPost, "/v1/webhook-endpoints", endpoint, nil); err != nil {
		return 0, err
	}
	if err := b.place(ctx, s, b.plan.webhooks); err != nil {
		return 0, err
	}
	orders, err := b.upstream.orders()
	if err != nil {
		return 0, err
	}
	all, err := notices(b.parties, orders)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if r := loadTimes(ctx, intakeCallers, len(all), func(ctx context.Context, i int64) error { return s.notify(ctx, all[i]) }); r.err != nil {
		return 0, r.err
	}
	patience := time.NewTimer(2 * time.Minute)
	defer patience.Stop()
	select {
	case <-complete:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-patience.C:
		o.keep(fmt.Errorf("%d of %d webhooks arrived in two minutes", received.Load(), want))
		return math.NaN(), nil
	}
	return float64(want) / time.Since(began).Seconds(), nil
}

// place places n orders.
func (b *gatewayBench) place(ctx context.Context, s *service, n int) error {
	first := s.placed
	s.placed += int64(n)
	return loadTimes(ctx, 64, n, func(ctx context.Context, i int64) error { return s.createNext(ctx, first+i) }).err
}

func (b *gatewayBench) leaveOpen(ctx context.Context, s *service, m *measuredEngine) (err error) {
	if err := b.place(ctx, s, b.plan.open); err != nil {
		return err
	}
	if _, err := b.upstream.orders(); err != nil { // nobody pays them
		return err
	}
	m.open = b.plan.open
	m.services[0].memory.open, err = s.memory()
	return err
}
