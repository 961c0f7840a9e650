package engine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Ask lets a person sign in for s, at once: by FinishLogin a token is there when it returns nil. It ends with ctx.
type Ask func(ctx context.Context, s *Source) error

// AskWith sets how this process asks a person, for servers with login = "auto"; without it none is asked. It is called
// before there are requests.
func (e *Engine) AskWith(ask Ask) { e.ask = ask }

// ErrExpired is what an Ask returns that went on with a sign-in from before a restart, when that has expired.
var ErrExpired = errors.New("the sign-in that was begun before has expired")

// ErrNoBrowser is wrapped by an Ask that cannot show a person anything.
var ErrNoBrowser = errors.New("the browser of this machine cannot be opened")

const (
	maxAsks     = 3                // a person, for one request
	farewell    = 3 * time.Second  // for the last page in the browser
	waitPause   = 2 * time.Second  // between two looks whether somebody else has signed in
	reservation = 10 * time.Second // for a command to begin its sign-in
	openPause   = 10 * time.Minute // in which a browser is opened maxAsks times at the most for one server
)

// loginLock is held, among the processes of this host, by who asks a person for a request: one at a time, so that fifteen
// clients that start together open one tab.
const loginLock = "login"

// needsPerson is the error of a grant that only a person can begin or go on with.
func (s *Source) needsPerson(reason string) *Error {
	return &Error{Server: s.name, State: NeedsReauth, consent: true, Reason: reason, Remedy: "run `bearerd login " + s.name + "`"}
}

// mayAskPerson reports whether a request may open a browser here.
func (s *Source) mayAskPerson() bool {
	server := s.server.Load()
	return s.engine.ask != nil && server.Login == "auto" && server.OAuth.Delegated()
}

// consents reports whether a flight that met err goes on by asking a person: if a request wants it, or had asked when
// bearerd was stopped.
func (s *Source) consents(ctx context.Context, f *flight, err error) bool {
	if err == nil || !s.mayAskPerson() || errors.Is(err, errLeased) {
		return false
	}
	s.mu.Lock()
	e := s.describe(err)
	asked := f.asked && f.asks < maxAsks
	reserved := time.Now().Before(s.reserved)
	s.mu.Unlock()
	if reserved {
		return false
	}
	if !e.consent {
		return false
	}
	if !asked && f.asks == 0 {
		p, _, err := s.pendingLogin(ctx)
		return err == nil && p.waits() && p.Asked
	}
	return asked
}

// consent asks a person, unless somebody else is asked now: then it waits what comes of that. It returns nil when the record
// has another token.
func (s *Source) consent(ctx context.Context, f *flight) error {
	f.asks++
	ctx, cancel := context.WithTimeout(ctx, 2*loginLife)
	defer cancel()
	s.setAsking(true)
	defer s.setAsking(false)
	s.letGo(f) // with a valid token nobody waits for a person
	for {
		unlock, err := s.lockLogin(ctx)
		if s.hasNewer(ctx, f) {
			if err == nil {
				unlock()
			}
			return nil
		}
		if err == nil {
			defer unlock()
			return s.askPerson(ctx, f)
		}
		if s.isRetired() {
			return ErrGone
		}
		s.adoptNewer(ctx, f)
		if ctx.Err() != nil || !sleep(ctx, waitPause) { // a lock that cannot be had at all fails at once
			return s.needsPerson("another sign-in was not finished")
		}
	}
}

func (s *Source) lockLogin(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.engine.local.Lock(ctx, loginLock)
}

// hasNewer looks whether somebody has signed in meanwhile, here or in another process.
func (s *Source) hasNewer(ctx context.Context, f *flight) bool {
	g, err := s.load(ctx)
	if err != nil || g.Generation <= f.after {
		return false
	}
	t := s.tokenOf(&g.record)
	return t != nil && t.valid(time.Now()) && lacking(f.scope, g.Asked) == ""
}

