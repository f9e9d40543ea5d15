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
	// transaction's number and readers stay behind the oldest one still running. SQLite commits one at a time. In
	// position, $1 is the app.
	position string
	settled  string
	// rebase moves the places of a database that was restored where transaction numbers are lower: without it new
	// events would come before old ones, and old ones stay hidden. Empty where there is nothing to move.
	rebase string
	// impatient makes a group's statements give up soon on a row that somebody else holds. Empty where there is one writer.
	impatient string
	// asked is a table of the texts that list makes an argument of, given as $2; its column is value.
	asked string
	list  func([]string) any
}

var (
	postgres = dialect{
		name:     "postgres",
		position: "CAST(CAST(pg_current_xact_id() AS text) AS bigint)",
		settled:  "position < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
		rebase: `UPDATE events SET position = position - moved.by
			FROM (SELECT MAX(newest.position) - CAST(CAST(pg_current_xact_id() AS text) AS bigint) + 1 AS by
				FROM apps, LATERAL (SELECT MAX(position) AS position FROM events WHERE events.app_id = apps.id) newest) moved
			WHERE moved.by > 0`,
		impatient: `SET LOCAL lock_timeout = '300ms'`,
		asked:     "unnest(CAST($2 AS text[])) AS asked(value)",
		list:      func(texts []string) any { return texts },
	}
	embedded = dialect{
		name:     "sqlite3",
		position: "(SELECT COALESCE(MAX(position), 0) + 1 FROM events WHERE app_id = $1)",
		settled:  "1 = 1",
		asked:    "json_each($2) AS asked",
		list:     func(texts []string) any { return text(texts) },
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

// isRefusal reports whether an error is the database's own word about a statement, and not the loss of the database.
func isRefusal(err error) bool {
	_, pg := errors.AsType[*pgconn.PgError](err)
	_, lite := errors.AsType[*sqlite.Error](err)
	return pg || lite
}
