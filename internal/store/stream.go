package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// ErrStreamed means that another process feeds the event stream at the moment.
var ErrStreamed = errors.New("store: another process feeds the event stream")

// Stream is the right to feed the event stream, which one process has at a time, and how far each app's events have come
// in it. It is for one goroutine.
type Stream struct {
	conn    *pgx.Conn // on PostgreSQL: it holds the lock, which ends with it
	read    querier
	write   func(ctx context.Context, query string, args ...any) (int64, error)
	settled string

	Turn string // the app whose turn it was; who opens the stream again may go on after it
}

// sentTo gives each app with the last of its events that was sent, if there is one that is kept; unsent are the events after
// it. $1 is the position before every other.
const (
	sentTo = `apps LEFT JOIN stream_cursors c ON c.app_id = apps.id LEFT JOIN events sent ON sent.app_id = c.app_id AND sent.id = c.event_id`
	unsent = `events.app_id = apps.id AND (position, id) > (COALESCE(sent.position, $1), COALESCE(sent.id, ''))`
)

// streaming is the advisory lock of [Stream]; see exclusive.
const streaming int64 = 0x73747265616d // "stream"

// keepalive lets PostgreSQL notice within half a minute that the machine with the lock is gone. By default that takes it
// two hours.
const keepalive = `SELECT set_config('tcp_keepalives_idle', '15', false), set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)`

// OpenStream takes the right, or answers [ErrStreamed]. A SQLite file has one process anyway.
func (s *Store) OpenStream(ctx context.Context) (*Stream, error) {
	if s.pg == nil {
		return &Stream{read: s.read, write: s.write, settled: s.dialect.settled}, nil
	}
	pooled, err := s.pg.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: connect for the event stream: %w", err)
	}
	var mine bool
	if err := pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, streaming).Scan(&mine); err != nil || !mine {
		pooled.Release()
		if err == nil {
			err = ErrStreamed
		}
		return nil, err
	}
	// From here on the connection is the stream's alone: sending takes none from those who take payments.
	conn := pooled.Hijack()
	q := pgQuerier{conn}
	stream := &Stream{conn: conn, read: q, write: q.exec, settled: s.dialect.settled}
	if _, err := conn.Exec(ctx, keepalive); err != nil {
		stream.Close(ctx)
		return nil, fmt.Errorf("store: watch the connection of the event stream: %w", err)
	}
	return stream, nil
}

// Close gives the right back.
func (t *Stream) Close(ctx context.Context) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// PostgreSQL gives the lock to others at the latest when it finds the connection gone, so that no failure matters here.
	_, _ = t.conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, streaming)
	_ = t.conn.Close(ctx)
}

// Next returns the oldest events of an app that were not sent yet, in their order and at most limit; none where nothing
// waits. Apps take turns.
func (t *Stream) Next(ctx context.Context, limit int) ([]payment.Event, error) {
	type place struct {
		app, id  string
		position int64
	}
	scan := func(r rows) (p place, err error) {
		err = r.Scan(&p.app, &p.position, &p.id)
		return p, err
	}
	waiting, err := list(ctx, t.read, scan, `SELECT apps.id, COALESCE(sent.position, $1), COALESCE(sent.id, '') FROM `+sentTo+`
		WHERE EXISTS (SELECT 1 FROM events WHERE `+unsent+` AND `+t.settled+` LIMIT 1 OFFSET 0)
		ORDER BY CASE WHEN apps.id > $2 THEN 0 ELSE 1 END, apps.id LIMIT 1`, int64(math.MinInt64), t.Turn)
	if err != nil || len(waiting) == 0 {
		return nil, err
	}
	after := waiting[0]
	t.Turn = after.app
	return list(ctx, t.read, scanEvent, `SELECT `+eventColumns+` FROM events WHERE app_id = $1 AND `+t.settled+` AND (position, id) > ($2, $3)
		ORDER BY position, id LIMIT $4`, after.app, after.position, after.id, limit)
}

// Sent remembers that an app's events up to this one were sent.
func (t *Stream) Sent(ctx context.Context, e payment.Event) error {
	_, err := t.write(ctx, `INSERT INTO stream_cursors (app_id, event_id) VALUES ($1, $2)
		ON CONFLICT (app_id) DO UPDATE SET event_id = excluded.event_id`, e.AppID, e.ID)
	if err != nil {
		return fmt.Errorf("store: remember how far the event stream has come: %w", err)
	}
	return nil
}

// Unsent is when the oldest event was made that the event stream does not have yet; zero where it has all. Unlike
// [Stream.Next] it sees events that wait for a database transaction.
func (s *Store) Unsent(ctx context.Context) (time.Time, error) {
	scan := func(r rows) (at time.Time, err error) {
		err = r.Scan(instant{&at})
		return at, err
	}
	none := errors.New("none")
	oldest, err := one(ctx, s.read, none, scan, `SELECT created_at
		FROM (SELECT (SELECT created_at FROM events WHERE `+unsent+` ORDER BY position, id LIMIT 1) AS created_at FROM `+sentTo+`) AS oldest
		WHERE created_at IS NOT NULL ORDER BY created_at LIMIT 1`, int64(math.MinInt64))
	if errors.Is(err, none) {
		return time.Time{}, nil
	}
	return oldest, err
}