// askPerson asks until the record has a newer token.
func (s *Source) askPerson(ctx context.Context, f *flight) error {
	p, _, err := s.pendingLogin(ctx)
	if err != nil {
		return err
	}
	switch wait := p.pause(); {
	case wait > 0:
		return s.needsPerson("the last sign-in was refused or not finished")
	case !p.waits() && len(p.opened()) >= maxAsks:
		return s.needsPerson("a browser was opened for it several times in the last minutes")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	yielded := make(chan struct{})
	var wg sync.WaitGroup
	defer close(yielded)
	defer wg.Wait()
	defer cancel(nil)
	s.mu.Lock()
	s.yield = func() <-chan struct{} {
		cancel(errYielded)
		return yielded
	}
	s.mu.Unlock()
	done := make(chan error, 1)
	wg.Go(func() { done <- s.engine.ask(ctx, s) })
	next := time.Time{} // when the present token may be renewed meanwhile
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return s.asked(ctx, err)
		case <-look.C:
			if next = s.keepUp(ctx, f, next); ctx.Err() != nil {
				continue
			}
			if s.hasNewer(ctx, f) {
				s.mu.Lock()
				ours := s.entered > f.after
				s.mu.Unlock()
				if ours {
					letFinish(done)
				}
				s.signedInElsewhere()
				return nil
			}
		case <-s.gone:
			return ErrGone
		}
	}
}

// keepUp renews the present token while a person is asked for more scopes. It says when it may do so again.
func (s *Source) keepUp(ctx context.Context, f *flight, next time.Time) time.Time {
	t := s.current.Load()
	if f.scope == "" || t == nil || t.fresh(time.Now()) || time.Now().Before(next) {
		return next
	}
	_, err := s.once(ctx, &flight{after: t.Generation, done: make(chan struct{}), fallback: make(chan struct{})})
	failed := &Error{Err: err}
	switch {
	case err == nil:
		return time.Time{}
	case failed.final():
		return time.Now().Add(finalPause)
	}
	return time.Now().Add(max(recheckPause/2, failed.retryAfter()))
}

// adoptNewer takes a token that another process has renewed while it asks a person for more scopes.
func (s *Source) adoptNewer(ctx context.Context, f *flight) {
	if f.scope == "" {
		return
	}
	if g, err := s.load(ctx); err == nil && g.Generation > generation(s.current.Load()) && !g.Revoked {
		if t := s.tokenOf(&g.record); t != nil && t.valid(time.Now()) {
			s.adopt(t)
			s.changed()
		}
	}
}

// letFinish gives who asked the time to tell the person that it is done.
func letFinish(done <-chan error) {
	select {
	case <-done:
	case <-time.After(farewell):
	}
}

// asked is the outcome of having asked: no request asks again soon when a person has not approved.
func (s *Source) asked(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errYielded) {
		return s.needsPerson(errYielded.Error())
	}
	s.loginEnded("it was not finished") // nobody here takes its answer any more
	var own *Error
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, &own):
		return err
	}
	if errors.Is(err, ErrExpired) {
		return s.needsPerson(err.Error())
	}
	s.engine.log.Warn("nobody signed in for "+s.name, "server", s.name, "error", err, "remedy", "run `bearerd login "+s.name+"`")
	if p, rev, err := s.pendingLogin(ctx); err == nil {
		_ = s.keepPending(ctx, &pending{Fingerprint: s.fingerprint, NotBefore: time.Now().Add(refusalPause), Opened: p.opened()}, rev)
	}
	if errors.Is(err, ErrNoBrowser) {
		return s.needsPerson(ErrNoBrowser.Error())
	}
	return s.needsPerson("nobody has signed in in time")
}

// errYielded ends the asking of a person for a request.
var errYielded = errors.New("a sign-in by command has taken the place of the one in the browser")

// Yield ends a sign-in that a request has begun here, so that a command can begin one at the same redirect URI. It returns
// when nobody listens there any more.
func (s *Source) Yield(ctx context.Context) {
	s.mu.Lock()
	yield := s.yield
	s.reserved = time.Now().Add(reservation)
	s.mu.Unlock()
	if yield == nil {
		return
	}
	select {
	case <-yield():
	case <-ctx.Done():
	}
}

// signedInElsewhere ends the waiting for an answer when another process has got one.
func (s *Source) signedInElsewhere() {
	s.mu.Lock()
	defer s.unlock()
	s.endLogin()
}

func (s *Source) setAsking(asking bool) {
	s.mu.Lock()
	defer s.unlock()
	s.asking, s.yield = asking, nil
	if asking && s.current.Load() == nil {
		s.state = NeedsReauth
	}
}

func (s *Source) isAsking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asking
}
