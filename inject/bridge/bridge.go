// Package bridge stands for a url server to an MCP client that speaks over stdin and stdout: it passes messages on over
// Streamable HTTP, or over the older HTTP+SSE. It knows MCP as far as a transport must, and nothing of tokens: the round
// tripper that it is given adds them. It sends no request twice unless the server has certainly not acted on it, and
// answers each one exactly once.
package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"bearerd/inject/jsonrpc"
)

const (
	drain   = 1500 * time.Millisecond // for open requests, once the client has closed stdin
	hold    = time.Second             // for what is cut to end; a client that does not read could hold it for ever
	parting = 2 * time.Second         // for DELETE, then
	hurry   = 600 * time.Millisecond  // for DELETE when ctx has ended
)

// Bridge is one session of a client.
type Bridge struct {
	name     string // of the server
	log      *slog.Logger
	work     sync.WaitGroup // every goroutine but the one that reads
	renewing chan struct{}  // holds one while a session is set up again
	late     chan struct{}  // closed when the client has gone and has been waited for

	writing sync.Mutex // guards out
	out     io.Writer
	end     context.CancelCauseFunc // ends Run

	mu      sync.Mutex // guards what follows
	way     way
	moved   chan struct{}    // closed when way.url changes
	open    map[string]*call // requests under way, by the key of their id
	asked   map[string]asked // requests of the server that the client has not answered, by the key of the id it knows
	session session
	said    said
	tools   map[string][]param // which arguments of a tool go into headers (2026-07-28)
	named   int                // ids that the bridge has made
}

// way is how the server is reached.
type way struct {
	url *url.URL
	rt  http.RoundTripper
}

// New makes a bridge to the server called name at rawURL, reached through rt.
func New(name, rawURL string, rt http.RoundTripper, log *slog.Logger) (*Bridge, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("server %q: the url cannot be read: %w", name, err)
	}
	return &Bridge{
		name: name, log: log.With("server", name), renewing: make(chan struct{}, 1), late: make(chan struct{}), way: way{u, rt}, moved: make(chan struct{}),
		open: map[string]*call{}, asked: map[string]asked{}, tools: map[string][]param{}, end: func(error) {},
	}, nil
}

// Reach changes the url and the way to the server in mid-session, as a reload did; what is under way finishes as it began.
// Another url begins a new session with the server, which the client does not notice. rt must be usable at once.
func (b *Bridge) Reach(rawURL string, rt http.RoundTripper) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return fmt.Errorf("server %q: the url cannot be read: %w", b.name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.way.url.String() != u.String() {
		b.session.gone = true
		b.session.close()
		close(b.moved)
		b.moved = make(chan struct{})
	}
	b.way = way{u, rt}
	return nil
}

// Run serves the MCP client at in and out until in ends or ctx is done; then it ends the session with the server. It closes
// neither. A read of in is ended if in has SetReadDeadline, else it may go on after Run. An error says why in or out
// cannot be used. Run may be called once.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	run, end := context.WithCancelCause(ctx)
	b.out, b.end = out, end
	lines := make(chan []byte, 16)
	var failed error // set before lines is closed
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		defer close(lines)
		failed = read(run, in, lines)
		time.AfterFunc(drain, func() { close(b.late) })
	}()
	eof := b.takeAll(run, lines)
	if eof {
		b.await(run)
	}
	cause := context.Cause(run)
	end(nil)
	b.finishWork()
	b.leave(ctx)
	if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
		<-reading
	}
	switch {
	case eof && failed != nil:
		return fmt.Errorf("server %q: reading what the client says: %w", b.name, failed)
	case ctx.Err() == nil && cause != nil && !errors.Is(cause, context.Canceled):
		return cause
	}
	return nil
}

// takeAll passes on what the client says. It reports whether the client has ended.
func (b *Bridge) takeAll(run context.Context, lines <-chan []byte) bool {
	for {
		select {
		case line, more := <-lines:
			if !more {
				return run.Err() == nil
			}
			b.take(run, line)
		case <-run.Done():
			return false
		}
	}
}

// await gives open requests some time to be answered, as for `printf … | bearerd exec`.
func (b *Bridge) await(run context.Context) {
	b.mu.Lock()
	var calls []*call
	for _, c := range b.open {
		if c.method != methodListen {
			calls = append(calls, c)
		}
	}
	b.mu.Unlock()
	for _, c := range calls {
		select {
		case <-c.done:
		case <-b.late:
			return
		case <-run.Done():
			return
		}
	}
}

// finishWork waits for what Run has started and cut.
func (b *Bridge) finishWork() {
	done := make(chan struct{})
	go func() {
		b.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(hold):
	}
}

// leave tells the server that its session is not needed any more.
func (b *Bridge) leave(ctx context.Context) {
	patience := parting
	if ctx.Err() != nil {
		patience = hurry
	}
	s := b.current()
	if s.id == "" || s.gone {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	resp, err := b.request(ctx, http.MethodDelete, b.target(), nil, s.header())
	if err != nil {
		b.log.Debug("the session was not ended", "error", err)
		return
	}
	_ = resp.Body.Close()
	b.log.Debug("the session was ended", "status", resp.StatusCode)
}

// write gives the client one message, without a newline at its end.
func (b *Bridge) write(message []byte) {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.out.Write(append(oneLine(bytes.TrimSpace(message)), '\n')); err != nil {
		b.end(fmt.Errorf("server %q: the client does not read its answers any more: %w", b.name, err))
	}
}

// oneLine replaces line ends by spaces: in JSON they stand between values only.
func oneLine(message []byte) []byte {
	for _, end := range []byte("\n\r") {
		for at := 0; ; {
			i := bytes.IndexByte(message[at:], end)
			if i < 0 {
				break
			}
			at += i
			message[at] = ' '
		}
	}
	return message
}

func (b *Bridge) current() session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

func (b *Bridge) target() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.way.url
}

// take passes one line of the client's on.
func (b *Bridge) take(run context.Context, line []byte) {
	messages, batch, err := jsonrpc.Parse(line)
	switch {
	case err != nil:
		b.refuse(nil, -32700, err.Error())
	case batch:
		b.batch(run, line, messages)
	case messages[0].Request():
		b.serve(run, line, messages[0])
	case messages[0].Notification():
		b.notify(run, line, messages[0])
	case messages[0].Response():
		b.reply(run, line, messages[0])
	default:
		b.refuse(nil, -32600, "neither a request nor a notification nor a response")
	}
}

// refuse answers what cannot be passed on.
func (b *Bridge) refuse(id []byte, code int, message string) {
	b.work.Go(func() { b.write(jsonrpc.Failure(id, code, message, nil)) })
}
