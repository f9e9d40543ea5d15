//go:build !unix

package direct

import "time"

// alive goes by the time alone: an idle connection is used for a shorter time than the other side keeps it.
func (c *conn) alive() bool {
	timeout := c.transport.base.IdleConnTimeout
	return timeout <= 0 || time.Since(c.idleSince) < timeout
}
