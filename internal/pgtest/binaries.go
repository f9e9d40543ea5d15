package pgtest

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// binaries are the two programs of one PostgreSQL installation that a private cluster needs.
type binaries struct {
	initdb, postgres string
}

// versionedFolders is where packages put the server's programs without putting them on PATH.
func versionedFolders() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // postgresql.org's packages for Red Hat
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
	}
}

// findBinaries looks on PATH first, so that a developer decides which server is used, and then in folders, where the
// newest version wins.
func findBinaries(lookPath func(string) (string, error), folders []string) (binaries, error) {
	initdb, initdbErr := lookPath("initdb")
	postgres, postgresErr := lookPath("postgres")
	if initdbErr == nil && postgresErr == nil {
		return binaries{initdb: initdb, postgres: postgres}, nil
	}

	var newest binaries
	newestVersion := -1
	for _, pattern := range folders {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return binaries{}, err
		}
		for _, folder := range matches {
			found := binaries{initdb: filepath.Join(folder, "initdb"), postgres: filepath.Join(folder, "postgres")}
			if !executable(found.initdb) || !executable(found.postgres) {
				continue
			}
			if version := majorVersion(folder); version > newestVersion {
				newest, newestVersion = found, version
			}
		}
	}
	if newestVersion < 0 {
		return binaries{}, errors.New("PostgreSQL is not installed: its programs initdb and postgres are neither on PATH " +
			"nor in /usr/lib/postgresql/*/bin; run scripts/install-test-needs, or install PostgreSQL 13 or newer " +
			"(Debian: apt-get install postgresql)")
	}
	return newest, nil
}

// executable reports whether path names a program; [exec.LookPath] does not search when a path has a slash.
func executable(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// majorVersion reads the first number in the name of the folder above a versioned folder's bin; 0 when it has none.
func majorVersion(folder string) int {
	name := filepath.Base(filepath.Dir(folder))
	version, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(name))
	if err != nil {
		return 0
	}
	return version
}
