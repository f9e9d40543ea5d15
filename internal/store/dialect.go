package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect holds the words in which the engines differ.
type dialect struct {
	name string
	// position is the place of an event in its app's stream, computed at insert; settled is the condition under which
	// no event can appear before one that is visible. PostgreSQL commits in any order, so the place is the database
	// transaction's number and readers stay behind the oldest one still running. SQLite commits one at a time.
	position string
	settled  string
}

var (
	postgres = dialect{
		name:     "postgres",
		position: "CAST(CAST(pg_current_xact_id() AS text) AS bigint)",
		settled:  "position < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
	}
	embedded = dialect{
		name:     "sqlite3",
		position: "(SELECT COALESCE(MAX(position), 0) + 1 FROM events)",
		settled:  "1 = 1",
	}
)

// isUniqueViolation reports whether a statement failed because a row with its key is there already.
func isUniqueViolation(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505" // unique_violation
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}
