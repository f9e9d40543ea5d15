//go:build !unix

package pgtest

import "os/exec"

// runAs has nothing to do where there are no Unix accounts and process groups.
func runAs(*exec.Cmd, account) {}
