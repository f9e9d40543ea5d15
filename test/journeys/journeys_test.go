// Package journeys_test proves the gateway's promises on the whole of it: a real server, the sandbox of the provider and
// the public client, over loopback HTTP, each journey on SQLite and on PostgreSQL.
package journeys_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// patience bounds every wait for what must happen by itself. The longest is for a refund whose sender was killed in the
// middle: its job leaves the sender 40 seconds.
const patience = 75 * time.Second

// atOnce is how many journeys run at the same time where nobody says otherwise: most of them wait more than they work.
const atOnce = "8"

// spans are those of the whole process; a journey finds its own by their trace.
var spans = tracetest.NewInMemoryExporter()

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", atOnce) // it exists: this is a test
	}
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sdktrace.ParentBased(looked{}))))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	code := pgtest.Main(m)
	if err := prepared.remove(); err != nil {
		fmt.Fprintln(os.Stderr, "journeys: remove what was prepared:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// checkout is the name of the span around what an app does that traces its own requests.
const checkout = "checkout"

// looked samples the traces that journeys look at: those that an app or a notification began. All of them, with every
// statement of every database, would fill the memory.
type looked struct{}

func (looked) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Name == checkout || strings.HasPrefix(p.Name, "notification ") {
		return sdktrace.AlwaysSample().ShouldSample(p)
	}
	return sdktrace.NeverSample().ShouldSample(p)
}

func (looked) Description() string { return "what journeys look at" }

// engine is a kind of database that journeys run on.
type engine struct {
	name string
	// database makes a migrated, empty database and returns its DSN.
	database func(*testing.T) string
}

var (
	onSQLite   = engine{"SQLite", newSQLite}
	onPostgres = engine{"PostgreSQL", newPostgres}
)

// onBoth runs a journey once for each engine.
func onBoth(t *testing.T, journey func(*testing.T, engine)) {
	t.Helper()
	t.Parallel()
	for _, e := range []engine{onSQLite, onPostgres} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			journey(t, e)
		})
	}
}

func newSQLite(t *testing.T) string { return "sqlite:" + prepared.database(t) }

func newPostgres(t *testing.T) string { return pgtest.NewDatabaseFrom(t, "gateway", migrate) }

func migrate(dsn string) (err error) {
	ctx := context.Background()
	s, err := store.Open(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = server.Migrate(ctx, s)
	return err
}

// preparations are made once for all journeys, on first use.
type preparations struct {
	mu         sync.Mutex
	folder     string
	identities string // a sandbox's directory
	migrated   string // an SQLite database
	binary     string
}

var prepared preparations

func (p *preparations) remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folder == "" {
		return nil
	}
	return os.RemoveAll(p.folder)
}

// path is a place in the folder that is removed at the end. The caller holds the lock.
func (p *preparations) path(name string) (_ string, err error) {
	if p.folder == "" {
		p.folder, err = os.MkdirTemp("", "tongbao-journeys-")
	}
	return filepath.Join(p.folder, name), err
}

// sandboxDir returns a new directory with identities that were made once: making keys takes longer than most journeys.
func (p *preparations) sandboxDir(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.identities == "" {
		dir, err := p.path("identities")
		if err != nil {
			t.Fatal(err)
		}
		s, err := sandbox.Open(sandboxConfig(dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		p.identities = dir
	}
	dir := filepath.Join(t.TempDir(), "sandbox")
	if err := os.CopyFS(dir, os.DirFS(p.identities)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// database returns the path of a new SQLite database, a copy of one that was migrated once.
func (p *preparations) database(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.migrated == "" {
		path, err := p.path("migrated.db")
		if err == nil {
			err = migrate("sqlite:" + path)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.migrated = path
	}
	content, err := os.ReadFile(p.migrated)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tongbao.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// program builds the binary once and returns its path.
func (p *preparations) program(t *testing.T) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.binary == "" {
		path, err := p.path("tongbao")
		if err != nil {
			t.Fatal(err)
		}
		// A test's result is cached by the files that it looks at; those that go build reads for it are not seen.
		sources, err := filepath.Glob("../../cmd/tongbao/*.go")
		if err != nil || len(sources) == 0 {
			t.Fatalf("the program's sources: %q, %v", sources, err)
		}
		for _, source := range sources {
			if _, err := os.Stat(source); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/tongbao-pay/tongbao/cmd/tongbao")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build the program: %v\n%s", err, output)
		}
		p.binary = path
	}
	return p.binary
}

func sandboxConfig(dir string) sandbox.Config {
	const anyPort = "127.0.0.1:0"
	return sandbox.Config{Dir: dir, Listen: anyPort, Backup: anyPort, Control: anyPort, Phone: anyPort}
}
