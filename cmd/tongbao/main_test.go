package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
)

// tongbao runs one command line in a folder of its own and returns what it printed.
func tongbao(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, system{stdout: &out, stderr: &errs, environ: environ})
	return code, out.String(), errs.String()
}

// installation writes a configuration on SQLite and returns its path.
func installation(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tongbao.yaml")
	text := "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\ndatabase: sqlite:tongbao.db\nmaster_key_file: master.key\nlog: {level: error}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// installed is the configuration of an installation that has a database.
func installed(t *testing.T) string {
	t.Helper()
	file := installation(t)
	if code, _, errs := tongbao(t, nil, "migrate", "up", "--config", file); code != exitDone {
		t.Fatalf("code %d, %q", code, errs)
	}
	return file
}

func TestCommandLine(t *testing.T) {
	t.Run("NoCommandShowsHelpAndIsDone", func(t *testing.T) {
		code, out, _ := tongbao(t, nil)
		if code != exitDone || !strings.Contains(out, "demo") || !strings.Contains(out, "serve") {
			t.Fatalf("code %d, printed %q", code, out)
		}
	})
	t.Run("EveryCommandHasHelpWithAnExample", func(t *testing.T) {
		for _, command := range everyCommand(t) {
			code, out, errs := tongbao(t, nil, append(command, "--help")...)
			if code != exitDone || !strings.Contains(out, "Usage:") || !strings.Contains(out, "Example: tongbao "+strings.Join(command, " ")) {
				t.Errorf("%v --help: code %d, printed %q and %q", command, code, out, errs)
			}
		}
	})
	t.Run("HelpIsACommandToo", func(t *testing.T) {
		for _, command := range [][]string{nil, {"serve"}, {"app", "create"}} {
			code, out, _ := tongbao(t, nil, append([]string{"help"}, command...)...)
			_, want, _ := tongbao(t, nil, append(command, "--help")...)
			if code != exitDone || out != want {
				t.Errorf("help %v: code %d, printed %q, want %q", command, code, out, want)
			}
		}
	})
	t.Run("HelpShowsTheAllowedValues", func(t *testing.T) {
		if _, out, _ := tongbao(t, nil, "app", "create", "--help"); !strings.Contains(out, "refund, accept, review") {
			t.Errorf("printed %q", out)
		}
	})
	t.Run("HelpTellsWhatMigrateAloneDoes", func(t *testing.T) {
		if _, out, _ := tongbao(t, nil, "migrate", "--help"); !strings.Contains(out, "it runs 'up'") {
			t.Errorf("printed %q", out)
		}
	})
	for name, args := range map[string][]string{
		"AnUnknownCommandIsWrongUsage":   {"pay"},
		"AnUnknownFlagIsWrongUsage":      {"serve", "--port", "80"},
		"AMissingArgumentIsWrongUsage":   {"app", "create"},
		"AMissingFileIsWrongUsage":       {"account", "add", "--file", "/nonexistent.yaml"},
		"ANegativeDurationIsWrongUsage":  {"key", "create", "shop", "--expires-in=-1h"},
		"AnUnknownPolicyIsWrongUsage":    {"app", "create", "shop", "--late-payment", "keep"},
		"ANumberThatIsNoneIsWrongUsage":  {"sandbox", "--seed", "many"},
		"ALateSurplusArgumentWrongUsage": {"version", "now"},
		"HelpOnNoCommandIsWrongUsage":    {"help", "pay"},
		"AnAddressWithoutPortWrongUsage": {"sandbox", "--listen", "abc"},
		"APortAloneIsWrongUsage":         {"demo", "--listen", "999999"},
		"NoRunsAtAllIsWrongUsage":        {"simulate", "--runs", "0"},
		"AControlForOthersIsWrongUsage":  {"sandbox", "--control", "0.0.0.0:0"},
		"APortOutOfRangeIsWrongUsage":    {"sandbox", "--tls", "127.0.0.1:65536"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := tongbao(t, nil, args...)
			if code != exitUsage || !strings.HasPrefix(errs, "tongbao: ") {
				t.Fatalf("code %d, printed %q", code, errs)
			}
		})
	}
	t.Run("AConfigurationThatIsNotUnderstoodFailsWithEveryMistake", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "tongbao.yaml")
		if err := os.WriteFile(file, []byte("lissten: 127.0.0.1:1\ndatabase: mysql://x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := tongbao(t, nil, "serve", "--config", file)
		if code != exitFailed || !strings.Contains(errs, "lissten") || !strings.Contains(errs, "database") {
			t.Fatalf("code %d, printed %q", code, errs)
		}
	})
}

// everyCommand is the command line's every command and group of commands.
func everyCommand(t *testing.T) [][]string {
	t.Helper()
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if n, ok := node.(*kong.Node); ok && n.Type == kong.CommandNode {
			all = append(all, strings.Fields(n.Path()))
		}
		return next(nil)
	})
	if err != nil || len(all) < 12 {
		t.Fatalf("found %v, %v", all, err)
	}
	return all
}

