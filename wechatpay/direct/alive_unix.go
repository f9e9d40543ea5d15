//go:build unix

package direct

import (
	"errors"
	"syscall"
	"time"
)

// alive looks, without waiting, whether anything came while the connection was idle: its end, or bytes that no request asked
// for. Both make it useless.
func (c *conn) alive() bool {
	if timeout := c.transport.base.IdleConnTimeout; timeout > 0 && time.Since(c.idleSince) >= timeout {
		return false
	}
	if c.raw == nil {
		return true
	}
	var silent bool
	err := c.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		silent = errors.Is(err, syscall.EAGAIN)
		return true // whatever came, do not wait
	})
	return err == nil && silent
}
