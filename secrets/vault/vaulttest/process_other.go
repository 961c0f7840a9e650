//go:build !linux

package vaulttest

import "syscall"

func diesWithUs() *syscall.SysProcAttr { return nil }
