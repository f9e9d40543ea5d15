package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(abandonVariable) != "" {
		abandonCluster()
	}
	os.Exit(pgtest.Main(m))
}

func TestNewDatabase(t *testing.T) {
	t.Parallel()

	t.Run("StartsEmptyAndIsNobodyElses", func(t *testing.T) {
		t.Parallel()
		first, second := pgtest.NewDatabase(t), pgtest.NewDatabase(t)
		execute(t, first, "CREATE TABLE orders (id int)")
		if count := queryInt(t, second, "SELECT count(*) FROM pg_tables WHERE tablename = 'orders'"); count != 0 {
			t.Errorf("the second database sees %d tables of the first", count)
		}
	})

	t.Run("IsDroppedAtTheEndOfItsTestWhoeverIsConnected", func(t *testing.T) {
		t.Parallel()
		var dropped string
		t.Run("Owner", func(t *testing.T) {
			dropped = pgtest.NewDatabase(t)
			connect(t, dropped)
		})
		_, err := pgx.Connect(t.Context(), dropped)
		if err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("connecting after the owner's end: got %v, want an error that the database does not exist", err)
		}
	})

	t.Run("WantsThePassword", func(t *testing.T) {
		t.Parallel()
		dsn, err := url.Parse(pgtest.NewDatabase(t))
		if err != nil {
			t.Fatal(err)
		}
		dsn.User = url.UserPassword(dsn.User.Username(), "guess")
		if _, err := pgx.Connect(t.Context(), dsn.String()); err == nil {
			t.Error("connected with a wrong password")
		}
	})

	t.Run("RunsOnASupportedVersion", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.NewDatabase(t)
		if version := queryInt(t, dsn, "SELECT current_setting('server_version_num')::int"); version < 130_000 {
			t.Errorf("server_version_num is %d, want 13 or newer", version)
		}
	})
}

func TestNewDatabaseFrom(t *testing.T) {
	t.Parallel()

	t.Run("PreparesOnceAndGivesEachTestItsCopy", func(t *testing.T) {
		t.Parallel()
		var prepared atomic.Int32
		prepare := func(dsn string) error {
			prepared.Add(1)
			return executeAt(t.Context(), dsn, "CREATE TABLE orders AS SELECT 1 AS id")
		}
		t.Run("Tests", func(t *testing.T) {
			for i := range 4 {
				t.Run(strconv.Itoa(i), func(t *testing.T) {
					t.Parallel()
					dsn := pgtest.NewDatabaseFrom(t, "copies", prepare)
					if got := queryInt(t, dsn, "SELECT count(*) FROM orders"); got != 1 {
						t.Errorf("the copy has %d orders, want 1", got)
					}
					execute(t, dsn, "DELETE FROM orders")
				})
			}
		})
		if got := prepared.Load(); got != 1 {
			t.Errorf("the template was prepared %d times, want once", got)
		}
	})

	t.Run("FailsTheTestWhosePreparationFailed", func(t *testing.T) {
		t.Parallel()
		refused := errors.New("migration 3 is broken")
		for range 2 {
			got := fatal(t, func(tb testing.TB) {
				tb.Helper()
				pgtest.NewDatabaseFrom(tb, "broken", func(string) error { return refused })
			})
			if !strings.Contains(got, refused.Error()) {
				t.Errorf("got the failure %q, want it to name %q", got, refused)
			}
		}
	})

	t.Run("RefusesATemplateWithoutName", func(t *testing.T) {
		t.Parallel()
		got := fatal(t, func(tb testing.TB) {
			tb.Helper()
			pgtest.NewDatabaseFrom(tb, "", func(string) error { return nil })
		})
		if !strings.Contains(got, "want a name") {
			t.Errorf("got the failure %q", got)
		}
	})
}

