package shop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// heartbeat is how often a silent stream says that it is alive, so that nothing in between gives it up.
const heartbeat = 15 * time.Second

// stream shows an order's page part as server-sent events: as it is now, and again at every change. It ends with the
// browser or with [Shop.Close].
func (s *Shop) stream(w http.ResponseWriter, r *http.Request) {
	no := r.PathValue("no")
	if _, _, ok := s.book.look(no); !ok {
		http.Error(w, "there is no such order", http.StatusNotFound)
		return
	}
	out := http.NewResponseController(w)
	// The server's limits are for requests that end.
	if err := errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Time{})); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.config.Logger.Warn("a stream keeps the server's deadlines", "error", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")

	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		o, changed, ok := s.book.look(no)
		if !ok || s.push(w, out, o) != nil {
			return
		}
		if !s.idle(r, w, out, o, changed, beat.C) {
			return
		}
	}
}

// idle waits until there is something to show; false: the stream ends.
func (s *Shop) idle(r *http.Request, w io.Writer, out *http.ResponseController, o order, changed <-chan struct{}, beat <-chan time.Time) bool {
	expiry := time.NewTimer(time.Hour)
	defer expiry.Stop()
	if left := o.expiresAt().Sub(s.config.Now()); left > 0 {
		expiry.Reset(left)
	}
	for {
		select {
		case <-changed:
			return true
		case <-expiry.C:
			return true
		case <-beat:
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil || out.Flush() != nil {
				return false
			}
		case <-r.Context().Done():
			return false
		case <-s.closing:
			return false
		}
	}
}

// push sends the order's page part.
func (s *Shop) push(w io.Writer, out *http.ResponseController, o order) error {
	var part, event bytes.Buffer
	if err := s.pages.ExecuteTemplate(&part, "live", s.orderView(o)); err != nil {
		return fmt.Errorf("shop: %w", err)
	}
	fmt.Fprintf(&event, "retry: 2000\nid: %d\n", o.Version)
	for line := range strings.Lines(part.String()) {
		fmt.Fprintf(&event, "data: %s\n", strings.TrimRight(line, "\r\n"))
	}
	event.WriteByte('\n')
	if _, err := w.Write(event.Bytes()); err != nil {
		return err
	}
	return out.Flush()
}
