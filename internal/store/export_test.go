package store

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Waiting is how many changes no group has taken yet.
func (s *Store) Waiting() int {
	s.commits.mu.Lock()
	defer s.commits.mu.Unlock()
	return len(s.commits.waiting)
}

// Lanes is how many groups are under way at once.
func (s *Store) Lanes() int { return s.commits.lanes }

// OpenPostgresTraced opens a database whose statements the tracer sees.
func OpenPostgresTraced(ctx context.Context, dsn string, tracer pgx.QueryTracer) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.Tracer = tracer
	return connectPostgres(ctx, config)
}

// OpenSQLiteBy opens a file through the caller's driver.
func OpenSQLiteBy(ctx context.Context, path string, connect func(dsn string) (*sql.DB, error)) (*Store, error) {
	return connectSQLite(ctx, path, connect)
}
