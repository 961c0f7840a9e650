//go:build !linux

package proxy

import (
	"context"
	"syscall"
)

func control(context.Context, string, string, syscall.RawConn) error { return nil }
