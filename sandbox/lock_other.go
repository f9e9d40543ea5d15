//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package sandbox

import (
	"errors"
	"os"
)

// tryLock holds a file open. Windows does not let an open file be removed, which tells that another sandbox has it; on systems
// that do, this keeps nobody out.
func tryLock(path string) (lock *os.File, free bool, err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	lock, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, false, nil
	}
	return lock, err == nil, err
}
