package relay

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/inject/jsonrpc"
)

// patience is more time, in a synctest bubble, than anything may take.
const patience = time.Hour

// rig is a session with a client that the test plays. It must be made in a synctest bubble.
type rig struct {
	t     *testing.T
	s     *Session
	in    *io.PipeWriter // what the client says
	out   *io.PipeReader
	lines chan string // what it reads
	stray chan string
	all   []*fake
}

// bubble runs a test with a rig, and ends everything after it: a goroutine that is left fails the test.
func bubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.lines = follow(r.out)
		defer r.close()
		test(t, r)
	})
}

func newRig(t *testing.T) *rig {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	r := &rig{t: t, in: inW, out: outR, stray: make(chan string, 1000)}
	r.s = New("s", outW, slog.New(slog.DiscardHandler))
	go func() { _ = r.s.Serve(t.Context(), inR) }()
	return r
}

func (r *rig) close() {
	_ = r.in.Close()
	_ = r.out.Close()
	for _, f := range r.all {
		f.die()
	}
}

// follow reads lines as they come.
func follow(from io.Reader) chan string {
	lines := make(chan string, 100_000)
	go func() {
		defer close(lines)
		for b := bufio.NewReader(from); ; {
			line, err := b.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return lines
}

// say writes a line of the client's.
func (r *rig) say(format string, args ...any) {
	r.t.Helper()
	write(r.t, r.in, text(format, args)+"\n")
}

func text(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

func write(t *testing.T, to io.Writer, line string) {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := io.WriteString(to, line); done <- err }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatalf("writing %.80q: %v", line, err)
		}
	case <-time.After(patience):
		t.Fatalf("nobody reads %.80q", line)
	}
}

// hears expects the client's next line.
func (r *rig) hears(format string, args ...any) {
	r.t.Helper()
	expect(r.t, "the client", r.lines, text(format, args)+"\n")
}

// quiet expects that nothing more has come.
func quiet(t *testing.T, lines chan string) {
	t.Helper()
	synctest.Wait()
	select {
	case line, ok := <-lines:
		if ok {
			t.Errorf("got %.300q, and expected nothing", line)
		}
	default:
	}
}

func expect(t *testing.T, who string, lines chan string, want string) {
	t.Helper()
	if got := next(t, who, lines); got != want {
		t.Fatalf("%s got\n%.300q, want\n%.300q", who, got, want)
	}
}

func next(t *testing.T, who string, lines chan string) string {
	t.Helper()
	select {
	case line := <-lines:
		return line
	case <-time.After(patience):
		t.Fatalf("%s got nothing", who)
	}
	return ""
}

// fails expects that the client's request gets an error of the session's.
func (r *rig) fails(id, reason string) {
	r.t.Helper()
	line := next(r.t, "the client", r.lines)
	m, err := jsonrpc.ParseOne([]byte(line))
	if err != nil || string(m.ID) != id || jsonrpc.Text(jsonrpc.Field(m.Error, "data", "reason")) != reason ||
		string(jsonrpc.Field(m.Error, "data", "retry")) != strconv.FormatBool(reason == "server_replaced") {
		r.t.Fatalf("the client got %.300q, want the error %s for %s", line, reason, id)
	}
}

// fake is a server that the test plays.
type fake struct {
	t     *testing.T
	link  *Link
	lines chan string // what it reads
	stdin *io.PipeReader
	out   *io.PipeWriter
}

// start starts a server that reads.
func (r *rig) start() *fake {
	f := r.startDeaf()
	f.lines = follow(f.stdin)
	return f
}

// startDeaf starts a server that does not read.
func (r *rig) startDeaf() *fake {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	f := &fake{t: r.t, stdin: inR, out: outW}
	f.link = r.s.Attach(inW, outR, func(line []byte) { r.stray <- string(line) })
	r.all = append(r.all, f)
	return f
}

// die ends a server's process.
func (f *fake) die() {
	_ = f.stdin.Close()
	_ = f.out.Close()
}

