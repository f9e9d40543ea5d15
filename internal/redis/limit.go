package redis

import (
	"context"
	"time"

	"github.com/go-redis/redis_rate/v10"
)

// Take takes a token from the bucket of that name, which every replica shares. It answers how long to wait where there
// is none; zero means that the token was there.
func (c *Client) Take(ctx context.Context, name string, perSecond, burst int) (wait time.Duration, err error) {
	var result *redis_rate.Result
	err = c.ask(ctx, useLimits, func(ctx context.Context) (err error) {
		result, err = c.limiter.Allow(ctx, prefix+name, redis_rate.Limit{Rate: perSecond, Burst: burst, Period: time.Second})
		return err
	})
	if err != nil || result.Allowed > 0 {
		return 0, err
	}
	return max(result.RetryAfter, time.Millisecond), nil
}
