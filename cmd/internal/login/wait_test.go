package login

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a desk on a network in memory, and the flow at it.
func bench(t *testing.T, ctx context.Context, f *Flow) (tr *trial, m *memory) {
	redirect := &url.URL{Scheme: "http", Host: "127.0.0.1:7", Path: "/callback"}
	m = newMemory()
	tr = &trial{t: t, redirect: redirect.String(), result: make(chan error, 1), browser: browser(m.dial)}
	f.Server = "tickets"
	d := newDesk(f.Server, redirect)
	stop := d.serve([]net.Listener{m})
	go func() {
		byBrowser, err := f.attend(ctx, d, "https://auth.example.com/authorize")
		stop(ctx, byBrowser)
		tr.result <- err
	}()
	return tr, m
}

// However long the provider takes for the code, no page is shown before, and a request that comes twice gets the same page
// and has the code spent once.
func TestThePageWaitsForTheOutcomeOfOneAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := 0
		tr, _ := bench(t, t.Context(), &Flow{Finish: func(context.Context, string) error {
			finished++
			time.Sleep(50 * time.Second)
			return nil
		}})
		pages := make(chan shown, 2)
		for range 2 {
			go func() { pages <- tr.answer() }()
		}
		time.Sleep(49 * time.Second)
		select {
		case p := <-pages:
			t.Fatalf("a page came before the outcome: %d %s", p.status, p.body)
		default:
		}
		for range 2 {
			if p := <-pages; p.status != http.StatusOK || !strings.Contains(p.body, "Signed in") {
				t.Errorf("the page: %d %s", p.status, p.body)
			}
		}
		if err := tr.ends(); err != nil || finished != 1 {
			t.Errorf("Run: %v; Finish was called %d times", err, finished)
		}
	})
}

// A request in line behind the right answer is told that it is none of this flow, and one that nobody reads holds nothing up.
func TestTheEndOfAFlowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, m := bench(t, t.Context(), &Flow{Finish: func(context.Context, string) error {
			time.Sleep(time.Second)
			return nil
		}})
		c, err := m.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /callback?"+right+" HTTP/1.1\r\nHost: 127.0.0.1:7\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		other := make(chan shown, 1)
		go func() { other <- tr.get(tr.redirect + "?code=x&state=late") }()
		start := time.Now()
		if err := tr.ends(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second+showLimit+linger+drain {
			t.Errorf("a browser that does not read held the end up for %s", took)
		}
		if p := <-other; p.status != http.StatusBadRequest {
			t.Errorf("the other one got %d", p.status)
		}
		_ = c.Close()
	})
}

// Clients that send nothing, or half a request, are let go; more than some at once are not let in, and the next may come.
func TestSlowAndManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, m := bench(t, t.Context(), &Flow{Finish: func(context.Context, string) error { return nil }})
		for range maxConnections {
			c, err := m.dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() {
				_, _ = io.WriteString(c, "GET /callback?")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
		synctest.Wait()
		start := time.Now()
		refused, err := m.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := refused.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(start) != 0 {
			t.Errorf("one more connection, after %s: %v", time.Since(start), err)
		}
		time.Sleep(readLimit + time.Second)
		if p := tr.answer(); p.status != http.StatusOK {
			t.Errorf("after the slow ones: %d", p.status)
		}
		if err := tr.ends(); err != nil {
			t.Error(err)
		}
	})
}

func TestNobodySignsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		tr, _ := bench(t, t.Context(), &Flow{Out: &out, Finish: func(context.Context, string) error { return ErrOther }})
		start := time.Now()
		err := tr.ends()
		if took := time.Since(start); took < patience || took > patience+drain {
			t.Errorf("the wait took %s", took)
		}
		contains(t, err.Error(), `nobody has signed in for "tickets" in time`, "`bearerd login tickets`")
		want := []string{
			"To sign in for tickets, open this address in a browser on this machine:", "https://auth.example.com/authorize",
			"waiting for the sign-in of tickets, 5m left; Ctrl-C gives up", "waiting for the sign-in of tickets, 4m left; Ctrl-C gives up",
		}
		if got := strings.Split(out.String(), "\n"); len(got) < 7 || len(got) > 9 || !strings.HasPrefix(out.String(), strings.Join(want, "\n")+"\n") {
			t.Errorf("said:\n%s", out.String())
		}
	})
}

