package journeys_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/client"
	"github.com/tongbao-pay/tongbao/internal/pgtest"
)

// disk is where a database lies. Full, it lets no file of the database's grow: the system refuses it to the process that
// writes them, as it refuses what is beyond a disk or a quota, and needs no disk of that size and no privilege for it.
type disk struct {
	fill, free func(*testing.T)
	why        string // in the gateway's log
}

// limitFiles bounds the size of every file that a process writes, and those processes that it starts.
func limitFiles(t *testing.T, pid int, size string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "prlimit", "--pid", strconv.Itoa(pid), "--fsize="+size+":")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("prlimit (of util-linux): %v\n%s", err, output)
	}
}

// diskOfSQLite is full when the write-ahead log cannot grow.
func diskOfSQLite(p *process, path string) disk {
	return disk{
		why: "disk I/O error",
		fill: func(t *testing.T) {
			t.Helper()
			log, err := os.Stat(path + "-wal")
			if err != nil {
				t.Fatal(err)
			}
			limitFiles(t, p.command.Process.Pid, strconv.FormatInt(log.Size(), 10))
		},
		free: func(t *testing.T) {
			t.Helper()
			select {
			case <-p.gone: // the next one begins without a limit
			default:
				limitFiles(t, p.command.Process.Pid, "unlimited")
			}
		},
	}
}

// diskOfPostgres is full when no table can grow beyond what a segment of its log takes, and the table of events, of which
// every transition writes, has grown so far. A log that cannot grow ends the server itself; that is another journey.
func diskOfPostgres(dsn string) disk {
	const segment = 16 << 20
	// limit is for sessions that begin after it: the others are ended.
	limit := func(t *testing.T, size string) *pgx.Conn {
		t.Helper()
		before, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close(t.Context())
		// The server does it to itself: it may run as another user than the test.
		if _, err := before.Exec(t.Context(), `COPY (SELECT) TO PROGRAM 'cat >/dev/null; prlimit --pid $(head -n 1 postmaster.pid) --fsize=`+size+`:'`); err != nil {
			t.Fatal(err)
		}
		after, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = after.Close(t.Context()) })
		_, err = after.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
		return after
	}
	return disk{
		why: "could not extend file",
		fill: func(t *testing.T) {
			t.Helper()
			conn := limit(t, strconv.Itoa(segment))
			if _, err := conn.Exec(t.Context(), `ALTER TABLE events SET (autovacuum_enabled = off)`); err != nil {
				t.Fatal(err)
			}
			for _, width := range []int{1900, 1} { // neither commits, both leave their rows behind
				_, err := conn.Exec(t.Context(), `INSERT INTO events (app_id, id, type, resource_type, resource_id, sequence, created_at, object, position)
					SELECT 'filler', n::text, '', '', n::text, 1, 0, repeat('x', $1), 0 FROM generate_series(1, 1000000) n`, width)
				if err == nil || !strings.Contains(err.Error(), "could not extend file") {
					t.Fatalf("the disk does not fill: %v", err)
				}
			}
		},
		free: func(t *testing.T) {
			t.Helper()
			limit(t, "unlimited")
		},
	}
}

func TestADiskThatIsFullLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		dsn := newSQLite(t)
		w, p := openProcess(t, engine{"SQLite", func(*testing.T) string { return dsn }})
		w.outlastsAFullDisk(p, diskOfSQLite(p, strings.TrimPrefix(dsn, "sqlite:")))
		if n, err := w.number(`SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'`); err != nil || n != 0 {
			t.Errorf("the file has %d faults, %v", n, err)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t, pgtest.Durable()).DSN("postgres")
		if err := migrate(dsn); err != nil {
			t.Fatal(err)
		}
		w, p := openProcess(t, engine{"PostgreSQL", func(*testing.T) string { return dsn }})
		w.outlastsAFullDisk(p, diskOfPostgres(dsn))
	})
}

func (w *world) outlastsAFullDisk(p *process, d disk) {
	w.paid(100)
	waiting := w.create(200)

	d.fill(w.t)
	request := w.refusedForWantOfSpace(p, d)
	w.provider.pays(waiting.TradeNo)
	if answer := w.notified(waiting.TradeNo, 1)[0]; answer.Status < http.StatusInternalServerError {
		w.t.Errorf("a notification that cannot be stored is answered %d", answer.Status)
	}
	w.show(waiting.ID, client.PaymentPending) // what is there can be read

	d.free(w.t)
	w.placed(request)
	w.provider.advance(15 * time.Second) // the provider sends again
	w.inbox.wait(client.EventPaymentSucceeded, waiting.ID)

	d.fill(w.t)
	request = w.refusedForWantOfSpace(p, d)
	p.kill()
	d.free(w.t)
	w.twoMinutesPass()
	p.start()
	w.placed(request)
	w.paid(300)
	w.reconcile()
}

// refusedForWantOfSpace creates payments until there is no room for one, and returns it.
func (w *world) refusedForWantOfSpace(p *process, d disk) client.CreatePayment {
	w.t.Helper()
	var request client.CreatePayment
	var err error
	met := strings.Count(p.log.String(), d.why)
	eventually(w.t, func() error {
		request = order(300)
		if _, err = w.once.CreatePayment(w.t.Context(), request); err == nil {
			return fmt.Errorf("there is still room for %s", request.OutTradeNo)
		}
		if strings.Count(p.log.String(), d.why) == met {
			return fmt.Errorf("refused for another reason than %q: %w", d.why, err)
		}
		return nil
	})
	refusal := refusalOf(w.t, err, http.StatusInternalServerError, "internal")
	if refusal.RetryAfter == 0 || strings.Contains(refusal.Detail, "file") {
		w.t.Errorf("the app is told %q, and to come again in %s", refusal.Detail, refusal.RetryAfter)
	}
	return request
}

// placed repeats a create until there is something to pay.
func (w *world) placed(request client.CreatePayment) {
	w.t.Helper()
	eventually(w.t, func() error {
		p, err := w.once.CreatePayment(w.t.Context(), request)
		if err == nil && p.Status != client.PaymentPending {
			err = fmt.Errorf("the payment is %s", p.Status)
		}
		return err
	})
}
