package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockFile is held open as long as a sandbox uses its directory. It stays when the sandbox ends; only the hold counts.
const lockFile = "sandbox.lock"

// takeDirectory makes the directory and keeps other sandboxes out of it until [Sandbox.Close].
func (s *Sandbox) takeDirectory() error {
	if s.config.Dir == "" {
		return nil
	}
	dir, err := filepath.Abs(s.config.Dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	lock, free, err := tryLock(filepath.Join(dir, lockFile))
	if err != nil {
		return fmt.Errorf("lock the directory: %w", err)
	}
	if !free {
		return fmt.Errorf("another sandbox uses %s; stop it or choose another --dir", dir)
	}
	s.config.Dir, s.lock = dir, lock
	return nil
}
