//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

// runAs lets command run as account, in a process group of its own: an interrupt from the terminal is for the test
// process, which then ends the command in order.
func runAs(command *exec.Cmd, account account) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if account.name != "" {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: account.uid, Gid: account.gid}
	}
}
