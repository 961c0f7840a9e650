package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// knowsNot lets an authorization server refuse a scope, in token requests and by the browser.
func knowsNot(as *oauthtest.Server, scope string) {
	as.FailAt("/token", 1000, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		_ = r.ParseForm() // of this package's own requests
		if slices.Contains(strings.Fields(r.PostForm.Get("scope")), scope) {
			oauthtest.OAuthError(400, "invalid_scope", "no such scope")(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	as.Approve(func(r oauthtest.AuthorizeRequest) oauthtest.Decision {
		if slices.Contains(strings.Fields(r.Query.Get("scope")), scope) {
			return oauthtest.Decision{Error: "invalid_scope"}
		}
		return oauthtest.Decision{}
	})
}

// demands are the ways in which upstream names a scope.
var demands = map[int]func(scope string) http.Header{
	http.StatusForbidden:    lacksScope,
	http.StatusUnauthorized: func(scope string) http.Header { return bearer(`error="invalid_token", scope="` + scope + `"`) },
}

func TestADemandThatIsRefusedDoesNotEndClientCredentials(t *testing.T) {
	for status, header := range demands {
		for name, of := range map[string]func(as *oauthtest.Server, rs *oauthtest.Resource) *config.Server{
			"configured": func(as *oauthtest.Server, _ *oauthtest.Resource) *config.Server { return server(as, "a") },
			"discovered": unattended,
			"a scope is written": func(as *oauthtest.Server, _ *oauthtest.Resource) *config.Server {
				c := server(as, "a")
				c.OAuth.Scope, c.AllowStepUp = "read", []string{"bogus"}
				return c
			},
		} {
			t.Run(fmt.Sprint(status, " ", name), func(t *testing.T) {
				as, rs := protected(t)
				synctest.Test(t, func(t *testing.T) {
					b := start(t, of(as, rs))
					s := b.source(t, "a")
					tok := b.token(t, "a")
					knowsNot(as, "bogus")
					_, _, _ = s.Challenged(t.Context(), tok, status, header("bogus")) // nothing can be had
					for range 24 {
						time.Sleep(time.Hour)
						b.token(t, "a")
					}
					b.Close()
					b = startWith(t, b.store, b.lock, of(as, rs))
					b.renew(t, "a")
					b.Close()
				})
			})
		}
	}
}

func TestALaterLoginDoesNotAskForADemandThatWasRefused(t *testing.T) {
	for status, header := range demands {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				tok := signIn(t, as, s)
				time.Sleep(time.Minute)
				_, _, _ = s.Challenged(t.Context(), tok, status, header("bogus"))
				knowsNot(as, "bogus")
				l := beginLogin(t, s)
				if scope := param(t, l.URL, "scope"); scope != "bogus" {
					t.Fatalf("it is not asked for once: %q", scope)
				}
				_, err := s.FinishLogin(t.Context(), visit(t, as, l.URL))
				wantNeedsPerson(t, err, "invalid_scope")
				b.token(t, "a")
				if l = beginLogin(t, s); strings.Contains(param(t, l.URL, "scope"), "bogus") {
					t.Error("it is asked for again")
				}
				if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
					t.Error(err)
				}
				if st, r := s.Status(), stored(t, b.store, "grant/a"); st.State != Authorized || st.WantedScope != "" || r.Wanted != "" {
					t.Errorf("wanted is %q, the status is %+v", r.Wanted, st)
				}
				b.Close()
			})
		})
	}
}

// An upstream that names another scope each time makes no endless record, address or status of it.
func TestWhatUpstreamCanDemandIsBounded(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		before := b.store.writes
		for i := range 1000 {
			_, _, _ = s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope(fmt.Sprint(strings.Repeat("x", 150), i)))
		}
		if n := b.store.writes - before; n > 20 {
			t.Errorf("%d writes of the record", n)
		}
		r, st := stored(t, b.store, "grant/a"), s.Status()
		if len(r.Wanted) > maxAsked || st.WantedScope != r.Wanted || len(r.Wanted) < maxAsked/2 {
			t.Errorf("%d bytes are wanted, in the status %d", len(r.Wanted), len(st.WantedScope))
		}
		if scope := param(t, beginLogin(t, s).URL, "scope"); len(scope) > maxAsked {
			t.Errorf("the login asks for %d bytes", len(scope))
		}
		time.Sleep(time.Hour)
		b.token(t, "a")
		b.Close()
	})
}

func TestTheScopesOfChallengesAreBounded(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, unattended(as, rs))
		s := b.source(t, "a")
		for i := range 20 {
			word := strings.Repeat("y", 220)
			h := demands[http.StatusUnauthorized](fmt.Sprintf("%[1]sa%[2]d %[1]sb%[2]d %[1]sc%[2]d %[1]sd%[2]d", word, i))
			_, _, _ = s.Challenged(t.Context(), b.token(t, "a"), http.StatusUnauthorized, h)
			time.Sleep(2 * challengePause)
		}
		r, st := stored(t, b.store, "grant/a"), s.Status()
		if len(r.Asked) > maxAsked || len(st.Scope) > maxAsked || len(st.Scope) < 900 || st.State != Authorized {
			t.Errorf("asked for were %d bytes; the status is %s with %d bytes", len(r.Asked), st.State, len(st.Scope))
		}
		b.Close()
	})
}

// It runs by the real clock, as the authorization server calls back into it.
func TestADemandDuringARefreshIsKept(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	tok := signIn(t, as, s)
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		_, _, _ = s.Challenged(context.Background(), tok, http.StatusForbidden, lacksScope("write"))
		next.ServeHTTP(w, r)
	})
	b.renew(t, "a")
	if r, st := stored(t, b.store, "grant/a"), s.Status(); r.Wanted != "write" || st.WantedScope != "write" {
		t.Errorf("the record wants %q, the status %q", r.Wanted, st.WantedScope)
	}
	wantGrantKept(t, as, b.store)
	b.renew(t, "a")
	wantGrantKept(t, as, b.store)
}

func TestADemandThatNobodyApprovesIsForgotten(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		tok := b.token(t, "a")
		p.decide(func(context.Context) error { return errors.New("the browser was closed") })
		_, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("admin"))
		wantNeedsPerson(t, err, "")
		if st := s.Status(); st.State != Authorized || st.WantedScope != "" {
			t.Errorf("the status is %+v", st)
		}
		if scope := param(t, beginLogin(t, s).URL, "scope"); strings.Contains(scope, "admin") {
			t.Errorf("the next login asks for %q", scope)
		}
		b.Close()
	})
}
