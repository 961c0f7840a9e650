package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"bearerd/config"
)

// MCP clients close stdin, wait 2 s, send SIGTERM, wait 2 s and send SIGKILL, which would leave the child and its token
// behind. So once ctx is done the graces are these at most, 1.5 s together.
const (
	hurriedStop = 500 * time.Millisecond
	hurriedKill = time.Second
)

const (
	survivorGrace = time.Second           // between SIGTERM and SIGKILL for what a child has left behind
	vanishing     = time.Second           // what the kernel is given to carry out a SIGKILL
	groupPoll     = 10 * time.Millisecond // how often it is looked whether a group has gone
)

// Files are what a child is connected to.
type Files struct{ In, Out, Err *os.File }

// Process is a running child. Its starter must call Wait.
type Process struct {
	cmd       *exec.Cmd
	ownGroup  bool
	src, in   *os.File // bearerd's stdin, and the pipe to the child's; nil when the child has inherited a terminal
	stopGrace time.Duration
	killGrace time.Duration

	mu     sync.Mutex
	reaped bool // guarded by mu; the process id may by now be another's
}

// Start starts s.Command in s.Dir. Out and Err are inherited, so no copying can hold up the end. In is copied through a
// pipe and the child leads a process group of its own, unless In is a terminal: then the child inherits it and stays in
// bearerd's group, for the terminal's own signals and job control. umask is given to the child; -1 leaves bearerd's.
func Start(s *config.Server, l *Launch, files Files, umask int) (*Process, error) {
	p := &Process{ownGroup: !isTerminal(files.In), stopGrace: s.StopGrace, killGrace: s.KillGrace}
	if err := p.start(s, l, files, umask); err != nil {
		return nil, fmt.Errorf("server %q: %w", s.Name, err)
	}
	return p, nil
}

func (p *Process) start(s *config.Server, l *Launch, files Files, umask int) error {
	if info, err := os.Stat(s.Dir); s.Dir != "" && err != nil {
		return fmt.Errorf("dir: %w", err)
	} else if s.Dir != "" && !info.IsDir() {
		return fmt.Errorf("dir: %s is not a folder", s.Dir)
	}
	path, err := lookPath(s.Command, s.Dir, l.env["PATH"].Reveal(), l.ownPath)
	if err != nil {
		return err
	}
	p.cmd = &exec.Cmd{
		Path: path, Args: append([]string{s.Command}, l.args...), Env: environment(l), Dir: s.Dir,
		Stdin: files.In, Stdout: files.Out, Stderr: files.Err,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: p.ownGroup},
	}
	if p.ownGroup {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }() // the child has its own
		p.cmd.Stdin, p.src, p.in = r, files.In, w
	}
	err = startWithUmask(p.cmd, umask)
	p.cmd.Env = nil // so that a Process, too, can be printed
	if err != nil && p.in != nil {
		_ = p.in.Close()
	}
	return err
}

func environment(l *Launch) []string {
	env := make([]string, 0, len(l.env)) // not nil, which would mean bearerd's own
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		env = append(env, name+"="+l.env[name].Reveal())
	}
	return env
}

var umaskMu sync.Mutex // one at a time: the umask is the process's

// startWithUmask widens bearerd's own umask for the moment of the fork, as there is no other way to hand one to a child.
// Every file that bearerd writes names its mode itself.
func startWithUmask(cmd *exec.Cmd, umask int) error {
	if umask < 0 {
		return cmd.Start()
	}
	umaskMu.Lock()
	defer umaskMu.Unlock()
	defer syscall.Umask(syscall.Umask(umask))
	return cmd.Start()
}

