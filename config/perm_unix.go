//go:build linux || darwin || freebsd

package config

import (
	"os"
	"syscall"
)

// openFile does not wait for a writer when path is a named pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
