package main

import (
	"fmt"
	"net"
	"strconv"
)

// address is host:port with a port of 0 to 65535; the host may be empty.
type address string

// UnmarshalText takes an address from the command line.
func (a *address) UnmarshalText(text []byte) error {
	_, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is no address; write host:port with a port of 0 to 65535, such as 127.0.0.1:8080", text)
	}
	*a = address(text)
	return nil
}
