package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// Database names the database. Printed, it shows everything but its password. It is immutable.
type Database struct{ dsn secret.String }

const sqlitePrefix = "sqlite:"

// parseDatabase reads a DSN; a relative path of SQLite is below folder. The error never quotes the text.
func parseDatabase(text, folder string) (Database, error) {
	switch {
	case strings.HasPrefix(text, sqlitePrefix) && len(text) > len(sqlitePrefix):
		return Database{secret.NewString(sqlitePrefix + under(folder, text[len(sqlitePrefix):]))}, nil
	case strings.HasPrefix(text, "postgres://"), strings.HasPrefix(text, "postgresql://"):
		u, err := url.Parse(text)
		if err != nil || u.Host == "" && u.Query().Get("host") == "" {
			return Database{}, errors.New("is not a valid postgres:// URL; write postgres://user:password@host:5432/name and percent-encode special characters of the password")
		}
		return Database{secret.NewString(text)}, nil
	}
	return Database{}, errors.New("must be sqlite:path/to/file.db or postgres://user:password@host:5432/name")
}

// Reveal is the DSN with its password.
func (d Database) Reveal() string { return d.dsn.Reveal() }

// SQLiteFile is the file of an SQLite database; false on PostgreSQL.
func (d Database) SQLiteFile() (string, bool) {
	return strings.CutPrefix(d.dsn.Reveal(), sqlitePrefix)
}

// String is the DSN without its password.
func (d Database) String() string {
	text := d.dsn.Reveal()
	if _, ok := d.SQLiteFile(); ok || text == "" {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "postgres://[redacted]" // unreachable: parseDatabase has parsed it
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}

// Format prints the DSN without its password for every verb and flag.
func (d Database) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue is the DSN without its password.
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText encodes the DSN without its password.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// under makes a relative path one below folder.
func under(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
