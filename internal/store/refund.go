package store

import (
	"context"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

const refundColumns = `app_id, id, payment_id, out_refund_no, refund_no, channel_refund_id, trade_no, amount, currency, reason, status, error, created_at, updated_at, succeeded_at, sequence`

func scanRefund(r rows) (*payment.Refund, error) {
	f := &payment.Refund{}
	err := r.Scan(&f.AppID, &f.ID, &f.PaymentID, &f.OutRefundNo, &f.RefundNo, &f.ChannelRefundID, &f.TradeNo, &f.Amount, &f.Currency, &f.Reason, &f.Status, jsonText(&f.Error),
		instant{&f.CreatedAt}, instant{&f.UpdatedAt}, instant{&f.SucceededAt}, &f.Sequence)
	return f, err
}

// RefundByID returns an app's refund, or [payment.ErrNotFound].
func (s *Store) RefundByID(ctx context.Context, appID, id string) (*payment.Refund, error) {
	return one(ctx, s.read, payment.ErrNotFound, scanRefund, `SELECT `+refundColumns+` FROM refunds WHERE app_id = $1 AND id = $2`, appID, id)
}

func putRefund(p *payment.Payment, f *payment.Refund) statement {
	return statement{
		sql: `INSERT INTO refunds (account_id, ` + refundColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
			ON CONFLICT (app_id, id) DO UPDATE SET channel_refund_id = excluded.channel_refund_id, status = excluded.status, error = excluded.error,
			updated_at = excluded.updated_at, succeeded_at = excluded.succeeded_at, sequence = excluded.sequence`,
		args: []any{
			p.AccountID, f.AppID, f.ID, f.PaymentID, f.OutRefundNo, f.RefundNo, f.ChannelRefundID, f.TradeNo, f.Amount, string(f.Currency), f.Reason, string(f.Status), text(f.Error),
			millis(f.CreatedAt), millis(f.UpdatedAt), millis(f.SucceededAt), f.Sequence,
		},
	}
}
