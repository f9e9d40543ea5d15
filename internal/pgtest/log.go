package pgtest

import (
	"bytes"
	"sync"
)

// serverLog keeps the end of what a server wrote, and tells when it said that it is ready.
type serverLog struct {
	mu    sync.Mutex
	tail  []byte
	ready chan struct{}
	seen  bool
}

// serverLogBytesMax bounds the memory of a log; the reason why a server ended is at its end.
const serverLogBytesMax = 64 << 10

// readyLine is in the log once the server accepts connections. The server runs with LC_ALL=C, which keeps it English.
const readyLine = "database system is ready to accept connections"

func newServerLog() *serverLog {
	return &serverLog{ready: make(chan struct{})}
}

func (l *serverLog) Write(written []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.tail = append(l.tail, written...)
	if !l.seen && bytes.Contains(l.tail, []byte(readyLine)) {
		l.seen = true
		close(l.ready)
	}
	if surplus := len(l.tail) - serverLogBytesMax; surplus > 0 {
		l.tail = append([]byte(nil), l.tail[surplus:]...)
	}
	return len(written), nil
}

func (l *serverLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.tail)
}
