package login

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// apart keeps a browser from the Ctrl-C of this program's console.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}
