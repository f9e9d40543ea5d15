package simulate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/job"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/internal/webhook"
	"github.com/tongbao-pay/tongbao/sandbox"
	"github.com/tongbao-pay/tongbao/sandbox/control"
)

const accountID = "wechat-simulated"

// world is where one script is played.
type world struct {
	script   Script
	clock    *clock
	sandbox  *sandbox.Sandbox
	provider provider
	front    *front
	config   config.Config
	dsn      string
	replicas []*replica
	jobs     *jobs
	store    *store.Store // a handle of the simulation's own
	db       *sql.DB      // the same database
	apps     []*app
	deals    []*deal
	forger   forger
	log      *lines
	upkeepAt time.Time
	shut     map[string]bool // trade numbers of closed payments whose orders were seen to be payable no more

	history history
	closers []func(context.Context) error // the last first
}

// replica is one gateway.
type replica struct {
	number int
	skew   atomic.Int64
	server *server.Server // nil: stopped
	queue  *queue
	stop   func() error
	mu     sync.Mutex // one start or stop at a time
}

// open builds a world in a folder of its own. What it has built when it fails is released, too.
func (g *ground) open(ctx context.Context, script Script) (_ *world, err error) {
	w := &world{script: script, clock: &clock{now: begins}, log: &lines{}, shut: map[string]bool{}}
	w.upkeepAt = begins.Add(time.Hour)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(ctx))
		}
	}()
	folder, err := os.MkdirTemp(g.folder, "run-")
	if err != nil {
		return nil, err
	}
	w.later(func(context.Context) error { return os.RemoveAll(folder) })
	if err := w.openSandbox(ctx, g, folder); err != nil {
		return nil, err
	}
	if err := w.openStore(ctx, g, folder); err != nil {
		return nil, err
	}
	if w.front, err = openFront(ctx, script.Replicas); err != nil {
		return nil, err
	}
	w.later(func(context.Context) error { return w.front.close() })
	if err := w.configure(g, folder); err != nil {
		return nil, err
	}
	for i := range script.Replicas {
		w.replicas = append(w.replicas, &replica{number: i + 1})
	}
	w.later(func(ctx context.Context) error { return w.stopAll(ctx) })
	for _, r := range w.replicas {
		if err := w.start(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := w.openApps(ctx); err != nil {
		return nil, err
	}
	account := w.sandbox.Credentials().WeChatPay
	w.forger = forger{key: g.forgerKey, account: account, url: w.front.url() + "/notify/wechat/" + accountID, http: &http.Client{Timeout: patience}}
	return w, nil
}

// patience bounds every single wait, in the machine's time: what takes longer hangs.
const patience = 60 * time.Second

// patienceWithTime bounds a move of the clock, in which the work of hours may be done.
const patienceWithTime = 10 * patience

func (w *world) later(release func(context.Context) error) { w.closers = append(w.closers, release) }

func (w *world) close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for i := range w.closers {
		errs = append(errs, w.closers[len(w.closers)-1-i](ctx))
	}
	return errors.Join(errs...)
}

func sandboxConfig(dir string, c *clock) sandbox.Config {
	return sandbox.Config{Dir: dir, Listen: anyPort, Backup: anyPort, Control: anyPort, Phone: anyPort, Real: c.Now}
}

func (w *world) openSandbox(ctx context.Context, g *ground, folder string) (err error) {
	dir := filepath.Join(folder, "sandbox")
	if err := os.CopyFS(dir, os.DirFS(g.identities)); err != nil {
		return err
	}
	c := sandboxConfig(dir, w.clock)
	c.Seed = w.script.Seed + 1 // zero would be no seed
	if w.sandbox, err = sandbox.Open(c); err != nil {
		return err
	}
	w.provider = provider{control.Client{URL: w.sandbox.ControlURL(), HTTP: &http.Client{Timeout: patience}}}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- w.sandbox.Serve(serving) }()
	w.later(func(context.Context) error { stop(); return <-done })
	return nil
}

func (w *world) openStore(ctx context.Context, g *ground, folder string) error {
	dsn, drop, err := g.database(ctx, folder)
	if err != nil {
		return err
	}
	w.later(drop)
	if w.store, err = store.Open(ctx, dsn); err != nil {
		return err
	}
	w.later(func(context.Context) error { return w.store.Close() })
	db, release := handle(w.store)
	w.later(func(context.Context) error { return release() })
	w.db, w.jobs = db, &jobs{db: db, clock: w.clock}
	w.dsn = dsn
	return nil
}

// handle is the database for queries that need no dialect.
func handle(s *store.Store) (db *sql.DB, release func() error) {
	if s.Postgres() == nil {
		return s.SQLite(), func() error { return nil } // the store's own
	}
	db = stdlib.OpenDBFromPool(s.Postgres())
	return db, db.Close
}

