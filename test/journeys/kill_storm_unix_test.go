//go:build unix && chaos

package journeys_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
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

// replicas are processes on one database behind one balancer, with links to the database and to the provider.
type replicas struct {
	*world
	processes          []*process
	cluster            *pgtest.Cluster
	database, provider link
}

func openReplicas(t *testing.T, n int) *replicas {
	t.Helper()
	cluster := pgtest.Start(t, pgtest.Durable())
	dsn := cluster.DSN("postgres")
	if err := migrate(dsn); err != nil {
		t.Fatal(err)
	}
	w, first := openProcess(t, engine{"PostgreSQL", func(*testing.T) string { return dsn }})
	secret := first.createKey()
	first.kill()

	r := &replicas{world: w, cluster: cluster, processes: []*process{first}}
	r.database = openLink(t, hostOf(t, dsn))
	credentials := w.sandbox.Credentials().WeChatPay
	r.provider = openLink(t, hostOf(t, credentials.BaseURL))
	first.rewire(hostOf(t, dsn), r.database.Listen, hostOf(t, credentials.BaseURL), r.provider.Listen, hostOf(t, credentials.BackupURL), r.provider.Listen)
	for len(r.processes) < n {
		r.processes = append(r.processes, &process{t: t, program: first.program, config: first.config, address: freeAddress(t), log: &lines{}})
	}
	balancer := r.balance(t)
	for _, p := range r.processes {
		p.environment = []string{"TONGBAO_LISTEN=" + p.address, "TONGBAO_PUBLIC_URL=" + balancer}
		p.start()
		t.Cleanup(p.kill)
	}
	w.client = w.newClient(client.Config{BaseURL: balancer, APIKey: secret})
	w.once = w.newClient(client.Config{BaseURL: balancer, APIKey: secret, Tries: 1})
	return r
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

// balance takes requests to one replica after the other, dead or alive.
func (r *replicas) balance(t *testing.T) string {
	t.Helper()
	var turn atomic.Int64
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(&url.URL{Scheme: "http", Host: r.processes[int(turn.Add(1))%len(r.processes)].address})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.Close)
	return server.URL
}

// harms are what happens to replicas in a storm.
func (r *replicas) harms() []func() string {
	return []func() string{
		r.killOne, r.killOne, r.killOne, r.killAll,
		func() string {
			r.cluster.Kill()
			r.cluster.Restart()
			return "PostgreSQL killed"
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

func (r *replicas) reopen(l link) {
	r.t.Helper()
	if err := l.Start(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replicas) killOne() string {
	p := r.processes[rand.N(len(r.processes))]
	p.kill()
	p.start()
	return p.address + " killed"
}

func (r *replicas) killAll() string {
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
	r := openReplicas(t, 3)
	for began := time.Now(); ; {
		harms := r.harms()
		rand.Shuffle(len(harms), func(i, j int) { harms[i], harms[j] = harms[j], harms[i] })
		s := r.storm(10 * (len(harms) + 1))
		for i, harm := range harms {
			s.reaches(int64(10 * (i + 1)))
			t.Log(harm())
		}
		eventually(t, func() error { // the pool may hold connections that died
			_, err := r.store.Postgres().Exec(t.Context(), `SELECT 1`)
			return err
		})
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
