package simulate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const anyPort = "127.0.0.1:0"

// front stands before the replicas as a load balancer does, and is the network between them and everybody else.
type front struct {
	listener net.Listener
	server   *http.Server

	mu       sync.Mutex
	replicas []*url.URL // nil: not in service
	turn     int
}

// How an app's request says what is to happen to it on its way.
const (
	headerReplica = "X-Simulate-Replica"
	headerNetwork = "X-Simulate-Network"
)

func openFront(ctx context.Context, replicas int) (*front, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", anyPort)
	if err != nil {
		return nil, err
	}
	f := &front{listener: l, replicas: make([]*url.URL, replicas)}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(replicaOf(r.In)); r.Out.Host = r.In.Host },
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // whoever asked is told
		Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second},
	}
	f.server = &http.Server{Handler: f.handler(proxy), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go func() { _ = f.server.Serve(l) }() // ends at close
	return f, nil
}

func (f *front) url() string { return "http://" + f.listener.Addr().String() }

func (f *front) close() error { return f.server.Close() }

// serve takes a replica into service, or out of it where there is no URL.
func (f *front) serve(replica int, at string) error {
	var u *url.URL
	if at != "" {
		var err error
		if u, err = url.Parse(at); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replicas[replica-1] = u
	return nil
}

type replicaKey struct{}

func replicaOf(r *http.Request) *url.URL {
	u, _ := r.Context().Value(replicaKey{}).(*url.URL)
	return u
}

// choose is the replica that was asked for, if it is in service, else the next one that is; nil if none is.
func (f *front) choose(wanted int) *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wanted == 0 {
		f.turn++
		wanted = f.turn
	}
	for i := range f.replicas {
		if u := f.replicas[(wanted-1+i)%len(f.replicas)]; u != nil {
			return u
		}
	}
	return nil
}

func (f *front) handler(proxy http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wanted, _ := strconv.Atoi(r.Header.Get(headerReplica)) // 0: whoever comes next
		network := r.Header.Get(headerNetwork)
		r.Header.Del(headerReplica)
		r.Header.Del(headerNetwork)
		replica := f.choose(wanted)
		if replica == nil {
			http.Error(w, "no replica is in service", http.StatusServiceUnavailable)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), replicaKey{}, replica))
		switch network {
		case requestLost:
			panic(http.ErrAbortHandler)
		case answerLost:
			proxy.ServeHTTP(nowhere{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	})
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// way is what an operation wants to happen to its request.
type way struct {
	replica int
	network string
}

type wayKey struct{}

func onWay(ctx context.Context, op Op) context.Context {
	return context.WithValue(ctx, wayKey{}, way{op.Replica, op.Network})
}

// traveller writes onto an app's request what is to happen to it.
type traveller struct{ http.RoundTripper }

func (t traveller) RoundTrip(r *http.Request) (*http.Response, error) {
	if w, ok := r.Context().Value(wayKey{}).(way); ok {
		r = r.Clone(r.Context())
		r.Header.Set(headerReplica, strconv.Itoa(w.replica))
		if w.network != "" {
			r.Header.Set(headerNetwork, w.network)
		}
	}
	return t.RoundTripper.RoundTrip(r)
}

// lost reports whether an answer never came.
func lost(err error) bool {
	var network *url.Error
	return errors.As(err, &network)
}

func (w way) String() string { return fmt.Sprintf("replica %d %s", w.replica, w.network) }
