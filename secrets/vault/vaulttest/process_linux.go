package vaulttest

import "syscall"

// diesWithUs has the kernel end the child when a test ends without its clean-up, as at a timeout or a kill.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
