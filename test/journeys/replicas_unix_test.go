//go:build unix

package journeys_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/tongbao-pay/tongbao/client"
)

// replicas are processes on one database behind one balancer.
type replicas struct {
	*world
	processes []*process
	balancer  string
}

// openReplicas starts n of them on a migrated PostgreSQL. Prepare may change the configuration that all of them read, and
// returns what each has in its environment.
func openReplicas(t *testing.T, n int, dsn string, prepare func(*world, *process) (environment []string)) *replicas {
	t.Helper()
	w, first := openProcess(t, engine{"PostgreSQL", func(*testing.T) string { return dsn }})
	_, secret := first.createKey(shopApp)
	first.kill()

	r := &replicas{world: w, processes: []*process{first}}
	environment := prepare(w, first)
	for len(r.processes) < n {
		r.processes = append(r.processes, first.twin())
	}
	r.balance(t)
	for _, p := range r.processes {
		p.environment = append([]string{"TONGBAO_LISTEN=" + p.address, "TONGBAO_PUBLIC_URL=" + r.balancer}, environment...)
		p.start()
		t.Cleanup(p.kill)
	}
	w.client = r.clientOf(client.Config{APIKey: secret})
	w.once = r.clientOf(client.Config{APIKey: secret, Tries: 1})
	return r
}

// twin is another process on the same configuration, at an address of its own.
func (p *process) twin() *process {
	p.t.Helper()
	return &process{t: p.t, program: p.program, config: p.config, address: freeAddress(p.t), log: &lines{}}
}

// clientOf is a client of whichever replica.
func (r *replicas) clientOf(c client.Config) *client.Client {
	r.t.Helper()
	c.BaseURL = r.balancer
	return r.newClient(c)
}

// balance takes requests to one replica after the other, dead or alive.
func (r *replicas) balance(t *testing.T) {
	t.Helper()
	var turn atomic.Int64
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(&url.URL{Scheme: "http", Host: r.processes[int(turn.Add(1))%len(r.processes)].address})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.Close)
	r.balancer = server.URL
}
