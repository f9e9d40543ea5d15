package direct

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

const (
	// informationalMax is how many 1xx answers may precede the answer.
	informationalMax = 5
	// requestBytesUsual is room for a usual request; more is allocated, and kept up to requestBytesKept.
	requestBytesUsual = 2 << 10
	requestBytesKept  = 8 << 10
)

var errHeadersTooLarge = errors.New("the answer's headers are too large")

// conn is one connection. One exchange at a time has it, or the idle ones.
type conn struct {
	transport *Transport
	to        address
	stream    net.Conn        // TLS over raw, or raw itself
	raw       syscall.RawConn // to see whether the other side closed it; nil where that cannot be seen
	reader    *bufio.Reader
	room      int64  // how much more may be read before the answer's body
	message   []byte // of the request being sent; its memory is used again
	idleSince time.Time
}

func newConn(t *Transport, to address, raw, stream net.Conn) *conn {
	c := &conn{transport: t, to: to, stream: stream, message: make([]byte, 0, requestBytesUsual)}
	c.reader = bufio.NewReader(limited{c})
	if s, ok := raw.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it the connection is taken to be alive
	}
	return c
}

// limited reads from the connection no more than it has room for.
type limited struct{ c *conn }

func (l limited) Read(to []byte) (int, error) {
	if l.c.room <= 0 {
		return 0, errHeadersTooLarge
	}
	if int64(len(to)) > l.c.room {
		to = to[:l.c.room]
	}
	n, err := l.c.stream.Read(to)
	l.c.room -= int64(n)
	return n, err
}

func (c *conn) close() { c.stream.Close() }

// exchange writes the request and reads the answer's head. The body then owns the connection.
func (c *conn) exchange(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	released := c.obey(ctx)
	response, err := c.roundTrip(r)
	if err != nil {
		released()
		c.close()
		return nil, reason(ctx, err)
	}
	b := &body{c: c, ctx: ctx, from: response.Body, released: released, keep: !response.Close}
	response.Body = b
	if b.from == http.NoBody {
		response.Body = http.NoBody
		b.finish(true)
	}
	return response, nil
}

// obey lets the end of the context end what the connection does. The function returned ends that, and says whether the
// connection is still in order.
func (c *conn) obey(ctx context.Context) func() bool {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		_ = c.stream.SetDeadline(longAgo) // fails on a closed connection, which needs no more
	})
}

func (c *conn) roundTrip(r *http.Request) (*http.Response, error) {
	c.room = c.transport.base.MaxResponseHeaderBytes
	if c.room <= 0 {
		c.room = defaultHeaderBytesMax
	}
	if _, err := c.stream.Write(c.message); err != nil {
		return nil, fmt.Errorf("send the request: %w", err)
	}
	if cap(c.message) > requestBytesKept {
		c.message = nil
	}
	if _, err := c.reader.Peek(1); err != nil { // io.EOF: not a byte of an answer
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	for range informationalMax + 1 {
		response, err := http.ReadResponse(c.reader, r)
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		switch {
		case response.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("read the answer: the other side switches to a protocol that nobody asked for")
		case response.StatusCode >= http.StatusOK:
			c.room = math.MaxInt64
			return response, nil
		}
	}
	return nil, errors.New("read the answer: too many informational answers before it")
}

// reason is the context's when that has ended: the connection then only says that its deadline passed.
func reason(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return err
}

// body is an answer's, and gives the connection back at its end.
type body struct {
	c        *conn           // nil when it was given back
	ctx      context.Context //nolint:containedctx // the request's: reading its answer ends with it
	from     io.Reader
	released func() bool
	keep     bool
	err      error // what further reads say
}

func (b *body) Read(to []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(to)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.err = io.EOF
		b.finish(true)
	default:
		b.err = reason(b.ctx, fmt.Errorf("read the answer's body: %w", err))
		b.finish(false)
	}
	return n, b.err
}

// Close gives up a connection whose answer was not read to its end.
func (b *body) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	b.finish(false)
	return nil
}

// finish keeps the connection when the exchange ended in order and nothing follows the answer.
func (b *body) finish(complete bool) {
	c := b.c
	if c == nil {
		return
	}
	b.c = nil
	if inOrder := b.released(); inOrder && complete && b.keep && c.isDrained() {
		c.transport.keep(c)
		return
	}
	c.close()
}

// longAgo is a deadline that lets nothing wait.
var longAgo = time.Unix(1, 0)

// isDrained tells whether nothing that was received is left to read. TLS takes more off the connection than it hands out: what
// came in one piece with the answer is out of sight of reader and of alive, and would be the next request's answer.
func (c *conn) isDrained() bool {
	if c.reader.Buffered() > 0 {
		return false
	}
	secured, ok := c.stream.(*tls.Conn)
	if !ok {
		return true
	}
	if secured.SetReadDeadline(longAgo) != nil {
		return false
	}
	_, err := c.reader.Peek(1) // of what TLS holds: the deadline keeps it off the connection
	return errors.Is(err, os.ErrDeadlineExceeded) && secured.SetReadDeadline(time.Time{}) == nil
}
