//go:build unix && chaos

package journeys_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/redistest"
)

var killsFor = flag.Duration("kills", 0, "how long storms with kills go on; 0: for one storm")

// link is a network between two parties, which can be cut.
type link struct{ *toxiproxy.Proxy }

func openLink(t *testing.T, to string) link {
	t.Helper()
	none := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	l := link{toxiproxy.NewProxy(none, "link", "127.0.0.1:0", to)}
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

// fallible are replicas that can lose each of what they depend on.
type fallible struct {
	*replicas
	cluster            *pgtest.Cluster
	redis              *redistest.Server
	database, provider link
}

func openFallible(t *testing.T, n int) *fallible {
	t.Helper()
	f := &fallible{cluster: pgtest.Start(t, pgtest.Durable()), redis: redistest.Start(t)}
	dsn := f.cluster.DSN("postgres")
	if err := migrate(dsn); err != nil {
		t.Fatal(err)
	}
	f.replicas = openReplicas(t, n, dsn, func(w *world, first *process) []string {
		credentials := w.sandbox.Credentials().WeChatPay
		f.database = openLink(t, hostOf(t, dsn))
		f.provider = openLink(t, hostOf(t, credentials.BaseURL))
		first.rewire(hostOf(t, dsn), f.database.Listen, hostOf(t, credentials.BaseURL), f.provider.Listen, hostOf(t, credentials.BackupURL), f.provider.Listen)
		return []string{"TONGBAO_REDIS_URL=" + f.redis.URL()}
	})
	return f
}

func hostOf(t *testing.T, location string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil || u.Port() == "" {
		t.Fatalf("no host and port in a URL of the test: %v", err)
	}
	return u.Host
}

// rewire changes addresses in the configuration; they are pairs of old and new.
func (p *process) rewire(addresses ...string) {
	p.t.Helper()
	text, err := os.ReadFile(p.config)
	if err == nil {
		err = os.WriteFile(p.config, []byte(strings.NewReplacer(addresses...).Replace(string(text))), 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// harms are what happens to replicas in a storm.
func (r *fallible) harms() []func() string {
	return []func() string{
		r.killOne, r.killOne, r.killOne, r.killAll,
		func() string {
			r.cluster.Kill()
			r.cluster.Restart()
			return "PostgreSQL killed"
		},
		func() string {
			r.redis.Kill(r.t)
			eventually(r.t, r.processes[0].lacksRedis)
			r.redis.Restart(r.t)
			return "Redis killed"
		},
		func() string {
			r.database.Stop()
			eventually(r.t, func() error {
				if err := r.processes[0].ready(); err != nil {
					return nil //nolint:nilerr // it has noticed
				}
				return fmt.Errorf("%s is ready without its database", r.processes[0].address)
			})
			r.reopen(r.database)
			return "database cut off"
		},
		func() string {
			r.world.provider.fault(object{"operation": "prepay", "effect": "delay", "delay": "500ms", "times": 10})
			r.provider.Stop()
			r.reopen(r.provider)
			return "provider cut off"
		},
	}
}

func (r *fallible) reopen(l link) {
	r.t.Helper()
	if err := l.Start(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *fallible) killOne() string {
	p := r.processes[rand.N(len(r.processes))]
	p.kill()
	p.start()
	return p.address + " killed"
}

func (r *fallible) killAll() string {
	for _, p := range r.processes {
		p.kill()
	}
	for _, p := range r.processes {
		p.start()
	}
	return "all killed"
}

func TestThreeReplicasKilledAtRandomInAStormLoseNothing(t *testing.T) {
	t.Parallel()
	r := openFallible(t, 3)
	for began := time.Now(); ; {
		harms := r.harms()
		rand.Shuffle(len(harms), func(i, j int) { harms[i], harms[j] = harms[j], harms[i] })
		s := r.storm(10 * (len(harms) + 1))
		for i, harm := range harms {
			s.reaches(int64(10 * (i + 1)))
			t.Log(harm())
		}
		r.twoMinutesPass()
		s.ends()
		r.reconcile()
		if time.Since(began) >= *killsFor {
			return
		}
	}
}

func TestOneProcessOnSQLiteKilledAtRandomInStormsLosesNothing(t *testing.T) {
	t.Parallel()
	w, p := openProcess(t, onSQLite)
	for began := time.Now(); ; {
		s := w.storm(40)
		for n := range int64(3) {
			s.reaches(5 + 10*n + rand.N[int64](5))
			p.kill()
			w.twoMinutesPass()
			p.start()
		}
		s.ends()
		w.reconcile()
		if time.Since(began) >= *killsFor {
			return
		}
	}
}