// An answer in the last second still has its code spent.
func TestALateAnswerIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := bench(t, t.Context(), &Flow{Finish: func(ctx context.Context, _ string) error {
			time.Sleep(10 * time.Second)
			return ctx.Err()
		}})
		time.Sleep(patience - time.Second)
		if p := tr.answer(); p.status != http.StatusOK {
			t.Errorf("the page: %d %s", p.status, p.body)
		}
		if err := tr.ends(); err != nil {
			t.Error(err)
		}
	})
}

// A provider that does not answer for the code cannot hold the end up.
func TestTheLastStepIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := bench(t, t.Context(), &Flow{Finish: func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		start := time.Now()
		if p := tr.answer(); p.status != http.StatusBadRequest || time.Since(start) != finishLimit {
			t.Errorf("the page after %s: %d %s", time.Since(start), p.status, p.body)
		}
		if err := tr.ends(); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r, w := io.Pipe()
		defer w.Close()
		opening := make(chan struct{})
		tr, _ := bench(t, ctx, &Flow{
			Paste: r, Finish: func(context.Context, string) error { return ErrOther },
			Open: func(ctx context.Context, _ string) error { close(opening); <-ctx.Done(); return ctx.Err() },
		})
		<-opening
		interrupt := errors.New("interrupt signal received")
		cancel(interrupt)
		if err := tr.ends(); !errors.Is(err, interrupt) || !strings.Contains(err.Error(), "tickets was given up") {
			t.Errorf("Run: %v", err)
		}
	})
}

// On a terminal the progress is one line that is written over, and leaves nothing behind.
func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		say := &teller{out: &out, terminal: true}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		say.progress(ctx, "tickets", time.Now().Add(patience))
		const rest = " left; Ctrl-C gives up\r\x1b[K"
		want := "waiting for the sign-in of tickets, 5m" + rest + "waiting for the sign-in of tickets, 4m45s" + rest +
			"waiting for the sign-in of tickets, 4m30s" + rest
		if out.String() != want {
			t.Errorf("said %q", out.String())
		}
	})
}

// Where a person types, each line of the progress stays, and the prompt is the last one.
func TestThePromptHasALineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		say := &teller{out: &out, terminal: true}
		ctx, cancel := context.WithTimeout(t.Context(), 110*time.Second)
		defer cancel()
		say.line("Open this")
		say.prompts()
		say.progress(ctx, "tickets", time.Now().Add(patience))
		const asks, rest = "address: \r\x1b[K", " left; Ctrl-C gives up\n"
		want := "Open this\n" + asks + "waiting for the sign-in of tickets, 5m" + rest + asks + "waiting for the sign-in of tickets, 4m" + rest + asks
		if out.String() != want {
			t.Errorf("said %q", out.String())
		}
	})
}

// A person who waits is told for whom, unless it takes no time.
func TestAskTellsWhyNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for took, want := range map[time.Duration]string{
			silence / 2: "", 2 * silence: "Asking who gives tokens for tickets …\n", 2 * patience: "Asking who gives tokens for tickets …\n",
		} {
			var out buffer
			start := time.Now()
			err := Ask(t.Context(), "tickets", &out, func(ctx context.Context) error {
				pause(ctx, took, nil)
				return ctx.Err()
			})
			if out.String() != want || time.Since(start) != min(took, patience) || (err != nil) != (took > patience) {
				t.Errorf("%s: after %s: %v; said %q", took, time.Since(start), err, out.String())
			}
		}
	})
}

func TestWaitTellsWhileItsWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		done := errors.New("done")
		err := Wait(t.Context(), "tickets", &out, time.Now().Add(10*time.Minute), func(context.Context) error {
			time.Sleep(90 * time.Second)
			return done
		})
		const want = "waiting for the sign-in of tickets, 10m left; Ctrl-C gives up\nwaiting for the sign-in of tickets, 9m left; Ctrl-C gives up\n"
		if !errors.Is(err, done) || out.String() != want {
			t.Errorf("Wait: %v; said %q", err, out.String())
		}
	})
}
