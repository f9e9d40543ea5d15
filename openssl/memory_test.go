//go:build cgo && (linux || darwin)

package openssl_test

import (
	"fmt"
	"os"
	"testing"
)

// residentBytes is the memory that the process holds, C's included. Linux only.
func residentBytes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(text), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}