func (w *world) configure(g *ground, folder string) error {
	c := w.sandbox.Credentials()
	p := c.WeChatPay
	text := fmt.Sprintf(configuration, w.front.url(), filepath.Join(g.folder, "master.key"), w.dsn, giveBack, keep, ask, accountID,
		p.MchID, p.AppID, p.MerchantSerialNo, c.Path(p.MerchantPrivateKeyFile), p.APIv3Key, p.PublicKeyID, c.Path(p.PublicKeyFile), p.BaseURL, p.BackupURL)
	path := filepath.Join(folder, "tongbao.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	var err error
	w.config, err = config.Load(path, nil)
	return err
}

const configuration = `listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
public_url: %q
master_key_file: %q
database: %q
migrate: manual
webhooks:
  allow_private: ["127.0.0.0/8"]
shutdown: {delay: 0s, timeout: 30s}
apps:
  - {id: %q, late_payment: refund}
  - {id: %q, late_payment: accept}
  - {id: %q, late_payment: review}
accounts:
  - id: %q
    channel: wechat
    mchid: %q
    appid: %q
    merchant_serial_no: %q
    private_key_file: %q
    api_v3_key: %q
    public_key_id: %q
    public_key_file: %q
    base_url: %q
    backup_url: %q
`

// now is the replica's clock.
func (r *replica) now(c *clock) time.Time { return c.Now().Add(time.Duration(r.skew.Load())) }

// start starts a replica that is stopped.
func (w *world) start(ctx context.Context, r *replica) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		return nil
	}
	now := func() time.Time { return r.now(w.clock) }
	s, err := server.Open(ctx, server.Options{
		Config: w.config, Version: "simulated", Logger: server.NewLogger(w.log, config.Log{Level: "warn", Format: "text"}), Now: now, Shared: true,
		Queue: func(c job.Config) (server.Queue, error) {
			r.queue = &queue{jobs: w.jobs, work: c.Work, upkeep: c.Hourly, now: now}
			return r.queue, nil
		},
	})
	if err != nil {
		return fmt.Errorf("start replica %d: %w", r.number, err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- s.Serve(serving) }()
	r.server, r.stop = s, func() error { stop(); return <-done }
	return w.front.serve(r.number, s.URL())
}

// halt stops a replica that runs; what it was doing, it finishes.
func (w *world) halt(r *replica) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server == nil {
		return nil
	}
	err := errors.Join(w.front.serve(r.number, ""), r.stop())
	r.server = nil
	return err
}

func (w *world) stopAll(context.Context) error {
	var errs []error
	for _, r := range w.replicas {
		errs = append(errs, w.halt(r))
	}
	return errors.Join(errs...)
}

// queues are those of the replicas that run.
func (w *world) queues() []*queue {
	var all []*queue
	for _, r := range w.replicas {
		r.mu.Lock()
		if r.server != nil {
			all = append(all, r.queue)
		}
		r.mu.Unlock()
	}
	return all
}

func (w *world) openApps(ctx context.Context) error {
	mux := http.NewServeMux()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", anyPort)
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = hs.Serve(l) }() // ends at close
	w.later(func(context.Context) error { return hs.Close() })
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, DisableKeepAlives: false}
	w.later(func(context.Context) error { transport.CloseIdleConnections(); return nil })
	gateway := w.replicas[0].server
	for _, id := range []string{giveBack, keep, ask} {
		_, key, err := gateway.Access.CreateKey(ctx, id, time.Time{})
		if err != nil {
			return err
		}
		address := "http://" + l.Addr().String() + "/" + url.PathEscape(id)
		_, text, err := gateway.Webhooks.CreateEndpoint(ctx, id, webhook.EndpointSettings{URL: &address})
		if err != nil {
			return err
		}
		a := &app{id: id, inbox: &inbox{secret: text.Reveal(), now: w.clock.Now, bodies: map[string][]byte{}}}
		mux.Handle("/"+id, a.inbox)
		a.client, err = client.New(client.Config{
			BaseURL: w.front.url(), APIKey: client.Secret(key.Reveal()), Tries: 1, Now: w.clock.Now,
			HTTPClient: &http.Client{Timeout: patience, Transport: traveller{transport}},
		})
		if err != nil {
			return err
		}
		w.apps = append(w.apps, a)
	}
	for i, intent := range w.script.Payments {
		w.deals = append(w.deals, w.app(intent.App).open(i+1, intent))
	}
	return nil
}

func (w *world) app(id string) *app {
	for _, a := range w.apps {
		if a.id == id {
			return a
		}
	}
	panic("simulate: the script has an app that the world has not") // unreachable: both use the same names
}

// lines is a log that many write.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// last are the last lines.
func (l *lines) last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := bytes.Split(bytes.TrimSpace(l.text.Bytes()), []byte("\n"))
	var texts []string
	for _, line := range all[max(0, len(all)-n):] {
		texts = append(texts, string(line))
	}
	return texts
}
