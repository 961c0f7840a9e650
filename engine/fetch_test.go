package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// fetcher stands for a daemon that keeps the tokens.
type fetcher struct {
	calls   int
	refused []bool
	err     error
	ahead   time.Duration // of the clock of whoever gives the tokens
}

func (f *fetcher) fetch(context.Context, string, bool) (*oauth.Token, error) {
	f.calls++
	if f.err != nil {
		return nil, f.err
	}
	return &oauth.Token{AccessToken: secrets.New("token-" + strconv.Itoa(f.calls)), Requested: time.Now().Add(f.ahead), ExpiresIn: time.Hour, ScopeGiven: true}, nil
}

// fetching is an engine whose tokens are another process's.
func fetching(t *testing.T, f *fetcher) *Source {
	t.Helper()
	store := newMemory()
	local := beside(store, locks(), "")
	local.Fetch = func(ctx context.Context, server string, refused bool) (*oauth.Token, error) {
		f.refused = append(f.refused, refused)
		return f.fetch(ctx, server, refused)
	}
	e := New(t.Context(), store, local, &secrets.Resolver{}, slog.New(slog.DiscardHandler))
	t.Cleanup(e.Close)
	e.Prepare(&config.Config{Servers: []*config.Server{{Name: "a", URL: "http://127.0.0.1:1/mcp", OAuth: &config.OAuth{
		Enabled: true, GrantType: "client_credentials", TokenURL: "http://127.0.0.1:1/token", TokenExpiryBuffer: 300,
		ClientSecret: secrets.Ref{Kind: secrets.File, Name: "/not/there"}, // it is never read
	}}}}).Commit()
	s, err := e.Source("a")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Tokens are fetched, renewed and replaced after a refusal as if they came from an authorization server.
func TestFetchInPlaceOfTheAuthorizationServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fetcher{}
		s := fetching(t, f)
		first, err := s.Token(t.Context())
		if err != nil || first.Access().Reveal() != "token-1" {
			t.Fatal(first, err)
		}
		s.engine.KeepFresh()
		time.Sleep(56 * time.Minute)
		synctest.Wait()
		second, err := s.Token(t.Context())
		if err != nil || second.Access().Reveal() != "token-2" {
			t.Fatal(second, err)
		}
		challenge := http.Header{"Www-Authenticate": {"Bearer"}}
		third, again, err := s.Challenged(t.Context(), second, http.StatusUnauthorized, challenge)
		if err != nil || !again || third.Access().Reveal() != "token-3" {
			t.Fatal(third, again, err)
		}
		if len(f.refused) != 3 || f.refused[0] || f.refused[1] || !f.refused[2] {
			t.Errorf("told of refusals: %v", f.refused)
		}
		s.engine.Close()
	})
}

// A denial is told at once, in its own words; a failure is tried again.
func TestFetchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fetcher{err: Denied("not for you", "ask")}
		s := fetching(t, f)
		start := time.Now()
		_, err := s.Token(t.Context())
		var denied *Error
		if !errors.As(err, &denied) || denied.Reason != "not for you" || denied.Remedy != "ask" || time.Since(start) != 0 || f.calls != 1 {
			t.Errorf("after %s and %d calls: %v", time.Since(start), f.calls, err)
		}
		s.engine.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fetcher{err: &Error{Reason: "away", Remedy: "wait"}}
		s := fetching(t, f)
		_, err := s.Token(t.Context())
		var failed *Error
		if !errors.As(err, &failed) || failed.Reason != "away" || f.calls != maxTries {
			t.Errorf("%d calls: %v", f.calls, err)
		}
		s.engine.Close()
	})
}

// A token that claims to be of a later time is used, and none of it ends the process.
func TestFetchFromAClockThatIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fetching(t, &fetcher{ahead: time.Hour})
		if got, err := s.Token(t.Context()); err != nil || got.Access().Reveal() != "token-1" {
			t.Error(got, err)
		}
		s.engine.Close()
	})
}
