package server_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/config"
	"github.com/tongbao-pay/tongbao/internal/server"
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
