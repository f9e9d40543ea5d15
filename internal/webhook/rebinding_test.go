package webhook

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// names answers DNS questions in memory. answer is told the how-manieth question of that kind it is, from 1.
type names struct {
	answer func(question int, v6 bool) []netip.Addr
	mu     sync.Mutex
	asked  map[bool]int
}

func (n *names) resolver() *net.Resolver {
	n.asked = make(map[bool]int)
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve speaks DNS over a stream (RFC 1035, 4.2.2): each message after its length.
func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := n.reply(query)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

func (n *names) reply(query []byte) []byte {
	const header, typeA, typeAAAA = 12, 1, 28
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[header : end+5]
	kind := binary.BigEndian.Uint16(query[end+1:])
	var addrs []netip.Addr
	if kind == typeA || kind == typeAAAA {
		n.mu.Lock()
		n.asked[kind == typeAAAA]++
		addrs = n.answer(n.asked[kind == typeAAAA], kind == typeAAAA)
		n.mu.Unlock()
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, question...)
	for _, addr := range addrs {
		reply = append(reply, 0xc0, header)
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = append(reply, 0, 1, 0, 0, 0, 0)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(addr.AsSlice())))
		reply = append(reply, addr.AsSlice()...)
	}
	return reply
}

// always answers with the same addresses.
func always(texts ...string) *names {
	return &names{answer: func(_ int, v6 bool) (addrs []netip.Addr) {
		for _, text := range texts {
			if addr := netip.MustParseAddr(text).WithZone(""); addr.Is6() == v6 {
				addrs = append(addrs, addr)
			}
		}
		return addrs
	}}
}

// receiver counts what arrives at this machine.
func receiver(t *testing.T) (port string, arrived *atomic.Int64) {
	t.Helper()
	arrived = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			arrived.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port, arrived
}

func TestNamesThatLeadInside(t *testing.T) {
	t.Parallel()

	t.Run("AllowedNetworkIsReachedByName", func(t *testing.T) {
		t.Parallel()
		port, arrived := receiver(t)
		b := setup(t, func(c *Config) { c.AllowHTTP, c.Resolver = true, always("127.0.0.1").resolver() })
		e, _ := b.endpoint(t, "http://inside.test:"+port+"/")
		if d, _ := b.deliver(t, b.webhook(e)); !d.Success || arrived.Load() != 1 {
			t.Errorf("got %+v: without this case the others prove nothing", d)
		}
	})

	t.Run("PublicWhenAskedFirstPrivateWhenAskedAgainIsRefused", func(t *testing.T) {
		t.Parallel()
		port, arrived := receiver(t)
		dns := &names{answer: func(question int, v6 bool) []netip.Addr {
			switch {
			case v6:
				return nil
			case question == 1:
				return []netip.Addr{netip.MustParseAddr("93.184.215.14")}
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}}
		resolver := dns.resolver()
		b := setup(t, func(c *Config) { c.AllowHTTP, c.AllowPrivate, c.Resolver = true, nil, resolver })
		url := "http://rebind.test:" + port + "/"
		// A check before connecting would see this, and be content.
		first, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.test")
		if err != nil || len(first) != 1 || !b.guard.allows(first[0]) || b.guard.check(url) != nil {
			t.Fatalf("the first answer is %v, %v, want a public address", first, err)
		}
		e, _ := b.endpoint(t, url)
		d, _ := b.deliver(t, b.webhook(e))
		if d.Success || !strings.Contains(d.Error, "not public") || arrived.Load() != 0 {
			t.Errorf("%d connections arrived inside: %+v", arrived.Load(), d)
		}
	})

	for class, addresses := range forbidden {
		t.Run(class+"BehindANameIsRefusedBeforeConnecting", func(t *testing.T) {
			t.Parallel()
			for _, text := range addresses {
				b := setup(t, func(c *Config) { c.AllowHTTP, c.AllowPrivate, c.Resolver = true, nil, always(text).resolver() })
				e, _ := b.endpoint(t, "http://inside.test:9/")
				d, _ := b.deliver(t, b.webhook(e))
				if d.Success || d.StatusCode != 0 || !strings.Contains(d.Error, "not public") {
					t.Errorf("%s: %+v", text, d)
				}
				if strings.Contains(d.Error, text) && len(text) > 3 {
					t.Errorf("the app learns what the name means inside our network: %s", d.Error)
				}
			}
		})
	}

	for _, host := range []string{
		"2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.01", "localhost.", "localhost.localdomain", "127.0.0.1.", "１２７.０.０.１", "ⓛocalhost", "127。0。0。1",
	} {
		t.Run("SpellingOfAnAddressIsRefusedAtTheLatestWhenConnecting/"+host, func(t *testing.T) {
			t.Parallel()
			port, arrived := receiver(t)
			b := setup(t, func(c *Config) { c.AllowHTTP, c.AllowPrivate, c.Resolver = true, nil, always("127.0.0.1").resolver() })
			e, _ := b.endpoint(t, "http://"+host+":"+port+"/")
			if d, _ := b.deliver(t, b.webhook(e)); d.Success || d.StatusCode != 0 || arrived.Load() != 0 {
				t.Errorf("%d connections arrived inside: %+v", arrived.Load(), d)
			}
		})
	}

	t.Run("RedirectToAnAddressInsideIsNotFollowed", func(t *testing.T) {
		t.Parallel()
		for _, target := range []string{"http://169.254.169.254/latest/meta-data/", "http://127.0.0.1/", "file:///etc/passwd", "//[::1]/"} {
			a, b := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", target)
				w.WriteHeader(http.StatusFound)
			}), setup(t, nil)
			e, _ := b.endpoint(t, a.URL)
			if d, again := b.deliver(t, b.webhook(e)); d.Success || d.StatusCode != http.StatusFound || again.IsZero() || len(a.requests()) != 1 || strings.Contains(d.Error, target) {
				t.Errorf("%s: %+v", target, d)
			}
		}
	})

	t.Run("EveryAddressOfANameIsJudged", func(t *testing.T) {
		t.Parallel()
		port, arrived := receiver(t)
		b := setup(t, func(c *Config) {
			c.AllowHTTP, c.AllowPrivate, c.Resolver = true, nil, always("10.0.0.1", "127.0.0.1", "::1").resolver()
		})
		e, _ := b.endpoint(t, "http://inside.test:"+port+"/")
		if d, _ := b.deliver(t, b.webhook(e)); d.Success || arrived.Load() != 0 {
			t.Errorf("got %+v", d)
		}
	})

	t.Run("NameThatDoesNotExistIsSaidSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *Config) { c.Resolver = always().resolver() })
		e, _ := b.endpoint(t, "https://nowhere.test/")
		if d, _ := b.deliver(t, b.webhook(e)); !strings.Contains(d.Error, "does not exist") {
			t.Errorf("got %q", d.Error)
		}
	})
}
