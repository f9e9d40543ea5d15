package stream_test

import (
	"crypto/rand"
	"crypto/tls"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tongbao-pay/tongbao/internal/natstest"
	"github.com/tongbao-pay/tongbao/internal/store/storetest"
	"github.com/tongbao-pay/tongbao/internal/stream"
)

func TestTroubleIsExplained(t *testing.T) {
	t.Parallel()
	withPassword := func(password string) func(*natstest.Server, *stream.Config) {
		return func(n *natstest.Server, c *stream.Config) {
			c.URL = strings.Replace(n.URL(), n.Password(), password, 1)
		}
	}
	for what, c := range map[string]struct {
		server func(*server.Options)
		relay  func(*natstest.Server, *stream.Config)
		words  string
	}{
		"AServerWithoutJetStream": {
			server: func(o *server.Options) { o.JetStream = false },
			words:  "the NATS server offers no JetStream to this user; start it with --jetstream",
		},
		"AWrongPassword": {
			relay: withPassword("hunter2-is-wrong"),
			words: "Authorization Violation; check stream.url, and that the server runs and knows this user",
		},
		"AURLThatIsNone": {
			relay: withPassword("hunter2%zz"),
			words: "the URL of NATS is not valid; it looks like nats://user:password@host:4222",
		},
		"AUserWhoMayNotPublish": {
			server: func(o *server.Options) {
				o.Users = []*server.User{{Username: o.Username, Password: o.Password, Permissions: &server.Permissions{
					Publish: &server.SubjectPermission{Allow: []string{"$JS.API.>"}},
				}}}
			},
			words: `Permissions Violation for Publish to \"tongbao.shop.payment.created\"`,
		},
		"ACertificateThatNobodyKnows": {
			server: func(o *server.Options) {
				stranger := httptest.NewTLSServer(nil)
				defer stranger.Close()
				o.TLSConfig = &tls.Config{Certificates: stranger.TLS.Certificates, MinVersion: tls.VersionTLS12}
			},
			relay: func(n *natstest.Server, c *stream.Config) { c.URL = strings.Replace(n.URL(), "nats://", "tls://", 1) },
			words: "certificate signed by unknown authority",
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			storetest.AddEvents(t, s, shop, 0, 1)
			n := natstest.Start(t, func(o *server.Options) {
				if c.server != nil {
					c.server(o)
				}
			})
			r := newRelay(t, s, n)
			r.hidden = append(r.hidden, "hunter2")
			if c.relay != nil {
				c.relay(n, &r.config)
			}
			r.run()
			r.says(c.words)
		})
	}
}

func TestATokenIsNotLogged(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	token := rand.Text()
	n := natstest.Start(t, func(o *server.Options) { o.Authorization, o.Username, o.Password = token, "", "" })
	r := newRelay(t, s, n, func(c *stream.Config) { c.URL = strings.Replace(n.URL(), "://", "://"+token+"@", 1) })
	r.hidden = append(r.hidden, token)
	r.run()
	r.says("server=" + n.URL())
}

func TestTheUserNeedsNoMoreThanIsDocumented(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	n := natstest.Start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: o.Username, Password: o.Password, Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"tongbao.>", "$JS.API.STREAM.INFO.tongbao", "$JS.API.STREAM.CREATE.tongbao"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	})
	storetest.AddEvents(t, s, shop, 0, 2)
	r := newRelay(t, s, n)
	r.run()
	r.publishes(2)
	if r.failures > 0 {
		t.Errorf("%s", r.said())
	}
}

func TestAStreamOfTheOperatorsIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	if _, err := n.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{"tongbao.>", "other"}, MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	all := storetest.AddEvents(t, s, shop, 0, 2)
	newRelay(t, s, n).run()
	expect(t, n.Messages(name, len(all)), all)
	found, err := n.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if c := found.CachedInfo().Config; c.MaxAge != time.Hour || len(c.Subjects) != 2 {
		t.Errorf("it was changed: %+v", c)
	}
}

func TestAStreamThatDoesNotTakeTheSubjectsIsExplained(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	if _, err := n.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{"other.>"}}); err != nil {
		t.Fatal(err)
	}
	storetest.AddEvents(t, s, shop, 0, 1)
	r := newRelay(t, s, n)
	r.run()
	r.says("nobody takes tongbao.shop.payment.created; the JetStream stream tongbao must exist with the subjects tongbao.>")
}

func TestEventsThatAnotherStreamTakesAreNotTakenForPublished(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	for stream, subjects := range map[string]string{name: "other.>", "thief": "tongbao.>"} {
		if _, err := n.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: stream, Subjects: []string{subjects}}); err != nil {
			t.Fatal(err)
		}
	}
	storetest.AddEvents(t, s, shop, 0, 1)
	r := newRelay(t, s, n)
	r.run()
	r.says("expected stream does not match")
	if r.published != 0 {
		t.Errorf("%d are taken for published", r.published)
	}
}

func TestADeletedStreamIsCreatedAgain(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t)
	r := newRelay(t, s, n)
	r.run()
	all := storetest.AddEvents(t, s, shop, 0, 2)
	r.publishes(2)
	if err := n.JetStream().DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	all = append(all, storetest.AddEvents(t, s, shop, 2, 4)...)
	r.publishes(4)
	expect(t, n.Messages(name, 2), all[2:])
	found, err := n.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if c := found.CachedInfo().Config; c.MaxAge != 30*24*time.Hour || c.Duplicates != 10*time.Minute || c.Storage != jetstream.FileStorage {
		t.Errorf("its limits are %+v", c)
	}
}

// credentials are those of a user whom the test's server lets in by the signature that only they make.
const credentials = `-----BEGIN NATS USER JWT-----
e30.e30.signed-by-nobody
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
SUADKU3UKSWQOQLZGS2B7L4DBPFBURMHH74GMA3ORENHEKA4XBY3QETS34
------END USER NKEY SEED------
`

type doorman struct{}

func (doorman) Check(c server.ClientAuthentication) bool { return c.GetOpts().Sig != "" }

func TestCredentialsAreShownToTheServer(t *testing.T) {
	t.Parallel()
	s, n := newStore(t), natstest.Start(t, func(o *server.Options) {
		o.Username, o.Password, o.AlwaysEnableNonce, o.CustomClientAuthentication = "", "", true, doorman{}
	})
	storetest.AddEvents(t, s, shop, 0, 1)
	r := newRelay(t, s, n, func(c *stream.Config) { c.Credentials = credentials })
	r.hidden = append(r.hidden, "signed-by-nobody", "SUADKU3")
	r.run()
	r.publishes(1)
}