func TestInstallation(t *testing.T) {
	t.Run("AppsAndKeysAreMadeListedAndRevoked", func(t *testing.T) {
		file := installation(t)
		code, out, errs := tongbao(t, nil, "app", "create", "shop", "--name", "Web shop", "--config", file)
		if code != exitDone || !strings.Contains(out, "secret  sk_") {
			t.Fatalf("code %d, printed %q and %q", code, out, errs)
		}
		keyID := between(t, out, "key id  ", "\n")
		if code, _, errs = tongbao(t, nil, "app", "create", "shop", "--config", file); code != exitFailed || !strings.Contains(errs, "exists") {
			t.Fatalf("a second app of that id: code %d, printed %q", code, errs)
		}
		if _, out, _ = tongbao(t, nil, "app", "list", "--config", file); !strings.Contains(out, "Web shop") {
			t.Fatalf("the app is not listed: %q", out)
		}
		if code, _, errs = tongbao(t, nil, "key", "revoke", keyID, "--config", file); code != exitDone {
			t.Fatalf("revoke: code %d, printed %q", code, errs)
		}
		_, out, _ = tongbao(t, nil, "key", "list", "shop", "--config", file)
		if line := between(t, out, keyID, "\n"); strings.HasSuffix(strings.TrimSpace(line), "-") {
			t.Fatalf("the key is not shown as revoked: %q", line)
		}
	})
	t.Run("WhoLooksWhereNoGatewayIsIsToldSo", func(t *testing.T) {
		for _, command := range []string{"review list", "review show rvw_1", "review resolve rvw_1 --action ask", "webhook dead", "webhook retry whe_1 --app shop", "app list", "key list shop", "key revoke ak_1", "account list"} {
			file := installation(t)
			code, out, errs := tongbao(t, nil, append(strings.Fields(command), "--config", file)...)
			if code != exitFailed || out != "" || !strings.Contains(errs, "there is no database") || !strings.Contains(errs, "--config") {
				t.Errorf("%s: code %d, printed %q and %q", command, code, out, errs)
			}
			if made, err := os.ReadDir(filepath.Dir(file)); err != nil || len(made) != 1 {
				t.Errorf("%s made %v, %v", command, made, err)
			}
		}
	})
	t.Run("WhoLooksDoesNotMigrate", func(t *testing.T) {
		file := installation(t)
		if code, _, errs := tongbao(t, nil, "migrate", "status", "--config", file); code != exitDone { // leaves a database with nothing in it
			t.Fatalf("code %d, %q", code, errs)
		}
		if code, _, errs := tongbao(t, nil, "review", "list", "--config", file); code != exitFailed || !strings.Contains(errs, "run 'tongbao migrate up'") {
			t.Errorf("code %d, %q", code, errs)
		}
	})
	t.Run("WhoLooksAppliesNothingOfTheConfiguration", func(t *testing.T) {
		file := installation(t)
		if code, _, errs := tongbao(t, nil, "app", "create", "shop", "--late-payment", "accept", "--config", file); code != exitDone {
			t.Fatalf("code %d, %q", code, errs)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, "apps: [{id: shop, late_payment: review}]\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, out, errs := tongbao(t, nil, "app", "list", "--config", file); !strings.Contains(out, "accept") {
			t.Errorf("printed %q and %q", out, errs)
		}
	})
	t.Run("MigrateTellsWhereTheSchemaStands", func(t *testing.T) {
		file := installation(t)
		if _, out, errs := tongbao(t, nil, "migrate", "status", "--config", file); !strings.Contains(out, "schema version 0") {
			t.Fatalf("before: %q and %q", out, errs)
		}
		if code, out, errs := tongbao(t, nil, "migrate", "up", "--config", file); code != exitDone || !strings.Contains(out, "up to date") {
			t.Fatalf("up: code %d, %q and %q", code, out, errs)
		}
		if code, out, _ := tongbao(t, nil, "migrate", "up", "--config", file); code != exitDone || !strings.HasPrefix(out, "0 migrations ran") {
			t.Fatalf("up again: code %d, %q", code, out)
		}
	})
	t.Run("ConfigPrintsNoSecret", func(t *testing.T) {
		file := installation(t)
		const key = "c2VjcmV0LW1hc3Rlci1rZXktb2YtMzItYnl0ZXMhISE="
		code, out, errs := tongbao(t, []string{"TONGBAO_MASTER_KEY=" + key}, "config", "--config", file)
		if code != exitDone || !strings.Contains(out, "listen:") || strings.Contains(out, key) {
			t.Fatalf("code %d, printed %q and %q", code, out, errs)
		}
	})
	t.Run("TheFirstStartShowsAKeyAndTheSecondDoesNot", func(t *testing.T) {
		file := installation(t)
		for start, want := range []bool{true, false} {
			ctx, stop := context.WithCancel(t.Context())
			out := &signalled{until: "serving", then: stop}
			code := run(ctx, []string{"serve", "--config", file}, system{stdout: out, stderr: out, environ: []string{"TONGBAO_SHUTDOWN_DELAY=0s", "TONGBAO_LOG_LEVEL=info"}})
			if shown := strings.Contains(out.String(), "sk_"); code != exitDone || shown != want {
				t.Fatalf("start %d: code %d, key shown %t, printed %q", start+1, code, shown, out.String())
			}
		}
	})
}

// signalled is a writer that calls then when until was written.
type signalled struct {
	mu    sync.Mutex
	text  bytes.Buffer
	until string
	then  func()
}

func (s *signalled) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.text.Write(b)
	if strings.Contains(s.text.String(), s.until) {
		s.then()
	}
	return n, err
}

func (s *signalled) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func between(t *testing.T, text, after, before string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, after)
	part, _, ended := strings.Cut(rest, before)
	if !found || !ended {
		t.Fatalf("%q has no text between %q and %q", text, after, before)
	}
	return part
}
