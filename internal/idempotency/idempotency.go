// Package idempotency lets a client repeat a POST with the same Idempotency-Key and get the first answer again.
package idempotency

import (
	"context"
	"time"
)

// Record is what is known about one key of one app.
type Record struct {
	AppID       string
	Key         string
	RequestHash string // of method, path and body: the same key with another request is a mistake
	LockedUntil time.Time
	Done        bool // Status and Body are the first answer
	Status      int
	ContentType string
	Location    string
	Body        []byte
	CreatedAt   time.Time
}

// Store keeps records. It is safe for concurrent use.
type Store interface {
	// Begin claims the key with r's RequestHash and LockedUntil. started is true when the caller owns it now: it was
	// new, or its owner's lock ended (before now) without an answer. Otherwise the record tells what is known.
	Begin(ctx context.Context, r Record, now time.Time) (current Record, started bool, err error)
	// Finish stores the answer of a key the caller owns.
	Finish(context.Context, Record) error
	// Forget releases a key whose request never began to execute.
	Forget(ctx context.Context, appID, key string) error
}