// crash ends a server's process, and has its keeper see it.
func (f *fake) crash() {
	f.die()
	<-f.link.Read()
	f.link.Fail(Reason{Code: "ended"})
}

func (f *fake) say(format string, args ...any) {
	f.t.Helper()
	write(f.t, f.out, text(format, args)+"\n")
}

func (f *fake) hears(format string, args ...any) {
	f.t.Helper()
	expect(f.t, "the server", f.lines, text(format, args)+"\n")
}

// asked expects a request of the session's own that is line but for its id, and answers it with result.
func (f *fake) asked(line, result string) {
	f.t.Helper()
	got := next(f.t, "the server", f.lines)
	m, err := jsonrpc.ParseOne([]byte(got))
	if err != nil || !strings.HasPrefix(jsonrpc.Text(m.ID), "bearerd-") {
		f.t.Fatalf("the server got %q, want a request of the session's own", got)
	}
	raw := []byte(line + "\n")
	was, err := jsonrpc.ParseOne(raw)
	if err != nil {
		f.t.Fatal(err)
	}
	if want := string(jsonrpc.Replace(raw, was.ID, m.ID)); got != want {
		f.t.Fatalf("the server got\n%q, want\n%q", got, want)
	}
	f.say(`{"jsonrpc":"2.0","id":%s,%s}`, m.ID, result)
}

// switches is a Switch under way.
type switches struct {
	t    *testing.T
	done chan error
	stop context.CancelFunc
}

func (r *rig) switchTo(f *fake, busy <-chan struct{}) *switches {
	ctx, stop := context.WithCancel(r.t.Context())
	sw := &switches{r.t, make(chan error, 1), stop}
	go func() { sw.done <- r.s.Switch(ctx, f.link, busy) }()
	synctest.Wait()
	return sw
}

func (sw *switches) waits() {
	sw.t.Helper()
	synctest.Wait()
	select {
	case err := <-sw.done:
		sw.t.Fatalf("it has switched (%v)", err)
	default:
	}
}

func (sw *switches) switched() {
	sw.t.Helper()
	select {
	case err := <-sw.done:
		if err != nil {
			sw.t.Fatal(err)
		}
	case <-time.After(patience):
		sw.t.Fatal("it does not switch")
	}
	sw.stop()
	synctest.Wait()
}

// serve lets a server take over at once.
func (r *rig) serve(f *fake) *fake {
	r.t.Helper()
	r.switchTo(f, nil).switched()
	return f
}

// replay runs a Replay.
func (f *fake) replay() chan error {
	done := make(chan error, 1)
	go func() { done <- f.link.Replay(f.t.Context()) }()
	return done
}

func replayed(t *testing.T, done chan error) {
	t.Helper()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

const (
	hello       = `{"method":"initialize","params":{ "protocolVersion":"2025-11-25"},"id":"é\/1","jsonrpc":"2.0"}`
	welcome     = `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"logging":{}}}`
	initialized = `{"jsonrpc":"2.0",  "method":"notifications/initialized"}`
)

// opened is a rig whose session is open with a first server.
func (r *rig) opened() *fake {
	r.t.Helper()
	f := r.serve(r.start())
	r.say(hello)
	f.hears(hello)
	f.say(`{"jsonrpc":"2.0","id":"é/1",%s}`, welcome)
	r.hears(`{"jsonrpc":"2.0","id":"é/1",%s}`, welcome)
	r.say(initialized)
	f.hears(initialized)
	return f
}

// greeted starts a server and has it replayed an open session without lists.
func (r *rig) greeted() *fake {
	r.t.Helper()
	f := r.start()
	done := f.replay()
	f.asked(hello, welcome)
	f.hears(initialized)
	replayed(r.t, done)
	return f
}

func call(id any) string {
	raw, _ := json.Marshal(id)
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"x"}}`, raw)
}

func result(id any) string {
	raw, _ := json.Marshal(id)
	return fmt.Sprintf(`{"result":{"content":[]},"jsonrpc":"2.0","id":%s}`, raw)
}
