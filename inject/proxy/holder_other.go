//go:build !linux

package proxy

// Holder would be the process that listens on a port; there is no portable way to tell.
func Holder(string) (name string, pid int) { return "", 0 }
