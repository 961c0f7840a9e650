package engine

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// lacksScope is upstream's 403 (RFC 6750 §3.1).
func lacksScope(scope string) http.Header {
	return http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope", scope="` + scope + `"`}}
}

// scoped is a server whose OAUTH_SCOPE is written.
func scoped(rs *oauthtest.Resource, scope string, allow ...string) *config.Server {
	s := delegated(rs)
	s.OAuth.Scope, s.AllowStepUp = scope, allow
	return s
}

func TestStepUpWaitsForTheNextLogin(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		for range 5 {
			_, again, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
			wantNeedsPerson(t, err, "write")
			if again {
				t.Error("the request is to be sent again")
			}
		}
		if !b.token(t, "a").Access().Equal(tok.Access()) {
			t.Error("the present token is not served any more")
		}
		st := s.Status()
		if st.State != NeedsReauth || st.WantedScope != "write" || !strings.Contains(st.Error, "write") ||
			st.Remedy != "run `bearerd login a`" {
			t.Errorf("the status is %+v", st)
		}
		wantAsked(t, as, 1)
		time.Sleep(time.Hour) // a renewal changes nothing of it
		if b.token(t, "a"); s.Status().WantedScope != "write" {
			t.Error("after a renewal nobody is asked for the scope")
		}
		l := beginLogin(t, s)
		if scope := param(t, l.URL, "scope"); scope != "read write" {
			t.Errorf("the next login asks for %q", scope)
		}
		next, err := s.FinishLogin(t.Context(), visit(t, as, l.URL))
		if err != nil || next.Scope != "read write" {
			t.Error(next, err)
		}
		if st := s.Status(); st.State != Authorized || st.WantedScope != "" || st.Error != "" {
			t.Errorf("the status is %+v", st)
		}
		if r := stored(t, b.store, "grant/a"); r.Wanted != "" || r.Asked != "read write" {
			t.Errorf("the record: asked %q, wanted %q", r.Asked, r.Wanted)
		}
		_, _, err = s.Challenged(t.Context(), next, http.StatusForbidden, lacksScope("write"))
		if !errors.Is(err, ErrNotHelped) {
			t.Error("what was granted is asked for again:", err)
		}
		time.Sleep(time.Hour)
		signIn(t, as, s)
		if r := stored(t, b.store, "grant/a"); r.Asked != "read write" {
			t.Errorf("a later login asked for %q", r.Asked)
		}
		b.Close()
	})
}

func TestWhatUpstreamWantsOutlivesARestart(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		a := start(t, delegated(rs))
		tok := signIn(t, as, a.source(t, "a"))
		_, _, err := a.source(t, "a").Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
		wantNeedsPerson(t, err, "write")
		_, _, err = a.source(t, "a").Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("admin"))
		wantNeedsPerson(t, err, "admin")
		a.Close()
		b := startWith(t, a.store, a.lock, delegated(rs))
		b.token(t, "a")
		if st := b.source(t, "a").Status(); st.State != NeedsReauth || st.WantedScope != "write admin" {
			t.Errorf("the status is %+v", st)
		}
		if scope := param(t, beginLogin(t, b.source(t, "a")).URL, "scope"); scope != "read write admin" {
			t.Errorf("the next login asks for %q", scope)
		}
		b.Close()
	})
}

func TestAWrittenScopeIsTheCeiling(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, scoped(rs, "read", "write", "list"))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		_, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write admin"))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.ForCaller(), "admin") || strings.Contains(e.ForCaller(), "write admin") ||
			!strings.Contains(e.Remedy, "allow_step_up") {
			t.Errorf("the error is %v", err)
		}
		if st := s.Status(); st.State != Authorized || st.WantedScope != "" {
			t.Errorf("the status is %+v", st)
		}
		for _, wanted := range []string{"write", "list"} {
			_, _, err = s.Challenged(t.Context(), s.current.Load(), http.StatusForbidden, lacksScope(wanted))
			wantNeedsPerson(t, err, wanted)
			signIn(t, as, s)
		}
		if r := stored(t, b.store, "grant/a"); r.Asked != "read write list" {
			t.Errorf("the union is %q", r.Asked)
		}
		time.Sleep(time.Hour)
		if l := beginLogin(t, s); param(t, l.URL, "scope") != "read write list" {
			t.Errorf("a later login asks for %q", param(t, l.URL, "scope"))
		}
		b.Prepare(&config.Config{Servers: []*config.Server{scoped(rs, "read", "list")}}).Commit()
		if err := s.EndLogin(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if l := beginLogin(t, s); param(t, l.URL, "scope") != "read list" {
			t.Errorf("beyond allow_step_up it asks for %q", param(t, l.URL, "scope"))
		}
		b.Close()
	})
}

func TestClientCredentialsStepUpAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		scope string
		allow []string
	}{"no scope is written": {}, "a scope is written": {"read", []string{"write", "list"}}} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			synctest.Test(t, func(t *testing.T) {
				server := server(as, "a")
				server.OAuth.Scope, server.AllowStepUp = c.scope, c.allow
				b := start(t, server)
				s := b.source(t, "a")
				tok := b.token(t, "a")
				for _, wanted := range []string{"write", "list"} {
					next, again, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope(wanted))
					if err != nil || !again || lacking(wanted, next.Scope) != "" {
						t.Fatal(next, again, err)
					}
					tok = next
				}
				want := union(c.scope, "write list")
				if tok.Scope != want {
					t.Errorf("the union is %q", tok.Scope)
				}
				for range 3 {
					time.Sleep(time.Hour)
					if next := b.token(t, "a"); next == tok || next.Scope != want {
						t.Errorf("renewed it has the scope %q", next.Scope)
					}
				}
				b.Close()
				b = startWith(t, b.store, b.lock, server)
				b.renew(t, "a")
				if next := b.token(t, "a"); next.Scope != want {
					t.Errorf("after a restart it has the scope %q", next.Scope)
				}
				b.Close()
			})
		})
	}
}

func TestStepUpIsTriedThreeTimesAtTheMost(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		s := b.source(t, "a")
		tok := b.token(t, "a")
		var err error
		for _, wanted := range []string{"one", "two", "three", "four", "five"} {
			var next *Token
			if next, _, err = s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope(wanted)); err == nil {
				tok = next
			}
		}
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Reason, "again and again") {
			t.Errorf("the error is %v", err)
		}
		wantAsked(t, as, maxStepUps)
		time.Sleep(stepUpPause + time.Second)
		if _, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("six")); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestAScopeThatIsNotGrantedIsNotAskedForAgain(t *testing.T) {
	as := authorizationServer(t)
	as.Register(oauthtest.Client{ID: "id", Secret: "s3cret", Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		c := server(as, "a")
		c.OAuth.Scope, c.AllowStepUp = "read", []string{"write"}
		b := start(t, c)
		tok := b.token(t, "a")
		for range 10 {
			_, again, err := b.source(t, "a").Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
			if again || err == nil {
				t.Error(again, err)
			}
			tok = b.token(t, "a")
		}
		if n := asked(as, "/token"); n > 1+maxStepUps {
			t.Errorf("%d requests", n)
		}
		b.Close()
	})
}

func TestHostileScopesAreNeitherShownNorAskedFor(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		for _, scope := range []string{"", "x\x1b[31m", "caf\u00e9", `a\"b`, `a\\b`, strings.Repeat("long", 51)} {
			_, again, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope(scope))
			var e *Error
			if again || !errors.As(err, &e) || !errors.Is(err, ErrNotHelped) ||
				scope != "" && strings.Contains(e.Error()+e.ForCaller(), scope) {
				t.Errorf("%q: %v", scope, err)
			}
		}
		if st := s.Status(); st.State != Authorized || st.WantedScope != "" {
			t.Errorf("the status is %+v", st)
		}
		if r := stored(t, b.store, "grant/a"); r.Wanted != "" {
			t.Errorf("the record wants %q", r.Wanted)
		}
		b.Close()
	})
}

func TestStepUpInAutoModeAsksAPerson(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		tok := b.token(t, "a")
		next, again, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
		if err != nil || !again || next.Scope != "read write" {
			t.Error(next, again, err)
		}
		if p.count() != 2 {
			t.Errorf("the person was asked %d times", p.count())
		}
		p.decide(func(context.Context) error { return errors.New("closed") })
		if _, _, err = s.Challenged(t.Context(), next, http.StatusForbidden, lacksScope("admin")); err == nil {
			t.Error("nobody has approved it")
		}
		if !b.token(t, "a").Access().Equal(next.Access()) {
			t.Error("the present token is not served any more")
		}
		wantState(t, s, Authorized)
		b.Close()
	})
}
