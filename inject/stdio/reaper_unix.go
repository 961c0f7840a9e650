//go:build unix && !linux

package stdio

import (
	"context"
	"os/exec"
	"syscall"
)

// remains is nothing: only a whole group is looked for.
type remains struct{}

func adopt() {}

func startTime(int) uint64 { return 0 }

// waitExit reaps the child, as there is no way here to wait without. The number of its group cannot be given to another
// process while the group has members, so survivors are still ended safely.
func waitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

func reap(*exec.Cmd) {}

// Reap has nothing to do here: what is left behind goes to launchd or init.
func Reap(ctx context.Context) { <-ctx.Done() }

// left sends sig, unless it is 0, to the child's group and reports whether it has members.
func (f *family) left(p *Process, _ remains, sig syscall.Signal) bool {
	return p.ownGroup && syscall.Kill(-p.PID(), sig) == nil
}
