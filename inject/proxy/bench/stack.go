//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// stack is what runs for the measurements: a folder, processes, and the authorization server for bearerd.
type stack struct {
	dir       string
	as        *oauthtest.Server
	upstreams map[string]string // URL, by kind and, for mcp-remote, everything
	running   []*process
	started   int
}

// everything is the name of the MCP server that mcp-remote is measured with.
const everything = "everything"

func newStack() (*stack, error) {
	dir, err := os.MkdirTemp("", "bench") // 0700
	if err != nil {
		return nil, err
	}
	as, err := oauthtest.NewPlain()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	as.Register(oauthtest.Client{ID: "bench", Secret: "bench"})
	return &stack{dir: dir, as: as, upstreams: map[string]string{}}, nil
}

func (s *stack) close() {
	for _, p := range slices.Backward(s.running) {
		p.stop()
	}
	s.as.Close()
	_ = os.RemoveAll(s.dir)
}

// logs are the last lines that the processes have written to stderr.
func (s *stack) logs() string {
	var all strings.Builder
	files, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if len(text) > 0 {
			fmt.Fprintf(&all, "%s: %s\n", filepath.Base(file), text[max(0, len(text)-600):])
		}
	}
	return all.String()
}

// folder makes a folder of its own for a part of the stack.
func (s *stack) folder(name string) (string, error) {
	s.started++
	dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", name, s.started))
	return dir, os.Mkdir(dir, 0o700)
}

// process is a program that the stack has started.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
}

// start runs a program until stop, or until the stack is closed. Its stderr goes to a file of the stack's folder.
func (s *stack) start(name string, cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	p := &process{cmd: cmd}
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for this program, which ends the others
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	s.running = append(s.running, p)
	return p, nil
}

// stop ends the program and waits for it. It may be called again.
func (p *process) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	_ = p.cmd.Wait() // how it ends says nothing
}

// again starts this program once more, as one of its parts. The part ends with its stdin.
func (s *stack) again(part, argument string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return s.start(part, exec.Command(self, part, argument))
}

// freeAddress is a port of 127.0.0.1 that nothing listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// await tries until it succeeds, for 15 seconds.
func await(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