// Wait serves the child until it has ended and none of its process group is left, and returns its exit code, or 128+n when
// signal n ended it. When ctx is done or bearerd's stdin ends, it stops the child: close its stdin, wait stop_grace, SIGTERM
// to the group, wait kill_grace, SIGKILL to the group. Once ctx is done, SIGKILL follows within 1.5 s, whatever the graces.
//
// A read of stdin that blocks cannot be interrupted when stdin is a file without deadlines, as os.Stdin mostly is. Then
// that one goroutine stays until stdin ends or bearerd does.
func (p *Process) Wait(ctx context.Context) int {
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		waitExit(p.cmd)
	}()
	var eof chan struct{} // nil, and so never ready, with a terminal
	if p.in != nil {
		eof = make(chan struct{})
		go func() {
			defer close(eof)
			p.copyStdin()
		}()
	}
	hurried, ended := make(chan struct{}), make(chan struct{})
	var hurry sync.WaitGroup
	hurry.Go(func() { p.hurry(ctx, hurried, ended) })
	select {
	case <-exited:
	case <-eof:
		p.stop(exited, hurried)
	case <-ctx.Done():
		p.stop(exited, hurried)
	}
	p.endGroup()
	close(ended)
	hurry.Wait()
	code := p.reap()
	p.endCopy(eof)
	return code
}

// Signal passes a signal on to the child and its process group. After the end it does nothing.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	pid := p.cmd.Process.Pid
	if p.ownGroup {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig) // ESRCH: it has gone by itself
}

// copyStdin returns at the end of bearerd's stdin. A child that closes its end of the pipe first does not stop the
// reading: else the end of the client would go unseen.
func (p *Process) copyStdin() {
	_, err := io.Copy(p.in, p.src)
	_ = p.in.Close()
	if failed, ok := errors.AsType[*fs.PathError](err); ok && failed.Op == "write" {
		_, _ = io.Copy(io.Discard, p.src)
	}
}

func (p *Process) endCopy(eof <-chan struct{}) {
	if p.in == nil {
		return
	}
	_ = p.in.Close()
	if p.src.SetReadDeadline(time.Now()) == nil {
		<-eof
		_ = p.src.SetReadDeadline(time.Time{})
	}
}

// hurry bounds what is left of the child's life once ctx is done. It closes hurried when SIGTERM is due.
func (p *Process) hurry(ctx context.Context, hurried chan<- struct{}, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	if within(hurriedStop, ended) {
		return
	}
	close(hurried)
	if !within(hurriedKill, ended) {
		p.Signal(syscall.SIGKILL)
	}
}

func (p *Process) stop(exited, hurried <-chan struct{}) {
	if p.in != nil {
		_ = p.in.Close()
	}
	grace := time.NewTimer(p.stopGrace)
	defer grace.Stop()
	select {
	case <-exited:
		return
	case <-grace.C:
	case <-hurried:
	}
	p.Signal(syscall.SIGTERM)
	if within(p.killGrace, exited) {
		return
	}
	p.Signal(syscall.SIGKILL)
	<-exited
}

func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// endGroup ends what the child has left behind. The child is not reaped yet, so the number of its group is still its own.
func (p *Process) endGroup() {
	if !p.ownGroup {
		return
	}
	pgid := p.cmd.Process.Pid
	for _, step := range []struct {
		sig   syscall.Signal
		grace time.Duration
	}{{syscall.SIGTERM, survivorGrace}, {syscall.SIGKILL, vanishing}} {
		if !survivors(pgid) {
			return
		}
		_ = syscall.Kill(-pgid, step.sig)
		waitGone(pgid, step.grace)
	}
}

func waitGone(pgid int, grace time.Duration) {
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	poll := time.NewTicker(groupPoll)
	defer poll.Stop()
	for survivors(pgid) {
		select {
		case <-poll.C:
		case <-deadline.C:
			return
		}
	}
}

func (p *Process) reap() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	reap(p.cmd)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// isTerminal asks without File.Fd, which would take the deadlines from the file.
func isTerminal(f *os.File) (yes bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) { yes = term.IsTerminal(int(fd)) })
	return yes
}
