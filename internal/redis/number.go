package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// numbersKept is how long the count of a day is kept after its last number: long enough for every time zone and clock.
const numbersKept = 48 * time.Hour

// NextNumber implements the counter of internal/payment: the merchant's numbers of one day, from 1.
func (c *Client) NextNumber(ctx context.Context, merchantID, date string) (int64, error) {
	key := prefix + "number:" + merchantID + ":" + date
	var count *goredis.IntCmd
	err := c.ask(ctx, useNumbers, func(ctx context.Context) error {
		_, err := c.client.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			count = p.Incr(ctx, key)
			p.Expire(ctx, key, numbersKept)
			return nil
		})
		return err
	})
	if err != nil {
		return 0, err
	}
	return count.Val(), nil
}
