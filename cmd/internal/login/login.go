// Package login helps a person to give an authorization: it listens on the loopback redirect URI, shows the address of the
// provider in a browser, and hands the answer on. It decides nothing about tokens, keeps nothing, and logs nothing, as
// what passes through it (codes and states) belongs in no log.
package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"
)

// How long things may take.
const (
	patience    = 5 * time.Minute // of a sign-in, from the moment when the browser is to open
	silence     = time.Second     // until a person is told why nothing happens
	finishLimit = time.Minute     // for Flow.Finish: an answer that comes late must not lose its code to patience
)

// ErrOther is what Flow.Finish returns for an answer that is not one to this flow. The wait goes on after it.
var ErrOther = errors.New("this is not the sign-in that is under way")

// Flow is one authorization that a person is to give (RFC 6749 §4.1, RFC 8252 §7.3).
type Flow struct {
	Server   string // its name, for people
	Redirect string // the loopback URI with a port at which the answer is to arrive
	Movable  bool   // another port does as well
	Pending  bool   // this sign-in has begun already, and its process may still wait at Redirect

	// Begin prepares the authorization whose answer will arrive at redirect, and gives the address for the browser.
	Begin func(ctx context.Context, redirect string) (address string, err error)
	// Expires is when the authorization ends that Begin has prepared; nil: in five minutes.
	Expires func() time.Time
	// Finish takes the query of an answer. It is called once for each, and for one at a time. It fails with ErrOther, or for good.
	Finish func(ctx context.Context, query string) error
	Open   func(ctx context.Context, address string) error // shows an address in a browser; nil: it is only printed
	Out    io.Writer                                       // for people; nil: nothing is said
	// Paste is where a person may paste an address, where no browser opens. Run closes it, which must end a Read, and may happen
	// twice; nil: nowhere.
	Paste io.ReadCloser
}

// Run carries a flow out. It returns once the answer has been taken, successfully or not, and the browser has been told; when
// ctx ends; or after five minutes without an answer. Its errors name the server and what to do.
func Run(ctx context.Context, f Flow) error {
	if f.Paste != nil {
		defer f.Paste.Close()
	}
	sockets, redirect, err := listen(&f)
	if err != nil {
		return err
	}
	address := ""
	err = Ask(ctx, f.Server, f.Out, func(ctx context.Context) (err error) {
		address, err = f.Begin(ctx, redirect.String())
		return err
	})
	if err == nil {
		err = checkAddress(address)
	}
	if err != nil {
		for _, s := range sockets {
			_ = s.Close()
		}
		return err
	}
	d := newDesk(f.Server, redirect)
	stop := d.serve(sockets)
	byBrowser, err := f.attend(ctx, d, address)
	stop(ctx, byBrowser)
	return err
}

// attend waits for the answer, while it shows the address and how long it will wait. byBrowser: a browser waits for its page.
func (f *Flow) attend(ctx context.Context, d *desk, address string) (byBrowser bool, err error) {
	until := time.Now().Add(patience)
	if f.Expires != nil && !f.Expires().IsZero() {
		until = f.Expires()
	}
	limited, cancel := context.WithDeadline(ctx, until)
	say := newTeller(f.Out)
	opened, pasted := make(chan error, 1), make(chan string)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	paste := func() {}
	if f.Paste != nil {
		defer f.Paste.Close()
		paste = func() {
			say.prompts()
			helpers.Go(func() { readLines(limited, f.Paste, pasted) })
		}
	}
	f.show(limited, say, address, &helpers, opened)
	if f.Open == nil {
		paste()
	}
	helpers.Go(func() { say.progress(limited, f.Server, until) })
	for {
		select {
		case q := <-d.asked:
			if err := f.finish(ctx, q.query); !errors.Is(err, ErrOther) {
				d.end(q.query, err)
				return true, err
			}
			close(q.other)
		case line := <-pasted:
			query := queryOf(line)
			if err := f.finish(ctx, query); !errors.Is(err, ErrOther) {
				d.end(query, err)
				return false, err
			}
			say.line("That does not answer the sign-in of %s that is under way: paste the whole address that the browser shows at its end.", f.Server)
		case err := <-opened:
			say.line("%v. Open this address yourself:\n%s%s", err, address, f.elsewhere())
			paste()
		case <-limited.Done():
			err := f.gaveUp(ctx)
			d.end("", err)
			return false, err
		}
	}
}

// show opens the browser, in a goroutine of helpers, or prints the address.
func (f *Flow) show(ctx context.Context, say *teller, address string, helpers *sync.WaitGroup, failed chan<- error) {
	switch {
	case f.Open == nil && f.Paste == nil:
		say.line("To sign in for %s, open this address in a browser on this machine:\n%s", f.Server, address)
		return
	case f.Open == nil:
		say.line("To sign in for %s, open this address in a browser:\n%s%s", f.Server, address, f.elsewhere())
		return
	}
	say.line("Opening the browser to sign in for %s … (--no-browser prints the address)", f.Server)
	helpers.Go(func() {
		if err := f.Open(ctx, address); err != nil && ctx.Err() == nil {
			failed <- err
		}
	})
}

// elsewhere says what helps a person whose browser cannot reach this machine, on a line of its own; "": nothing does.
func (f *Flow) elsewhere() string {
	if f.Paste == nil {
		return ""
	}
	return "\nIf that runs on another machine, its last page will not load: paste that page's address here."
}

func (f *Flow) finish(ctx context.Context, query string) error {
	ctx, cancel := context.WithTimeout(ctx, finishLimit)
	defer cancel()
	return f.Finish(ctx, query)
}

func (f *Flow) gaveUp(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the sign-in of %s was given up: %w", f.Server, context.Cause(ctx))
	}
	return fmt.Errorf("nobody has signed in for %q in time: run `bearerd login %s` when somebody can", f.Server, f.Server)
}

// checkAddress lets nothing reach a browser, or a terminal, but a plain web address.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the address of the provider's sign-in page is no http or https address that a browser may open: see OAUTH_AUTHORIZATION_URL")
	}
	return nil
}
