package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/config"
)

// account runs a sandbox until it has told its addresses and returns the account it wrote.
func account(t *testing.T) (file, printed string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sandbox data: 沙箱")
	ctx, stop := context.WithCancel(t.Context())
	out := &signalled{until: "Stop with", then: stop}
	args := []string{"sandbox", "--dir", dir, "--listen=:0", "--backup=:0", "--control=:0", "--phone=:0", "--mutual-tls=:0"}
	if code := run(ctx, args, system{stdout: out, stderr: out}); code != exitDone {
		t.Fatalf("code %d, printed %q", code, out.String())
	}
	return filepath.Join(dir, "account.yaml"), out.String()
}

func TestAccount(t *testing.T) {
	t.Parallel()
	file, printed := account(t)

	t.Run("TheSandboxWritesOneThatTheGatewayReads", func(t *testing.T) {
		t.Parallel()
		if !strings.Contains(printed, "tongbao account add --file \""+file+"\"") {
			t.Errorf("it does not say how to use the account: %q", printed)
		}
		a, err := config.LoadAccount(file)
		if err != nil {
			t.Fatal(err)
		}
		settings, _, err := a.Channel()
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{`"base_url":"http://127.0.0.1:`, `"backup_url":"http://127.0.0.1:`, `"platform_certificates":true`, `"public_key_id":"PUB_KEY_ID_`, `BEGIN PUBLIC KEY`} {
			if !strings.Contains(string(settings), part) {
				t.Errorf("settings lack %s: %s", part, settings)
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if a.ID != "wechat-sandbox" || info.Mode().Perm() != 0o600 {
			t.Errorf("id %q, mode %v", a.ID, info.Mode())
		}
	})

	t.Run("AddTellsWhenItCountsAndListShowsItWithoutKeys", func(t *testing.T) {
		t.Parallel()
		installed := installation(t)
		code, out, errs := tongbao(t, nil, "account", "add", "--file", file, "--config", installed)
		if code != exitDone || !strings.Contains(out, "within about 5 seconds") {
			t.Fatalf("code %d, printed %q and %q", code, out, errs)
		}
		code, out, errs = tongbao(t, nil, "account", "list", "--config", installed)
		line := regexp.MustCompile(`(?m)^wechat-sandbox +wechat +\d+ +wx\w+ +public_key,platform_certificates +false +\d{4}-\S+$`)
		if code != exitDone || !line.MatchString(out) || strings.Contains(out, "KEY-----") {
			t.Fatalf("code %d, printed %q and %q", code, out, errs)
		}
	})

	t.Run("ServeAsksForOneOnlyWhereThereIsNone", func(t *testing.T) {
		t.Parallel()
		installed := installation(t)
		serve := func() string {
			ctx, stop := context.WithCancel(t.Context())
			out := &signalled{until: "serving", then: stop}
			code := run(ctx, []string{"serve", "--config", installed}, system{stdout: out, stderr: out, environ: []string{"TONGBAO_SHUTDOWN_DELAY=0s", "TONGBAO_LOG_LEVEL=info"}})
			if code != exitDone {
				t.Fatalf("code %d, printed %q", code, out.String())
			}
			return out.String()
		}
		if out := serve(); !strings.Contains(out, "tongbao account add") {
			t.Errorf("without an account: %q", out)
		}
		if code, _, errs := tongbao(t, nil, "account", "add", "--file", file, "--config", installed); code != exitDone {
			t.Fatalf("code %d, printed %q", code, errs)
		}
		if out := serve(); strings.Contains(out, "tongbao account add") {
			t.Errorf("with an account: %q", out)
		}
	})
}
