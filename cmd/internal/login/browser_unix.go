//go:build unix

package login

import "syscall"

// apart keeps a browser from the signals of this program's terminal.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
