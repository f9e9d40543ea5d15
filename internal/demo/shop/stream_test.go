package shop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tongbao-pay/tongbao/client"
)

// listener reads a stream inside a synctest bubble.
type listener struct {
	mu   sync.Mutex
	text strings.Builder
	http.ResponseWriter
	readLimit, writeLimit string // deadlines: empty: left as the server set it
}

func (l *listener) SetReadDeadline(at time.Time) error {
	l.readLimit = limit(at)
	return nil
}

func (l *listener) SetWriteDeadline(at time.Time) error {
	l.writeLimit = limit(at)
	return nil
}

func limit(at time.Time) string {
	if at.IsZero() {
		return "none"
	}
	return at.String()
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *listener) Flush() {}

// heard is what came since the last call.
func (l *listener) heard() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// listen opens an order's stream; done is closed when the shop has ended it.
func listen(ctx context.Context, s *Shop, no string) (*listener, <-chan struct{}) {
	l, done := &listener{ResponseWriter: httptest.NewRecorder()}, make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(l, httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders/"+no+"/events", http.NoBody))
	}()
	return l, done
}

// streaming is a shop with one order that nobody has paid, whose clock is the bubble's.
func streaming(t *testing.T) *Shop {
	t.Helper()
	s, err := New(Config{Gateway: new(client.Client), WebhookSecret: webhookSecret, PhoneURL: func(string) string { return "http://phone.test/" }})
	if err != nil {
		t.Fatal(err)
	}
	s.book.add(order{No: "one", Product: products()[0], Payment: client.Payment{
		ID: "pay_1", Status: client.PaymentPending, ExpiresAt: time.Now().Add(payWithin), Credential: &client.Credential{CodeURL: "weixin://code"},
	}})
	return s
}

func TestStream(t *testing.T) {
	t.Parallel()

	t.Run("ShowsTheOrderAtOnceAndAgainAtEachChange", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			l, done := listen(t.Context(), s, "one")
			shows(t, l.heard(), "id: 0\n", `data-state="pending"`, `id="qr"`)
			s.book.change("one", func(o *order) { o.learn(client.Payment{ID: "pay_1", Status: client.PaymentSucceeded, AmountPaid: 88}) })
			news := l.heard()
			shows(t, news, "id: 1\n", `data-state="paid"`)
			for line := range strings.Lines(strings.TrimRight(news, "\n")) {
				if !strings.HasPrefix(line, "data: ") && !strings.HasPrefix(line, "id: ") && !strings.HasPrefix(line, "retry: ") {
					t.Errorf("a line outside the protocol: %q", line)
				}
			}
			s.Close()
			<-done
		})
	})

	t.Run("SaysEvery15SecondsThatItIsAlive", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			l, done := listen(t.Context(), s, "one")
			l.heard()
			<-time.After(15*time.Second - time.Millisecond)
			if got := l.heard(); got != "" {
				t.Errorf("heard %q", got)
			}
			<-time.After(time.Millisecond)
			if got := l.heard(); got != ": still here\n\n" {
				t.Errorf("heard %q", got)
			}
			s.Close()
			<-done
		})
	})

	t.Run("TurnsExpiredByItself", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			l, done := listen(t.Context(), s, "one")
			l.heard()
			<-time.After(payWithin)
			shows(t, l.heard(), `data-state="expired"`)
			s.Close()
			<-done
		})
	})

	t.Run("EndsWithTheBrowser", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			ctx, leave := context.WithCancel(t.Context())
			_, done := listen(ctx, s, "one")
			synctest.Wait()
			leave()
			<-done
		})
	})

	t.Run("ClosingEndsEveryStreamAndMayBeRepeated", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			_, first := listen(t.Context(), s, "one")
			_, second := listen(t.Context(), s, "one")
			synctest.Wait()
			s.Close()
			s.Close()
			<-first
			<-second
		})
	})

	t.Run("AnOrderThatIsNotThereHasNoStream", func(t *testing.T) {
		t.Parallel()
		if w := setup(t).get("/orders/nothing/events"); w.Code != http.StatusNotFound {
			t.Fatalf("%d", w.Code)
		}
	})

	t.Run("AServersDeadlinesDoNotCutIt", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := streaming(t)
			l, done := listen(t.Context(), s, "one")
			l.heard()
			if l.readLimit != "none" || l.writeLimit != "none" {
				t.Errorf("reading is limited by %q and writing by %q", l.readLimit, l.writeLimit)
			}
			s.Close()
			<-done
		})
	})
}
