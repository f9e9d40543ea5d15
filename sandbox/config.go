package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"
)

// The addresses a sandbox listens on when its [Config] names none.
const (
	ListenDefault    = "127.0.0.1:9100"
	ControlDefault   = "127.0.0.1:9101"
	PhoneDefault     = "127.0.0.1:9102"
	BackupDefault    = "127.0.0.1:9103"
	MutualTLSDefault = "127.0.0.1:9104"
)

// Config says where a sandbox lives. Its zero value is a sandbox in memory on the default addresses.
//
// An address is "host:port". Without a host it is 127.0.0.1; port 0 takes a free one; empty takes the default.
type Config struct {
	// Dir holds identities and state; it is created with mode 0700, and no two sandboxes may use it at once. Empty: fresh
	// identities, and nothing outlives the process.
	Dir string
	// Listen and Backup are the provider's two hosts in plain HTTP.
	Listen, Backup string
	// Control is the control API. Only loopback addresses are allowed, because whoever reaches it can do anything.
	Control string
	// Phone is the payer's pages. Give it an address in your network to pay with a real phone.
	Phone string
	// TLS serves HTTPS for the provider's real host names under the sandbox's own authority. Empty: off.
	TLS string
	// MutualTLS serves the provider over HTTPS under the sandbox's own authority and takes the merchant's certificate in the handshake,
	// which APIv2 wants for /secapi/. [MutualTLSDefault] is free beside the other defaults. Empty: off.
	MutualTLS string
	// Public is the base URL under which a payer's browser reaches Phone, if that is not http://Phone: behind a proxy, or when
	// Phone is 0.0.0.0.
	Public string
	// Seed makes identifiers and probabilities repeatable. Zero: random. Keys are random always.
	Seed uint64
	// Real is the machine's clock. Nil: time.Now.
	Real func() time.Time
	// Logger receives what the operator should see. Nil: silent.
	Logger *slog.Logger
}

// Check tells all that is wrong with the configuration. [Open] does it by itself.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults returns the configuration with every address in full, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var wrong []error
	fill := func(name string, address *string, fallback string) {
		if *address == "" {
			*address = fallback
		}
		if *address == "" {
			return
		}
		host, port, err := net.SplitHostPort(*address)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %q is not host:port, such as 127.0.0.1:9100", name, *address))
			return
		}
		if host == "" {
			host = "127.0.0.1"
		}
		*address = net.JoinHostPort(host, port)
	}
	fill("listen", &c.Listen, ListenDefault)
	fill("backup", &c.Backup, BackupDefault)
	fill("control", &c.Control, ControlDefault)
	fill("phone", &c.Phone, PhoneDefault)
	fill("tls", &c.TLS, "")
	fill("mutual-tls", &c.MutualTLS, "")
	if host, _, err := net.SplitHostPort(c.Control); err == nil && !loopback(host) {
		wrong = append(wrong, fmt.Errorf("control: %q is not a loopback address; use 127.0.0.1, because whoever reaches the control API can do anything", c.Control))
	}
	if c.Public != "" {
		u, err := url.Parse(c.Public)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
			wrong = append(wrong, fmt.Errorf("public: %q is not a base URL such as http://192.168.1.5:9102", c.Public))
		}
		c.Public = strings.TrimSuffix(c.Public, "/")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(wrong...)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
