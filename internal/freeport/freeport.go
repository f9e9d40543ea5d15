// Package freeport finds ports for the servers that tests start, stop and start again.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports lie below the range from which systems take those that nobody asked for (Linux: from 32768 on), so that a
// server that was stopped finds its port free again.
const (
	portMin   = 20_000
	portCount = 12_000
	tries     = 20
)

// Pick returns a port of 127.0.0.1 on which nobody listens now. Another process may take it first: where a server finds it
// in use, pick again.
func Pick() (int, error) {
	for range tries {
		port := portMin + rand.N(portCount) //nolint:gosec // a port is no secret
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, errors.New("freeport: no free port on 127.0.0.1")
}
