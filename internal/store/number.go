package store

import (
	"context"
	"errors"
)

// ClaimNumbers implements [payment.Blocks].
func (s *Store) ClaimNumbers(ctx context.Context, merchantID string, count int64) (first int64, err error) {
	claim := `INSERT INTO numbers (merchant_id, claimed) VALUES ($1, $2)
		ON CONFLICT (merchant_id) DO UPDATE SET claimed = numbers.claimed + excluded.claimed
		RETURNING claimed`
	err = s.inTx(ctx, func(tx *Tx) error {
		claimed, err := one(ctx, tx, errors.New("store: claimed numbers and was not told which"), scanInteger, claim, merchantID, count)
		first = claimed - count
		return err
	})
	return first, err
}
