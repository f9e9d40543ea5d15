package idempotency

import "context"

type executionKey struct{}

// execution is what the handler tells the middleware about one request.
type execution struct{ began bool }

// Executing says that the request passed every check and takes effect from here on: its answer is kept.
// Without the middleware, or without a key, it does nothing.
func Executing(ctx context.Context) { mark(ctx, true) }

// NotExecuted takes [Executing] back, for a check that only the executing code could make: the key stays free.
func NotExecuted(ctx context.Context) { mark(ctx, false) }

func mark(ctx context.Context, began bool) {
	if e, ok := ctx.Value(executionKey{}).(*execution); ok {
		e.began = began
	}
}
