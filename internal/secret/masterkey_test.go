package secret_test

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

func keyText(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(fill)), 32)))
}

func TestLoadMasterKey(t *testing.T) {
	t.Parallel()

	t.Run("TakesBase64WithSpaceAround", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{keyText('a'), keyText('a') + "\n", "  " + keyText('a') + "\r\n"} {
			if _, err := secret.LoadMasterKey(text); err != nil {
				t.Errorf("%q is refused: %v", text, err)
			}
		}
	})

	for name, text := range map[string]string{
		"Nothing":       "",
		"Hex":           strings.Repeat("ab", 32),
		"TooShort":      base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"TooLong":       base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"NoPadding":     strings.TrimRight(keyText('a'), "="),
		"StrayLastBits": strings.Repeat("A", 42) + "B=",
		"TwoKeys":       keyText('a') + "\n" + keyText('b'),
		"Password":      "correct horse battery staple",
	} {
		t.Run(name+"IsRefusedWithoutBeingShown", func(t *testing.T) {
			t.Parallel()
			_, err := secret.LoadMasterKey(text)
			if err == nil {
				t.Fatal("accepted")
			}
			if text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows the key: %v", err)
			}
			if !strings.Contains(err.Error(), "openssl rand -base64 32") {
				t.Errorf("the error does not say how to make a key: %v", err)
			}
		})
	}

	t.Run("RedactsItself", func(t *testing.T) {
		t.Parallel()
		key, err := secret.LoadMasterKey(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(hidden, 3)[:32])))
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			mustNotShow(t, verb, fmt.Sprintf(verb, key))
		}
	})
}

func TestLoadOrCreateMasterKeyFile(t *testing.T) {
	t.Parallel()

	t.Run("FirstStartCreatesAPrivateFileAndTheNextReadsIt", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "data", "master.key")
		first, created, err := secret.LoadOrCreateMasterKeyFile(path)
		if err != nil || !created {
			t.Fatalf("created %t, %v", created, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, want 0600", info.Mode())
		}
		second, created, err := secret.LoadOrCreateMasterKeyFile(path)
		if err != nil || created {
			t.Fatalf("created %t, %v", created, err)
		}
		mustBeSameKey(t, first, second)
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
			t.Errorf("%d files in the folder, want the key alone", len(entries))
		}
	})

	t.Run("ProcessesThatStartTogetherAgreeOnOneKey", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "master.key")
		keys := make([]secret.MasterKey, 8)
		made := make([]bool, len(keys))
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() {
				var err error
				if keys[i], made[i], err = secret.LoadOrCreateMasterKeyFile(path); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		creators := 0
		for i, key := range keys {
			mustBeSameKey(t, keys[0], key)
			if made[i] {
				creators++
			}
		}
		if creators != 1 {
			t.Errorf("%d created the key, want 1", creators)
		}
	})

	t.Run("FileReadableByOthersIsRefusedWithTheRemedy", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []fs.FileMode{0o604, 0o640, 0o660, 0o644} {
			path := writeKeyFile(t, keyText('a'), mode)
			_, _, err := secret.LoadOrCreateMasterKeyFile(path)
			if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %v: %v", mode, err)
			}
		}
	})

	t.Run("DamagedFileIsRefusedAndKept", func(t *testing.T) {
		t.Parallel()
		path := writeKeyFile(t, "half a k", 0o600)
		if _, _, err := secret.LoadOrCreateMasterKeyFile(path); err == nil || !strings.Contains(err.Error(), "backup") {
			t.Errorf("the error does not lead to the backup: %v", err)
		}
		if kept, _ := os.ReadFile(path); string(kept) != "half a k" {
			t.Errorf("the file was changed to %q", kept)
		}
	})

	t.Run("FolderInsteadOfFileIsRefused", func(t *testing.T) {
		t.Parallel()
		if _, _, err := secret.LoadOrCreateMasterKeyFile(t.TempDir()); err == nil {
			t.Error("accepted")
		}
	})
}

func writeKeyFile(t *testing.T, text string, mode fs.FileMode) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustBeSameKey asks the only way a key can be asked: does one open what the other wrapped?
func mustBeSameKey(t *testing.T, a, b secret.MasterKey) {
	t.Helper()
	store := &memory{}
	if _, err := secret.Open(t.Context(), store, a); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(t.Context(), store, b); err != nil {
		t.Errorf("the keys differ: %v", err)
	}
}
