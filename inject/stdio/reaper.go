package stdio

import (
	"os/exec"
	"sync"
)

// family holds the children that were started and are not reaped yet, by process id. Whatever else has bearerd for a parent was
// left to it by one of their processes: bearerd starts no programs in other ways.
type family struct {
	mu       sync.Mutex
	children map[int]*member // guarded by mu
	adopting sync.Once
}

type member struct {
	started uint64 // in the kernel's clock ticks since boot; 0: unknown
	ended   bool   // it has exited, and what it has left behind is being ended
	kin     kin    // what holds its tree together, where a system has such a thing
}

// ours is global as processes are.
var ours = family{children: map[int]*member{}}

// start holds the lock, so that no child is ever taken for a stranger, even if it ends at once.
func (f *family) start(cmd *exec.Cmd, umask int) error {
	f.adopting.Do(adopt)
	f.mu.Lock()
	defer f.mu.Unlock()
	kin, err := launchProcess(cmd, umask)
	if err != nil {
		return err
	}
	f.children[cmd.Process.Pid] = &member{started: startTime(cmd.Process.Pid), kin: kin}
	return nil
}

// ends says that the child runs no longer.
func (f *family) ends(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.children[pid].ended = true
}

func (f *family) reap(cmd *exec.Cmd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reap(cmd)
	f.children[cmd.Process.Pid].kin.part()
	delete(f.children, cmd.Process.Pid)
}
