package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// slowConnection is a connection on which the deadline for reading passes.
type slowConnection struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (c *slowConnection) SetReadDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}

// slowBody gives nothing until the deadline has passed.
type slowBody struct{}

func (slowBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestBodyThatDoesNotArriveIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := &slowConnection{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/payments", slowBody{})
	r.Header.Set("Authorization", "Bearer "+b.secret)
	b.handler.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Connection") != "close" || !strings.Contains(w.Body.String(), `"code":"timeout"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestDeadlineForReadingIsLiftedBeforeTheRequestExecutes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := &slowConnection{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/payments", strings.NewReader(goodPayment))
	r.Header.Set("Authorization", "Bearer "+b.secret)
	r.Header.Set("Content-Type", "application/json")
	b.handler.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if len(w.deadlines) != 2 || w.deadlines[0].IsZero() || !w.deadlines[1].IsZero() {
		t.Errorf("the deadlines were set to %v", w.deadlines)
	}
}
