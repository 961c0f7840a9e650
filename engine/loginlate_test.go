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

// ends are the ways in which a server's sign-in is overtaken: what each does, and what the error says then.
var ends = map[string]struct {
	act  func(b *bench, rs *oauthtest.Resource)
	says error // nil: it was revoked
}{
	"logout": {act: func(b *bench, _ *oauthtest.Resource) {
		s, err := b.Source("a")
		if err == nil {
			_, _, _ = s.Logout(context.Background(), false)
		}
	}},
	"edited": {says: ErrGone, act: func(b *bench, rs *oauthtest.Resource) {
		edited := delegated(rs)
		edited.OAuth.Audience = "x"
		b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
	}},
	"removed": {says: ErrGone, act: func(b *bench, _ *oauthtest.Resource) { b.Prepare(&config.Config{}).Commit() }},
	"renamed": {says: ErrGone, act: func(b *bench, rs *oauthtest.Resource) {
		b.Prepare(&config.Config{Servers: []*config.Server{renamed(delegated(rs), "a", "b")}}).Commit()
	}},
}

// wantTooLate wants an error that says why, nothing stored, and what came revoked.
func wantTooLate(t testing.TB, as *oauthtest.Server, b *bench, err, says error) {
	t.Helper()
	if e := new(Error); says == nil && (!errors.As(err, &e) || !strings.Contains(e.ForCaller(), "it was revoked")) ||
		says != nil && !errors.Is(err, says) {
		t.Errorf("the error is: %v", err)
	}
	b.store.set(func(m *memory) {
		for key, value := range m.values {
			if strings.Contains(string(value), `"refresh_token"`) || strings.Contains(string(value), `"access_token"`) {
				t.Errorf("%s holds a token", key)
			}
		}
	})
	for _, client := range as.Registrations() {
		for _, c := range as.Chains(client.ClientID) {
			if !c.Revoked {
				t.Error("a refresh token works still")
			}
		}
	}
	for _, s := range b.Sources() {
		if tok, err := s.Token(t.Context()); err == nil {
			t.Errorf("%s serves a token of generation %d", s.name, tok.Generation)
		}
	}
}

// Those in which the authorization server calls back run by the real clock.
func TestAnAnswerThatIsOvertakenIsRevokedAndNotKept(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			b := start(t, delegated(rs))
			s := b.source(t, "a")
			if end.says == nil {
				signIn(t, as, s) // of a device nobody has signed in before
			}
			query := visit(t, as, beginLogin(t, s).URL)
			as.FailAt("/token", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				end.act(b, rs)
				next.ServeHTTP(w, r)
			})
			_, err := s.FinishLogin(t.Context(), query)
			if end.says == nil {
				wantState(t, s, Revoked)
			}
			wantTooLate(t, as, b, err, end.says)
		})
	}
}

func TestADeviceThatIsApprovedTooLateIsRevokedAndNotKept(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the second until the poll
			as, rs := protected(t)
			b := start(t, delegated(rs))
			s := b.source(t, "a")
			as.ApproveDevice(beginDevice(t, s).UserCode)
			as.FailAt("/token", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				end.act(b, rs)
				next.ServeHTTP(w, r)
			})
			_, err := s.FinishDevice(t.Context())
			wantTooLate(t, as, b, err, end.says)
		})
	}
}

func TestAnOvertakenDeviceLoginStopsAsking(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				d := beginDevice(t, s)
				took, err := polled(t, s, func() { end.act(b, rs) })
				if took > 12*time.Second || err == nil || !strings.Contains(err.Error(), "another sign-in has taken its place") {
					t.Errorf("after %v: %v", took, err)
				}
				n := len(forms(as, deviceGrant))
				if time.Sleep(time.Minute); n > 12 || len(forms(as, deviceGrant)) != n || !as.ApproveDevice(d.UserCode) {
					t.Errorf("it asked %d times, and goes on", n)
				}
				b.Close()
			})
		})
	}
}

// The source of the settings before spends no code, and leaves the grant of the present ones alone.
func TestARetiredSourceTakesNoAnswer(t *testing.T) {
	for name, end := range ends {
		if end.says == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				old := b.source(t, "a")
				query := visit(t, as, beginLogin(t, old).URL)
				end.act(b, rs)
				wantOtherFlow(t, old, query)
				for _, s := range b.Sources() {
					wantOtherFlow(t, s, query)
				}
				wantAsked(t, as, 0)
				b.Close()
			})
		})
	}
}

// Who stops the command in the moment of the answer has the grant nevertheless.
func TestADeviceLoginThatIsStoppedInItsLastPollKeepsTheGrant(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	as.ApproveDevice(beginDevice(t, s).UserCode)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	as.FailAt("/token", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		cancel()
		next.ServeHTTP(w, r)
	})
	if _, err := s.FinishDevice(ctx); err != nil {
		t.Error(err)
	}
	wantGrantKept(t, as, b.store)
	b.token(t, "a")
}

// Some providers give two grants one refresh token: what comes too late is not revoked while another grant lives.
func TestWhatComesTooLateDoesNotEndTheGrantThatLives(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	signIn(t, as, s)
	held := stored(t, b.store, "grant/a").Refresh
	query := visit(t, as, beginLogin(t, s).URL)
	as.FailAt("/token", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ends["edited"].act(b, rs)
		oauthtest.Edit(func(answer map[string]any) { answer["refresh_token"] = held })(w, r, next)
	})
	if _, err := s.FinishLogin(t.Context(), query); !errors.Is(err, ErrGone) {
		t.Errorf("the error is: %v", err)
	}
	if c, ok := as.Chain(held); !ok || c.Revoked {
		t.Error("the grant that lived is revoked")
	}
	b.renew(t, "a")
}
