package engine

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// slow makes the client secret of s take so long to read, one reading after the other; later ones take no time.
func slow(b *bench, waits ...time.Duration) {
	b.resolve.Vault = func(ctx context.Context, _, _ string) (string, error) {
		if len(waits) > 0 {
			sleep(ctx, waits[0])
			waits = waits[1:]
		}
		return "s3cret", ctx.Err()
	}
}

// The deadline of the lease must not cut a request off that was sent: its answer has the only refresh token.
func TestARefreshTokenIsNotSentAtTheEndOfItsLease(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		s := rotating(as, "a", first)
		s.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Vault, Name: "p", Field: "f"}
		b := host(t, newMemory(), newMemory(), "b", s)
		slow(b, 47*time.Second)
		_, err := spend(t, b.source(t, "a"), secrets.New(first), startStopwatch())
		wantRefusal(t, err, errLeased.Error())
		wantAsked(t, as, 0)
		slow(b, 47*time.Second)
		if d := took(func() { b.token(t, "a") }); d < 47*time.Second || d > 49*time.Second {
			t.Errorf("it took %v: a second lease is as good as the first", d)
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

// No answer came, and by the time that the secrets are read again others may have taken the lease over.
func TestARepetitionIsNotSentAtTheEndOfTheLease(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		s := rotating(as, "a", first)
		s.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Vault, Name: "p", Field: "f"}
		b := host(t, newMemory(), newMemory(), "b", s)
		for _, waits := range [][]time.Duration{{0, 47 * time.Second}, {39 * time.Second, 2 * time.Second}} {
			slow(b, waits...)
			n := asked(as, "/token")
			as.Fail(1, oauthtest.Reset())
			if _, err := spend(t, b.source(t, "a"), secrets.New(first), startStopwatch()); err == nil {
				t.Error("there was an answer")
			}
			wantAsked(t, as, n+1)
		}
		b.Close()
	})
}

// A stopwatch that has run long, as after a sleep of the machine, keeps the first request back too.
func TestAMachineThatSleptSendsNothing(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := host(t, newMemory(), newMemory(), "b", rotating(as, "a", first))
	_, err := spend(t, b.source(t, "a"), secrets.New(first), stopwatch{start: time.Now().Add(-10 * time.Minute), boot: sinceBoot()})
	wantRefusal(t, err, errLeased.Error())
	wantAsked(t, as, 0)
}

func TestALeaseOfAnyLifeIsHeld(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, rotating(as, "a", "x"))
		s := b.source(t, "a")
		for life, want := range map[int64]time.Duration{
			math.MinInt64: time.Second, -5: time.Second, 60_000: time.Minute,
			math.MaxInt64: longestHold, 9223372036855: longestHold, 18446744073710: longestHold,
		} {
			g := &reading{record: record{Lease: &lease{Owner: "other", Life: life}}, rev: secrets.Revision(fmt.Sprint(life))}
			held := took(func() {
				for s.leased(g) {
					time.Sleep(time.Second)
				}
			})
			if held != want {
				t.Errorf("life_ms %d is held for %v, want %v", life, held, want)
			}
		}
		b.Close()
	})
}

// The lock of a folder tells of a dead owner only where both are of one folder in one run of one machine: machines, and their
// folders, are copied.
func TestWhoseLockTellsThatAnOwnerHasDied(t *testing.T) {
	as := authorizationServer(t)
	s := start(t, rotating(as, "a", "x")).source(t, "a")
	here := "here/" + bootID()
	if bootID() == "" {
		t.Skip("runs of this machine cannot be told apart")
	}
	for _, c := range []struct {
		name, owner, place string
		locked, leased     bool
	}{
		{"of this run", "other", here, true, false},
		{"of this run, whose lock is not free", "other", here, false, true},
		{"of another run, or a clone", "other", "here/another boot", true, true},
		{"of another folder", "other", "elsewhere/" + bootID(), true, true},
		{"of nobody's lock", "other", "", true, true},
		{"of this source", s.owner, "", false, false},
	} {
		g := &reading{record: record{Lease: &lease{Owner: c.owner, Place: c.place, Life: 60_000}}, rev: "1", locked: c.locked}
		if got := s.leased(g); got != c.leased {
			t.Errorf("a lease %s counts as held: %v", c.name, got)
		}
	}
	s.engine.local.Place = ""
	if s.lockPlace() != "" || !s.leased(&reading{record: record{Lease: &lease{Owner: "other", Life: 60_000}}, rev: "1", locked: true}) {
		t.Error("a folder that cannot be told from a copy has a lock that tells")
	}
}

func spend(t *testing.T, s *Source, token secrets.Secret, watch stopwatch) (*oauth.Token, error) {
	t.Helper()
	return s.spend(t.Context(), s.provider(t.Context()), token, watch)
}
