package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/redistest"
	"github.com/tongbao-pay/tongbao/internal/server"
	"github.com/tongbao-pay/tongbao/internal/store"
	"github.com/tongbao-pay/tongbao/sandbox"
)

// installation is a folder with a configuration, changed between starts.
type installation struct {
	t   *testing.T
	dir string
}

func newInstallation(t *testing.T) installation { return installation{t, t.TempDir()} }

func (i installation) options(lines ...string) server.Options {
	i.t.Helper()
	text := "admin_listen: 127.0.0.1:0\ndatabase: sqlite:tongbao.db\nmaster_key_file: master.key\n" + strings.Join(lines, "\n") + "\n"
	if !strings.Contains(text, "\nlisten:") {
		text += "listen: 127.0.0.1:0\n"
	}
	file := filepath.Join(i.dir, "tongbao.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	c, err := config.Load(file, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	return server.Options{Config: c, Logger: slog.New(slog.DiscardHandler)}
}

// start opens a server and closes it again; the key it made, if it made one, is returned.
func (i installation) start(lines ...string) (*server.FirstKey, error) {
	i.t.Helper()
	s, err := server.Open(i.t.Context(), i.options(lines...))
	if err != nil {
		return nil, err
	}
	return s.FirstKey, s.Close()
}

func (i installation) mustStart(lines ...string) *server.FirstKey {
	i.t.Helper()
	key, err := i.start(lines...)
	if err != nil {
		i.t.Fatal(err)
	}
	return key
}

func expectError(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error about %q", err, word)
		}
	}
}

func TestFirstKey(t *testing.T) {
	t.Parallel()
	t.Run("TheFirstStartMakesOneAndTheSecondDoesNot", func(t *testing.T) {
		t.Parallel()
		i := newInstallation(t)
		if i.mustStart() == nil || i.mustStart() != nil {
			t.Error("the first key belongs to the first start alone")
		}
	})
	t.Run("AFirstStartThatFailedDoesNotSpendIt", func(t *testing.T) {
		t.Parallel()
		i := newInstallation(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, err = i.start("listen: " + taken.Addr().String())
		expectError(t, err, "choose another address")
		if err := taken.Close(); err != nil {
			t.Fatal(err)
		}
		if i.mustStart() == nil {
			t.Error("the key was made and never shown")
		}
	})
	t.Run("ACommandBesideTheServerDoesNotSpendIt", func(t *testing.T) {
		t.Parallel()
		i := newInstallation(t)
		f, err := server.OpenFoundation(t.Context(), i.options())
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if i.mustStart() == nil {
			t.Error("the key was made and never shown")
		}
	})
	t.Run("ADeclaredAppNeedsNone", func(t *testing.T) {
		t.Parallel()
		if newInstallation(t).mustStart("apps: [{id: shop}]") != nil {
			t.Error("a key for an app that nobody asked for")
		}
	})
}

func TestASQLiteFileIsServedOnce(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	first, err := server.Open(t.Context(), i.options())
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.start()
	expectError(t, err, "another tongbao serves", "PostgreSQL")
	if !errors.Is(err, store.ErrServed) {
		t.Errorf("got %v", err)
	}
	link := filepath.Join(i.dir, "other.db")
	if err := os.Symlink(filepath.Join(i.dir, "tongbao.db"), link); err != nil {
		t.Fatal(err)
	}
	other := i.options()
	if other.Config, err = config.Load(filepath.Join(i.dir, "tongbao.yaml"), []string{"TONGBAO_DATABASE=sqlite:" + link}); err != nil {
		t.Fatal(err)
	}
	_, err = server.Open(t.Context(), other)
	expectError(t, err, "another tongbao serves")
	beside, err := server.OpenFoundation(t.Context(), i.options())
	if err != nil {
		t.Fatalf("a command beside the server: %v", err)
	}
	if err := errors.Join(beside.Close(), first.Close()); err != nil {
		t.Fatal(err)
	}
	i.mustStart()
}

func TestALostMasterKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	i.mustStart()
	file := filepath.Join(i.dir, "master.key")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err := i.start()
	expectError(t, err, "missing", "backup")
	if _, err := os.Stat(file); err == nil {
		t.Error("another key lies where the lost one belongs")
	}
}

