// Package bridge stands for a url server to an MCP client that speaks over stdin and stdout: it passes messages on over
// Streamable HTTP, or over the older HTTP+SSE. It knows MCP as far as a transport must, and nothing of tokens: the round
// tripper that it is given adds them. It sends no request twice unless the server has certainly not acted on it, and
// answers each one exactly once.
package bridge

import (
	"bytes"
	"context"
	"crypto/rand"
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
	parting = 1500 * time.Millisecond // for DELETE, then
	hurry   = 600 * time.Millisecond  // for DELETE when ctx has ended
)

// Bridge is one session of a client.
type Bridge struct {
	name  string // of the server
	log   *slog.Logger
	tag   string          // in the ids that the bridge makes, so that they are nobody else's
	work  sync.WaitGroup  // every goroutine but the one that reads
	late  chan struct{}   // closed when the client has gone and has been waited for
	slots chan struct{}   // holds one for each notification and answer of the client that is being sent
	stuck <-chan struct{} // touched by takeAll alone: closed when the notification that was waited for in vain is accepted

	writing sync.Mutex // guards out
	out     io.Writer
	end     context.CancelCauseFunc // ends Run

	mu       sync.Mutex // guards what follows
	way      *way
	open     map[string]*call  // requests under way, by the key of their id
	asked    map[string]asked  // requests of the server that the client has not answered, by the key of the id it knows
	renamed  map[string]string // the keys in asked of those whose id was changed, by the key of the id that the server knows
	session  session
	renewing *renewal // nil: the session is not being set up again
	revival  pause    // between sessions that were set up because of a stream
	revived  time.Time
	insists  ownWord
	said     said
	tools    map[string][]param // which arguments of a tool go into headers (2026-07-28)
	named    int                // ids that the bridge has made
}

// New makes a bridge to the server called name at rawURL, reached through rt.
func New(name, rawURL string, rt http.RoundTripper, log *slog.Logger) (*Bridge, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("server %q: the url cannot be read: %w", name, err)
	}
	w := &way{u, rt, make(chan struct{})}
	return &Bridge{
		name: name, log: log.With("server", name), tag: "bearerd-" + rand.Text()[:8] + "-", late: make(chan struct{}),
		slots: make(chan struct{}, most), way: w, session: session{way: w}, open: map[string]*call{}, asked: map[string]asked{},
		renamed: map[string]string{}, tools: map[string][]param{}, end: func(error) {},
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
	if b.way.url.String() == u.String() {
		b.way.rt = rt
		return nil
	}
	close(b.way.left)
	b.way = &way{u, rt, make(chan struct{})}
	b.said.broken = nil
	b.session.close()
	if b.session.turn == 0 { // none has begun
		b.session.way = b.way
	}
	return nil
}

// Run serves the MCP client at in and out until in ends or ctx is done; then it ends the session with the server. It closes
// neither. A read of in is ended if in has SetReadDeadline, else it may go on after Run. An error says why in or out
// cannot be used. Run may be called once.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	run, end := context.WithCancelCause(ctx)
	b.out, b.end = out, end
	lines := newInbox()
	var failed error // set before lines is closed
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		failed = read(run, in, lines)
		lines.close()
		time.AfterFunc(drain, func() { close(b.late) })
	}()
	taken := make(chan struct{})
	b.work.Go(func() {
		defer close(taken)
		b.takeAll(run, lines)
	})
	b.work.Go(func() { b.followMoves(run) })
	eof := b.await(run, taken)
	cause := context.Cause(run)
	end(nil)
	b.finishWork()
	b.leave(ctx)
	if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
		<-reading
	}
	switch {
	case eof && lines.ended() && failed != nil:
		return fmt.Errorf("server %q: reading what the client says: %w", b.name, failed)
	case ctx.Err() == nil && cause != nil && !errors.Is(cause, context.Canceled):
		return cause
	}
	return nil
}

// takeAll passes on what the client says.
func (b *Bridge) takeAll(run context.Context, lines *inbox) {
	for {
		line, more := lines.take(run)
		if !more {
			return
		}
		b.take(run, line)
	}
}

// await waits for the client to end, and gives open requests some time to be answered, as for `printf … | bearerd exec`. Those
// that are not are told so. It reports false when run has ended first.
func (b *Bridge) await(run context.Context, taken <-chan struct{}) bool {
	const last = 100 * time.Millisecond // for what was not passed on yet when the time was over
	select {
	case <-taken:
	case <-b.late:
		select {
		case <-taken:
		case <-time.After(last):
		}
	case <-run.Done():
		return false
	}
	calls := b.waiting()
	for _, c := range calls {
		select {
		case <-c.done:
		case <-b.late:
		case <-run.Done():
			return false
		}
	}
	var answers [][]byte
	for _, c := range b.waiting() {
		if answer := b.failing(c, b.say("answer_lost", "has not answered, and the client has closed stdin: %s", unknown)); answer != nil {
			answers = append(answers, answer)
		}
	}
	b.work.Go(func() {
		for _, answer := range answers {
			b.write(answer)
		}
	})
	return run.Err() == nil
}

// waiting are the requests of the client that have no answer yet and are to have one soon.
func (b *Bridge) waiting() (calls []*call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.open {
		if c.method != methodListen && !c.cancelled && c.reply == nil {
			calls = append(calls, c)
		}
	}
	return calls
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s := b.current()
	b.part(ctx, &s)
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

// refuse answers what cannot be passed on. A client that does not read the answers is not read on either.
func (b *Bridge) refuse(id []byte, code int, message string) {
	b.write(jsonrpc.Failure(id, code, message, nil))
}
