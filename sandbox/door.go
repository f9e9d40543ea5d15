package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// door is one address the sandbox listens on. It can be shut, so that connections are refused, and opened again.
type door struct {
	address string // with the real port
	handler http.Handler
	tls     *tls.Config // nil: plain HTTP; a server writes into its own copy
	logger  *slog.Logger

	mu       sync.Mutex
	listener net.Listener // nil: shut
	server   *http.Server // nil: not serving
	serving  bool
	group    sync.WaitGroup
}

// bind takes the address and serves nothing yet.
func bind(name, address string, logger *slog.Logger) (*door, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w; choose another address, or port 0 for a free one", name, err)
	}
	return &door{address: listener.Addr().String(), listener: listener, logger: logger}, nil
}

// url is where this machine reaches the door.
func (d *door) url() string {
	host, port, err := net.SplitHostPort(d.address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return "http://" + net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + d.address
}

// serve starts answering.
func (d *door) serve() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serving = true
	d.start()
}

// start serves on the listener, if there is one. The caller holds the lock.
func (d *door) start() {
	if !d.serving || d.listener == nil {
		return
	}
	server := &http.Server{
		Handler: d.handler, TLSConfig: d.tls.Clone(), ErrorLog: slog.NewLogLogger(d.logger.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	d.server = server
	listener := d.listener
	d.group.Go(func() {
		var err error
		if d.tls != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			d.logger.Error("stopped listening", "address", d.address, "error", err)
		}
	})
}

// shut refuses connections and cuts those that are open.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		d.listener.Close() // closing twice is harmless
		d.listener = nil
	}
	if d.server != nil {
		d.server.Close()
		d.server = nil
	}
}

// open undoes shut.
func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return fmt.Errorf("listen on %s again: %w", d.address, err)
	}
	d.listener = listener
	d.start()
	return nil
}

// drain stops listening, waits for the requests under way as long as ctx lasts, and then cuts them.
func (d *door) drain(ctx context.Context) {
	d.mu.Lock()
	server, listener := d.server, d.listener
	d.serving, d.server, d.listener = false, nil, nil
	d.mu.Unlock()
	if server != nil {
		if err := server.Shutdown(ctx); err != nil {
			server.Close()
		}
	}
	if listener != nil {
		listener.Close() // closing twice is harmless
	}
	d.group.Wait()
}