func TestCluster(t *testing.T) {
	t.Parallel()

	t.Run("KeepsCommittedRowsOverAKill", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.Start(t, pgtest.Durable())
		dsn := cluster.DSN("postgres")
		execute(t, dsn, "CREATE TABLE orders (id int)")
		execute(t, dsn, "INSERT INTO orders VALUES (1)")
		uncommitted := connect(t, dsn)
		if _, err := uncommitted.Exec(t.Context(), "BEGIN; INSERT INTO orders VALUES (2)"); err != nil {
			t.Fatal(err)
		}

		cluster.Kill()
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Fatal("connected to a killed server")
		}
		if _, err := uncommitted.Exec(t.Context(), "COMMIT"); err == nil {
			t.Fatal("committed at a killed server")
		}
		cluster.Restart()

		if got := cluster.DSN("postgres"); got != dsn {
			t.Errorf("the connection URL changed over the restart: %s, was %s", got, dsn)
		}
		if got := queryInt(t, dsn, "SELECT sum(id) FROM orders"); got != 1 {
			t.Errorf("sum of ids is %d, want 1: the committed row and nothing else", got)
		}
	})

	t.Run("KeepsRowsOverStopAndRestart", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.Start(t)
		dsn := cluster.DSN("postgres")
		execute(t, dsn, "CREATE TABLE orders (id int)")

		cluster.Stop()
		cluster.Stop()
		if _, err := pgx.Connect(t.Context(), dsn); err == nil {
			t.Fatal("connected to a stopped server")
		}
		cluster.Restart()
		cluster.Restart()

		if got := queryInt(t, dsn, "SELECT count(*) FROM orders"); got != 0 {
			t.Errorf("the table has %d rows, want 0", got)
		}
	})

	t.Run("DurableMeansThatCommitsWaitForTheDisk", func(t *testing.T) {
		t.Parallel()
		cluster := pgtest.Start(t, pgtest.Durable())
		for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			question := fmt.Sprintf("SELECT (current_setting('%s') = 'on')::int", setting)
			if queryInt(t, cluster.DSN("postgres"), question) != 1 {
				t.Errorf("%s is off", setting)
			}
		}
	})

	t.Run("LeavesNothingBehind", func(t *testing.T) {
		t.Parallel()
		endings := map[string]func(*pgtest.Cluster){
			"Running": func(*pgtest.Cluster) {},
			"Stopped": (*pgtest.Cluster).Stop,
			"Killed":  (*pgtest.Cluster).Kill,
		}
		for name, end := range endings {
			var dsn, folder string
			t.Run(name, func(t *testing.T) {
				cluster := pgtest.Start(t)
				dsn = cluster.DSN("postgres")
				folder = folderOf(t, dsn)
				end(cluster)
			})
			if gone, reason := isGone(dsn, folder); !gone {
				t.Errorf("%s: %s", name, reason)
			}
		}
	})
}

// abandonVariable makes this test binary start a cluster and then wait to be killed.
const abandonVariable = "PGTEST_ABANDON_CLUSTER"

func TestKilledTestProcessLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	abandoned := exec.CommandContext(t.Context(), executable, "-test.run=^$")
	abandoned.Env = append(os.Environ(), abandonVariable+"=1")
	output, err := abandoned.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := abandoned.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("the process said nothing before its end: %v", err)
	}
	dsn := strings.TrimSpace(line)
	folder := folderOf(t, dsn)

	if err := abandoned.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := abandoned.Wait(); err == nil {
		t.Fatal("the process ended well, want it killed")
	}

	// The guard is no child of this process, so there is nothing to wait for but its effect.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for {
		gone, reason := isGone(dsn, folder)
		if gone {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal(reason)
		}
	}
}

// abandonCluster tells where a cluster is and waits to be killed.
func abandonCluster() {
	fmt.Fprintln(os.Stdout, pgtest.Start(standIn{}).DSN("postgres"))
	select {}
}

// standIn is a test that ends by a panic, and what a cluster needs of a test where none runs.
type standIn struct{ testing.TB }

func (standIn) Helper()                           {}
func (standIn) Cleanup(func())                    {}
func (standIn) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// fatal runs body and returns the message that it ended the test with.
func fatal(t *testing.T, body func(testing.TB)) (message string) {
	t.Helper()
	defer func() {
		if reason := recover(); reason != nil {
			message = fmt.Sprint(reason)
		}
	}()
	body(standIn{t})
	t.Error("the test did not end")
	return ""
}

// isGone reports whether nobody listens at dsn any more and folder is removed, and what is left when not.
func isGone(dsn, folder string) (gone bool, reason string) {
	location, err := url.Parse(dsn)
	if err != nil {
		return false, err.Error()
	}
	if connection, err := net.Dial("tcp", location.Host); err == nil {
		return false, errors.Join(errors.New("the server still listens"), connection.Close()).Error()
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Sprintf("the folder %s is still there: %v", folder, err)
	}
	return true, ""
}

// folderOf asks a server for the folder of its cluster.
func folderOf(t *testing.T, dsn string) string {
	t.Helper()
	var data string
	if err := connect(t, dsn).QueryRow(t.Context(), "SHOW data_directory").Scan(&data); err != nil {
		t.Fatal(err)
	}
	if folder := filepath.Dir(data); strings.HasPrefix(filepath.Base(folder), "tongbao-pgtest-") {
		return folder
	}
	t.Fatalf("the data directory %s is in no folder of pgtest's", data)
	return ""
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	if err := executeAt(t.Context(), dsn, statement); err != nil {
		t.Fatal(err)
	}
}

func executeAt(ctx context.Context, dsn, statement string) error {
	connection, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = connection.Exec(ctx, statement)
	return errors.Join(err, connection.Close(ctx))
}

func queryInt(t *testing.T, dsn, query string) (answer int) {
	t.Helper()
	connection := connect(t, dsn)
	if err := connection.QueryRow(t.Context(), query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	if err := connection.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return answer
}
