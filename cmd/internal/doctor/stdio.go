package doctor

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// errRefused is an answer without a response in it.
var errRefused = errors.New("the request was refused")

// program starts a stdio server as `exec` does, with the token, and asks it the same as an HTTP server.
func (p *patient) program(ctx context.Context) {
	var s *speaker
	defer func() {
		if s != nil {
			s.end()
		}
	}()
	begun := p.step(stepInitialize, func() finding {
		if f := p.lacksTokenFile(); f.result != "" {
			return f
		}
		ctx, cancel := context.WithTimeout(ctx, 2*limit) // a program may be slow to start
		defer cancel()
		var err error
		if s, err = p.start(); err != nil {
			return bad("correct command, args and dir", "%v", err)
		}
		m, err := s.call(ctx, "initialize", begin())
		switch {
		case err != nil:
			return p.mute(ctx, s, 2*limit, err)
		case m.Error != nil:
			s.modern = true
			if d, err := s.call(ctx, "server/discover", map[string]any{}); err == nil && d.Error == nil {
				return good("%s", speaksStateless)
			}
			return bad("see the log of the server", "it answers with error %d: %s", m.Error.Code, p.words(m.Error.Message))
		}
		name, version := serverOf(m.Result)
		s.write(ctx, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
		return good("%s", p.introduced(name, version))
	})
	if begun != OK { // it was not started, or has been stopped
		p.because = cmp.Or(p.because, stepInitialize)
	}
	p.step(stepTools, func() finding {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		l, err := listTools(func(method string, params map[string]any) (*response, error) { return s.call(ctx, method, params) })
		if err != nil {
			return p.mute(ctx, s, limit, err)
		}
		return p.counted(l)
	})
}

// lacksTokenFile says why a program is not started that reads its token from a file: the doctor writes none.
func (p *patient) lacksTokenFile() finding {
	if p.TokenFile == "" || !isAbsent(p.TokenFile) {
		return finding{}
	}
	return skipped("look again while `bearerd exec "+p.Name+"` runs", "not started: it may read its token from %s, which is there while `bearerd exec` runs; the doctor writes none", p.TokenFile)
}

// mute is what to say of a program that gives no answer.
func (p *patient) mute(ctx context.Context, s *speaker, within time.Duration, err error) finding {
	late := ctx.Err() != nil
	s.end() // so that all that it says has been read
	said := ""
	if line := s.said.line(); line != "" {
		said = "; it says: " + p.words(line)
	}
	if late {
		return bad("it may merely be slow; else run command and args by hand once: a first start may have to download it, and it must speak MCP over stdin and stdout", "it did not answer within %s%s", within, said)
	}
	return bad("run command and args by hand: it must speak MCP over stdin and stdout", "it has ended without an answer (%v)%s", err, said)
}

// start starts the program.
func (p *patient) start() (*speaker, error) {
	declared := map[string]secrets.Secret{}
	for name := range p.Env {
		declared[name] = p.values["env "+name]
	}
	var token secrets.Secret
	if p.token != nil {
		token = p.token.access
	}
	l, err := stdio.ByEnv(p.Server, token, declared, os.Environ())
	if err != nil {
		return nil, err
	}
	in, toChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fromChild, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), toChild.Close())
	}
	s := &speaker{launch: l, in: toChild, out: fromChild, lines: make(chan []byte), over: make(chan struct{})}
	s.process, err = stdio.Start(p.Server, l, stdio.Files{In: in, Out: out, Err: &s.said}, -1)
	_, _ = in.Close(), out.Close()
	if err != nil {
		return nil, errors.Join(err, toChild.Close(), fromChild.Close(), l.Close())
	}
	s.reading.Go(s.read)
	return s, nil
}

// speaker is a program that is spoken to over stdin and stdout.
type speaker struct {
	launch  *stdio.Launch
	process *stdio.Process
	in, out *os.File
	said    lastLine
	asked   int
	modern  bool          // as wire.modern
	lines   chan []byte   // closed at the end of its stdout
	over    chan struct{} // closed when nobody listens any more
	reading sync.WaitGroup
	writing sync.WaitGroup
	stop    sync.Once
}

// read passes its lines on until it ends.
func (s *speaker) read() {
	defer close(s.lines)
	r := bufio.NewReader(io.LimitReader(s.out, 4*maxAnswer))
	for {
		line, err := r.ReadBytes('\n')
		select {
		case s.lines <- line:
		case <-s.over:
			return
		}
		if err != nil {
			return
		}
	}
}

// write gives up when ctx ends: one that reads no more would hold it for ever.
func (s *speaker) write(ctx context.Context, message map[string]any) {
	b, err := json.Marshal(message)
	if err != nil {
		return
	}
	written := make(chan struct{})
	s.writing.Go(func() {
		defer close(written)
		_, _ = s.in.Write(append(b, '\n')) // one that has ended shows where it is read from
	})
	select {
	case <-written:
	case <-ctx.Done():
	}
}

// call asks for a method, and waits for the response.
func (s *speaker) call(ctx context.Context, method string, params map[string]any) (*response, error) {
	s.asked++
	if s.modern {
		describe(params)
	}
	s.write(ctx, map[string]any{"jsonrpc": "2.0", "id": s.asked, "method": method, "params": params})
	for {
		select {
		case line, more := <-s.lines:
			if m := parse(bytes.TrimSpace(line), s.asked); m != nil {
				return m, nil
			}
			if !more {
				return nil, errors.New("its stdout was closed")
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// end stops the program, and waits for it.
func (s *speaker) end() { s.stop.Do(s.halt) }

func (s *speaker) halt() {
	close(s.over)
	_ = s.in.Close()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	s.process.Stop(ctx)
	s.process.Wait()
	s.writing.Wait() // its end of the pipe is closed
	_ = s.out.Close()
	s.reading.Wait()
	_ = s.launch.Close()
}

// lastLine keeps the last line that was written to it.
type lastLine struct {
	mu   sync.Mutex
	text string // guarded by mu
}

func (l *lastLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text := strings.TrimSpace(string(b)); text != "" {
		l.text = text
	}
	return len(b), nil
}

func (l *lastLine) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}
