package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	dialMax   = 2 * time.Second // for each server
	answerMax = 5 * time.Second // for each answer of JetStream
	pingEvery = 10 * time.Second

	// The limits of a stream that is created here. Whoever wants others creates the stream, or changes it.
	keep       = 30 * 24 * time.Hour
	duplicates = 10 * time.Minute // within which an event that is sent again is dropped
)

// jet is one connection to the stream.
type jet struct {
	name string
	conn *nats.Conn
	js   jetstream.JetStream
}

// connect connects to NATS and finds the stream, or creates it. The connection does not come back by itself once it is
// lost: whoever uses it begins again, so that there is one place that waits and tries.
func (r *Relay) connect(ctx context.Context) (_ *jet, err error) {
	options := []nats.Option{
		nats.Name("tongbao"), nats.NoReconnect(), nats.Timeout(dialMax), nats.PingInterval(pingEvery),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // the library would write to standard error; the connection remembers the last
	}
	if r.config.Credentials != "" {
		options = append(options, nats.UserCredentialBytes([]byte(r.config.Credentials)))
	}
	conn, err := nats.Connect(r.config.URL, options...)
	if _, quotes := errors.AsType[*url.Error](err); quotes {
		return nil, errors.New("stream: the URL of NATS is not valid; it looks like nats://user:password@host:4222")
	}
	if err != nil {
		return nil, fmt.Errorf("stream: connect to NATS: %w; check stream.url, and that the server runs and knows this user", err)
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	j := &jet{name: r.config.Name, conn: conn, js: js}
	if err := j.ensure(ctx); err != nil {
		return nil, err
	}
	return j, nil
}

func (j *jet) close() { j.conn.Close() }

// server is where the connection leads, without the user: a token stands in a URL where a user's name does, and the
// library's redacted URL still shows it.
func (j *jet) server() string {
	u, err := url.Parse(j.conn.ConnectedUrl())
	if err != nil {
		return "" // unreachable: the library has parsed it
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// check reports whether the connection is still there.
func (j *jet) check() error {
	if j.conn.IsConnected() {
		return nil
	}
	return errors.New("stream: the connection to NATS is lost")
}

// ensure creates the stream where there is none. One that exists is left as it is: it is its operator's.
func (j *jet) ensure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	_, err := j.js.Stream(ctx, j.name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = j.js.CreateStream(ctx, jetstream.StreamConfig{
			Name: j.name, Subjects: []string{j.name + ".>"}, Description: "Events of Tongbao", Storage: jetstream.FileStorage, MaxAge: keep, Duplicates: duplicates,
		})
	}
	switch {
	case err == nil, errors.Is(err, jetstream.ErrStreamNameAlreadyInUse): // created a moment ago
		return nil
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return errors.New("stream: the NATS server offers no JetStream to this user; start it with --jetstream, or enable JetStream for the user's account")
	}
	return j.explained(fmt.Errorf("stream: find or create the JetStream stream %s: %w", j.name, err))
}

// publish returns when the stream has the message. Sent again under the same id, it is dropped there.
func (j *jet) publish(ctx context.Context, m *nats.Msg, id string) error {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	_, err := j.js.PublishMsg(ctx, m, jetstream.WithMsgID(id), jetstream.WithExpectStream(j.name))
	switch {
	case err == nil:
		return nil
	case j.check() != nil:
		return j.check()
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("stream: nobody takes %s; the JetStream stream %s must exist with the subjects %s.>", m.Subject, j.name, j.name)
	}
	return j.explained(fmt.Errorf("stream: publish event %s: %w", id, err))
}

// explained adds what the server said beside its answers, such as that something is not permitted.
func (j *jet) explained(err error) error {
	if said := j.conn.LastError(); said != nil {
		return fmt.Errorf("%w (%w)", err, said)
	}
	return err
}
