package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9.6", "13", "17"} {
		install(t, filepath.Join(root, version, "bin"), "initdb", "postgres")
	}
	install(t, filepath.Join(root, "18", "bin"), "initdb") // a broken installation
	folders := []string{filepath.Join(root, "*", "bin")}
	nothingOnPath := func(string) (string, error) { return "", exec.ErrNotFound }

	t.Run("PathComesFirst", func(t *testing.T) {
		t.Parallel()
		onPath := func(name string) (string, error) { return "/chosen/" + name, nil }
		got, err := findBinaries(onPath, folders)
		if want := (binaries{initdb: "/chosen/initdb", postgres: "/chosen/postgres"}); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})

	t.Run("NewestCompleteVersionWins", func(t *testing.T) {
		t.Parallel()
		got, err := findBinaries(nothingOnPath, folders)
		if want := filepath.Join(root, "17", "bin", "postgres"); err != nil || got.postgres != want {
			t.Errorf("got %q, %v, want %q", got.postgres, err, want)
		}
	})

	t.Run("NoneSaysWhatToInstall", func(t *testing.T) {
		t.Parallel()
		_, err := findBinaries(nothingOnPath, []string{filepath.Join(t.TempDir(), "*")})
		if err == nil || !strings.Contains(err.Error(), "apt-get install postgresql") {
			t.Errorf("got %v, want what to install", err)
		}
	})
}

func TestMajorVersion(t *testing.T) {
	t.Parallel()
	for folder, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":          15,
		"/usr/lib/postgresql/9.6/bin":         9,
		"/usr/pgsql-17/bin":                   17,
		"/opt/homebrew/opt/postgresql@16/bin": 16,
		"/no/version/bin":                     0,
	} {
		if got := majorVersion(folder); got != want {
			t.Errorf("%s: got %d, want %d", folder, got, want)
		}
	}
}

// install puts programs that do nothing into folder.
func install(t *testing.T, folder string, programs ...string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if err := os.WriteFile(filepath.Join(folder, program), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
