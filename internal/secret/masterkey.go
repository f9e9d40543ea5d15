package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	masterKeyBytes = 32
	// masterKeyFileMax bounds what is read from a file that should hold 44 characters.
	masterKeyFileMax = 1 << 10
)

// MasterKey is the key that wraps an installation's keyset. It is never stored beside what it opens. The zero value
// is no key. It redacts itself like [String].
type MasterKey struct{ raw String }

// LoadMasterKey reads a master key from text: 32 random bytes in standard base64, space around it ignored.
func LoadMasterKey(text string) (MasterKey, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != masterKeyBytes {
		return MasterKey{}, errors.New("secret: a master key is 32 random bytes in base64, 44 characters; make one with: openssl rand -base64 32")
	}
	return MasterKey{raw: NewString(string(raw))}, nil
}

// LoadOrCreateMasterKeyFile reads the master key from a file, or creates the file with a new random key and mode 0600
// where there is none; created tells which, so that the caller can ask its operator for a backup. A file that others
// may read is refused. Processes that start at the same time agree on one key, and a crash leaves no half key.
func LoadOrCreateMasterKeyFile(path string) (key MasterKey, created bool, err error) {
	key, err = readMasterKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if err := createMasterKeyFile(path); errors.Is(err, fs.ErrExist) {
		key, err := readMasterKeyFile(path)
		return key, false, err
	} else if err != nil {
		return MasterKey{}, false, fmt.Errorf("secret: create the master key file: %w; give a path in a folder that the gateway may write to", err)
	}
	key, err = readMasterKeyFile(path)
	return key, err == nil, err
}

func readMasterKeyFile(path string) (MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: open the master key file: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: look at the master key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return MasterKey{}, fmt.Errorf("secret: %s is not a file; give the path of the file that holds the master key", path)
	}
	// Windows keeps access lists, not modes.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return MasterKey{}, fmt.Errorf("secret: the master key file %s has mode %#o, others on this machine may use it; run: chmod 600 %s", path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, masterKeyFileMax))
	if err != nil {
		return MasterKey{}, fmt.Errorf("secret: read the master key file: %w", err)
	}
	key, err := LoadMasterKey(string(text))
	if err != nil {
		return MasterKey{}, fmt.Errorf("%s: %w; if this installation holds data already, restore the file from your backup instead", path, err)
	}
	return key, nil
}

// createMasterKeyFile writes a new key under another name and links it to path: the file appears whole, and only if
// nobody else made it first, which is [fs.ErrExist].
func createMasterKeyFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".master-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	raw := make([]byte, masterKeyBytes)
	rand.Read(raw)
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the new name durable: a key lost in a crash after it has sealed something would lose that too.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
