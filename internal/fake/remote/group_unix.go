//go:build unix

package remote

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group of its own, which is what ends
// with its context: git starts further processes.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