// account describes a sandbox's merchant as a configuration does.
func account(t *testing.T, change map[string]string) string {
	t.Helper()
	s, err := sandbox.Open(sandbox.Config{Dir: t.TempDir(), Listen: ":0", Backup: ":0", Control: ":0", Phone: ":0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c := s.Credentials()
	w := c.WeChatPay
	settings := map[string]string{
		"id": "main", "channel": "wechat", "mchid": w.MchID, "appid": w.AppID, "merchant_serial_no": w.MerchantSerialNo,
		"private_key_file": c.Path(w.MerchantPrivateKeyFile), "api_v3_key": w.APIv3Key, "public_key_id": w.PublicKeyID, "public_key_file": c.Path(w.PublicKeyFile),
		"base_url": w.BaseURL, "backup_url": w.BackupURL,
	}
	maps.Copy(settings, change)
	var b strings.Builder
	b.WriteString("accounts:\n  -")
	for name, value := range settings {
		fmt.Fprintf(&b, " %s: %q\n   ", name, value)
	}
	return b.String()
}

func TestAccountsAreCheckedBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	t.Run("EveryMistakeIsNamedAtOnce", func(t *testing.T) {
		t.Parallel()
		_, err := newInstallation(t).start(account(t, map[string]string{"merchant_serial_no": "PUB_KEY_ID_1", "public_key_id": "1"}))
		expectError(t, err, `account "main"`, "SerialNo", "PublicKeys")
	})
	t.Run("NothingIsBegunWithAKeyThatIsNone", func(t *testing.T) {
		t.Parallel()
		i := newInstallation(t)
		first, second := account(t, nil), account(t, map[string]string{"id": "second", "public_key_id": "1"})
		_, err := i.start("apps: [{id: shop}]", first+strings.TrimPrefix(second, "accounts:"))
		expectError(t, err, `account "second"`, "PublicKeys")
		if _, err := os.Stat(filepath.Join(i.dir, "tongbao.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is a database: %v", err)
		}
	})
	t.Run("AnIDKeepsItsMerchant", func(t *testing.T) {
		t.Parallel()
		i := newInstallation(t)
		first := account(t, nil)
		i.mustStart(first)
		i.mustStart(first)
		_, err := i.start(account(t, map[string]string{"mchid": "1900000099"}))
		expectError(t, err, "1900000099", "an account of its own")
	})
}

// serve runs a gateway until the test ends.
func (i installation) serve(o server.Options) *server.Server {
	i.t.Helper()
	s, err := server.Open(i.t.Context(), o)
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(i.t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	i.t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			i.t.Errorf("serve: %v", err)
		}
	})
	return s
}

// answers is the status and the text of a GET.
func answers(t *testing.T, url, key string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	a, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

// becomes asks until the answer contains the words.
func becomes(t *testing.T, url, words string) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for {
		status, text := answers(t, url, "")
		if status == http.StatusOK && strings.Contains(text, words) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s answers %d %q, want %q", url, status, text, words)
		case <-tick.C:
		}
	}
}

func TestRedisIsNotNeeded(t *testing.T) {
	t.Parallel()
	shared := redistest.Start(t)
	i := newInstallation(t)
	s := i.serve(i.options("redis_url: "+shared.URL(), "rate_limit: 1", "shutdown: {delay: 0s}"))
	key := s.FirstKey.Secret.Reveal()
	becomes(t, s.URL()+"/readyz", "ready\n")

	limited := func() {
		t.Helper()
		for range 10 {
			if status, text := answers(t, s.URL()+"/v1/payments", key); status == http.StatusTooManyRequests && strings.Contains(text, "rate_limited") {
				return
			}
		}
		t.Error("a key with one request a second is not limited")
	}
	limited()
	shared.Kill(t)
	becomes(t, s.URL()+"/readyz", "ready, degraded: redis does not answer")
	becomes(t, s.AdminURL()+"/metrics", `tongbao_redis_failures_total{use="ping"}`)
	limited()
	becomes(t, s.AdminURL()+"/metrics", `tongbao_redis_failures_total{use="limits"}`)
	shared.Restart(t)
	becomes(t, s.URL()+"/readyz", "ready\n")
}

func TestTheStartSaysWhetherRedisAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, said string }{
		"AndItDoes":    {redistest.Start(t).URL(), "redis answers: "},
		"AndItDoesNot": {"redis://:hunter2@127.0.0.1:1/0", "redis does not answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newInstallation(t).options("redis_url: " + c.url)
			var log strings.Builder
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			s, err := server.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if text := log.String(); !strings.Contains(text, c.said) || strings.Contains(text, "hunter2") {
				t.Errorf("log %s", text)
			}
		})
	}
}
