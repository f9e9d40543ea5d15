package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// apiV3Key accepts what the provider's console accepts (WeChat Pay APIv3, APIv3密钥: 32 characters).
func apiV3Key(text string) error {
	if len(text) != 32 {
		return fmt.Errorf("has %d bytes; an APIv3 key has 32. Set one in the merchant platform under account centre, API security", len(text))
	}
	return nil
}

// rateLimitMax is more than any one key can send.
const rateLimitMax = 1_000_000

// redisURL accepts what names a Redis. Its error does not quote the URL, which holds a password.
func redisURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return errors.New("must be redis://user:password@host:6379/0, or rediss:// for TLS; percent-encode special characters of the password")
	}
	return nil
}

// natsURL accepts one or more servers of NATS. Its error does not quote them: they may hold a password.
func natsURL(text string) error {
	for server := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(server))
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return errors.New("must be nats://user:password@host:4222, or tls:// for TLS, and several of them separated by commas; percent-encode special characters of the password")
		}
	}
	return nil
}

// natsCredentials accepts what nsc writes.
func natsCredentials(text string) error {
	if !strings.Contains(text, "BEGIN NATS USER JWT") || !strings.Contains(text, "BEGIN USER NKEY SEED") {
		return errors.New("must be what a credentials file of NATS holds, a user's JWT and the seed of its key; make one with `nsc generate creds`")
	}
	return nil
}

// check looks at what no single setting can show, and fills in what follows from others.
func (r *reader) check(c *Config) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil && c.PublicURL == "" && !loopback(host) {
		r.miss("public_url", "is required because listen is not a loopback address: give the https URL under which providers reach this gateway, such as https://pay.example.com")
	}
	if err == nil && c.Listen == c.AdminListen && port != "0" {
		r.miss("admin_listen", fmt.Sprintf("is the same as listen, %s: give each an address of its own", c.Listen))
	}
	r.checkMasterKey(c)
	r.checkUnique("apps", len(c.Apps), func(i int) string { return c.Apps[i].ID })
	r.checkUnique("accounts", len(c.Accounts), func(i int) string { return c.Accounts[i].ID })
}

func (r *reader) checkMasterKey(c *Config) {
	if !c.MasterKey.IsZero() || c.Database.Reveal() == "" {
		return
	}
	if file, ok := c.Database.SQLiteFile(); ok {
		if c.MasterKeyFile == "" {
			c.MasterKeyFile = filepath.Join(filepath.Dir(file), "master.key")
		}
		return
	}
	if c.MasterKeyFile == "" {
		if !r.has("master_key") && !r.has("master_key_file") {
			r.miss("master_key", "is required with PostgreSQL, or master_key_file: every replica must have the same one. Make it once with `openssl rand -base64 32` and keep a copy apart from the database")
		}
		return
	}
	if _, err := os.Stat(c.MasterKeyFile); errors.Is(err, fs.ErrNotExist) {
		r.miss("master_key_file", fmt.Sprintf("there is no file %s. With PostgreSQL every replica must have the same key, so none is made by itself: copy it here, or make the first with `openssl rand -base64 32` and mode 0600", c.MasterKeyFile))
	}
}

func (r *reader) checkUnique(list string, length int, id func(int) string) {
	first := map[string]int{}
	for i := range length {
		if id(i) == "" {
			continue
		}
		if j, taken := first[id(i)]; taken {
			r.miss(fmt.Sprintf("%s[%d].id", list, i), fmt.Sprintf("%q is the id of %s[%d] already: give each one of its own", id(i), list, j))
			continue
		}
		first[id(i)] = i
	}
}

// checkAccount looks at what no single setting of an account can show.
func (r *reader) checkAccount(prefix string, a *Account) {
	w := a.wechat
	if w.AppID == "" && len(w.AppIDs) == 0 && !r.has(prefix+"appids") {
		r.miss(prefix+"appid", "is required, or appids: the appid that is bound to the merchant number")
	}
	hasKey := r.has(prefix+"public_key") || r.has(prefix+"public_key_file")
	hasID := r.has(prefix + "public_key_id")
	switch {
	case hasKey && !hasID:
		r.miss(prefix+"public_key_id", "is required with a public key: copy it, PUB_KEY_ID_ included, from where the key was downloaded")
	case hasID && !hasKey:
		r.miss(prefix+"public_key_file", "is required with public_key_id: the file that was downloaded with it, pub_key.pem")
	case !hasKey && !w.PlatformCertificates:
		r.miss(prefix+"public_key_file", "is required with public_key_id, so that the provider's answers can be verified; a merchant without a public key sets platform_certificates: true")
	}
}
