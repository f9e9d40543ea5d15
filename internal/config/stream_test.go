package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/config"
)

func TestStream(t *testing.T) {
	t.Parallel()
	t.Run("IsNoneByDefault", func(t *testing.T) {
		t.Parallel()
		if c := load(t, ""); !c.Stream.URL.IsZero() || !c.Stream.Credentials.IsZero() || c.Stream.Name != "tongbao" {
			t.Errorf("got %+v", c.Stream)
		}
	})
	t.Run("IsReadFromFilesAndNeverShown", func(t *testing.T) {
		t.Parallel()
		path := folder(t, "stream: {url_file: url, credentials_file: creds, name: shop-events}\n")
		url := "tls://tongbao:" + hiddenPassword + "@a:4222, nats://" + hiddenPassword + "@b"
		creds := "-----BEGIN NATS USER JWT-----\n" + hiddenPassword + "\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nSU\n------END USER NKEY SEED------"
		for name, text := range map[string]string{"url": url, "creds": creds} {
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := config.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.Stream.URL.Reveal() != url || c.Stream.Credentials.Reveal() != creds || c.Stream.Name != "shop-events" {
			t.Errorf("got %+v", c.Stream)
		}
		if strings.Contains(c.Redacted()+fmt.Sprintf("%+v", c), hiddenPassword) || !strings.Contains(c.Redacted(), "credentials_file: ") {
			t.Errorf("shown as %s", c.Redacted())
		}
	})
	t.Run("IsExplainedWithoutQuotingIt", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range []string{"nats:4222", "http://x:" + hiddenPassword + "@nats", "nats://", "nats://:" + hiddenPassword + "%zz@nats", "'nats://a,'", "nats://:4222"} {
			all := problems(t, "stream: {url: "+wrong+"}\n")
			if len(all) != 1 || !strings.Contains(all[0], "nats://user:password@host:4222") || strings.Contains(all[0], hiddenPassword) {
				t.Errorf("%s: %q", wrong, all)
			}
		}
		for _, wrong := range []string{hiddenPassword, "-----BEGIN NATS USER JWT----- " + hiddenPassword} {
			all := problems(t, "stream: {url: nats://a, credentials: '"+wrong+"'}\n")
			if len(all) != 1 || !strings.Contains(all[0], "nsc generate creds") || strings.Contains(all[0], hiddenPassword) {
				t.Errorf("%s: %q", wrong, all)
			}
		}
		for _, wrong := range []string{"a.b", "'*'", "'>'", "$JS", "a b"} {
			if all := problems(t, "stream: {url: nats://a, name: "+wrong+"}\n"); len(all) != 1 || !strings.Contains(all[0], "is no name") {
				t.Errorf("%s: %q", wrong, all)
			}
		}
	})
}
