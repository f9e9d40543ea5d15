// Package idempotencytest has an in-memory store for tests of what stands above it.
package idempotencytest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tongbao-pay/tongbao/internal/idempotency"
)

// Memory is an [idempotency.Store] that lives as long as the process. The zero value is empty and ready.
type Memory struct {
	mu      sync.Mutex
	records map[[2]string]idempotency.Record
}

// Begin claims a key that is new, or whose lock ended without an answer.
func (m *Memory) Begin(_ context.Context, r idempotency.Record, now time.Time) (idempotency.Record, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[[2]string]idempotency.Record{}
	}
	current, known := m.records[[2]string{r.AppID, r.Key}]
	if known && (current.Done || current.LockedUntil.After(now)) {
		return current, false, nil
	}
	m.records[[2]string{r.AppID, r.Key}] = r
	return r, true, nil
}

// Finish stores the answer.
func (m *Memory) Finish(_ context.Context, r idempotency.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.records[[2]string{r.AppID, r.Key}]; !known {
		return errors.New("idempotencytest: finish of a key that nobody holds")
	}
	m.records[[2]string{r.AppID, r.Key}] = r
	return nil
}

// Forget releases a key.
func (m *Memory) Forget(_ context.Context, appID, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, [2]string{appID, key})
	return nil
}

// Record shows what is stored of a key.
func (m *Memory) Record(appID, key string) (idempotency.Record, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.records[[2]string{appID, key}]
	return r, known
}
