package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bearerd/inject/proxy"
	"bearerd/secrets/disk"
)

// ErrClaimed says that a daemon runs on the state folder, or a command works there that none may run beside.
var ErrClaimed = errors.New("the state folder is in use")

const (
	claimPatience = time.Second // for such a command to end
	claimPause    = 20 * time.Millisecond
)

// claim makes this process the one daemon of its state folder, and reads again what a command may have changed there before.
func (a *App) claim(ctx context.Context, dir string) (unlock func(), err error) {
	if unlock, err = claim(ctx, dir); err != nil {
		return nil, err
	}
	if a.keys, err = proxy.LoadKeys(ctx, a.local); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// claim takes the lock, which ends with the process, however it ends.
func claim(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := lock(dir)
	for by := time.Now().Add(claimPatience); errors.Is(err, ErrClaimed) && ctx.Err() == nil && time.Now().Before(by); f, err = lock(dir) {
		select {
		case <-time.After(claimPause):
		case <-ctx.Done():
		}
	}
	if errors.Is(err, ErrClaimed) {
		b, _ := os.ReadFile(lockPath(dir))
		return nil, fmt.Errorf("the state folder %s is in use by another `bearerd run` (pid %s), or by a command: stop it, or set another "+
			"path in store \"file\"", dir, strings.TrimSpace(string(b)))
	}
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { _ = f.Close() }, nil
}

// Alone keeps daemons from starting on a state folder until release is called, for a command that changes what a daemon reads at its
// start. The error is ErrClaimed while one runs.
func Alone(dir string) (release func(), err error) {
	f, err := lock(dir)
	if err != nil {
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

func lockPath(dir string) string { return filepath.Join(dir, "run.lock") }

// lock takes the lock of a state folder, if it is free, until the file is closed.
func lock(dir string) (*os.File, error) {
	path := lockPath(dir)
	f, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claiming the state folder: %w", err)
	}
	ok, err := disk.TryLock(f)
	if ok {
		return f, nil
	}
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return nil, ErrClaimed
}
