package stdio

import (
	"fmt"
	"io"
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

// Files are what a child is connected to. In and Out are handed to it as they are: a pipe's end, or bearerd's own stdin
// and stdout. Its stderr is read by bearerd and goes to Err, see Start.
type Files struct {
	In, Out *os.File
	Err     io.Writer
}

// Process is a running child. Its starter must call Wait.
type Process struct {
	cmd       *exec.Cmd
	ownGroup  bool
	stopGrace time.Duration
	killGrace time.Duration
	exited    chan struct{}
	stderr    *stderr

	mu         sync.Mutex
	reaped     bool      // guarded by mu; the process id may by now be another's
	terminated bool      // guarded by mu; SIGTERM is not sent twice: some programs take the second for an order to drop everything
	killAt     time.Time // guarded by mu; when nothing may be left, zero while nobody is in a hurry
}

// Start starts s.Command in s.Dir. In and Out are inherited, so no copying can hold up the end. Its stderr goes to Err line by
// line, one Write each: marked with the server's name, without control characters, cut at 8 KiB, with [masked] in the place of
// the secrets it was given, and at most 200 lines a second.
//
// The child leads a process group of its own, unless In is a terminal: then it stays in bearerd's group, for the terminal's
// own signals and job control. umask is given to the child; -1 leaves bearerd's. On Linux bearerd becomes the parent of what
// the child's processes leave behind.
func Start(s *config.Server, l *Launch, files Files, umask int) (*Process, error) {
	p := &Process{
		ownGroup: !IsTerminal(files.In), stopGrace: s.StopGrace, killGrace: s.KillGrace, exited: make(chan struct{}),
	}
	if err := p.start(s, l, files, umask); err != nil {
		return nil, fmt.Errorf("server %q: %w", s.Name, err)
	}
	go func() { // Wait waits for it
		defer close(p.exited)
		waitExit(p.cmd)
	}()
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
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("a pipe for its stderr: %w", err)
	}
	defer func() { _ = w.Close() }() // the child has its own
	p.cmd = &exec.Cmd{
		Path: path, Args: append([]string{s.Command}, l.args...), Env: environment(l), Dir: s.Dir,
		Stdin: files.In, Stdout: files.Out, Stderr: w,
		SysProcAttr: attributes(p.ownGroup),
	}
	if err = asScript(p.cmd); err == nil {
		err = ours.start(p.cmd, umask)
	}
	p.cmd.Env = nil // so that a Process, too, can be printed
	if err != nil {
		_ = r.Close()
		return err
	}
	p.stderr = readStderr(r, s.Name, l, files.Err)
	return nil
}

func environment(l *Launch) []string {
	env := make([]string, 0, len(l.env)) // not nil, which would mean bearerd's own
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		env = append(env, name+"="+l.env[name].Reveal())
	}
	return env
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the child itself has exited. It and what it has left behind are not gone yet: see Wait.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal passes a signal on to the child and its process group, or to the child alone when it shares bearerd's group.
// After Wait it does nothing.
func (p *Process) Signal(sig syscall.Signal) {
	p.kill(sig, p.ownGroup)
}

// SignalChild sends a signal to the child alone, whatever it has started. After Wait it does nothing.
func (p *Process) SignalChild(sig syscall.Signal) { p.kill(sig, false) }

func (p *Process) kill(sig syscall.Signal, group bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.PID(), sig, group)
	}
}

// Stray passes on a line that the child wrote to its stdout, and that its client could not read, as if it had written it to
// stderr. It may block as long as Err does.
func (p *Process) Stray(line []byte) { p.stderr.stray(line) }

// IsTerminal asks without File.Fd, which would take the deadlines from the file.
func IsTerminal(f *os.File) (yes bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) { yes = term.IsTerminal(int(fd)) })
	return yes
}
