package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// scoped is a server whose token is another one for each scope.
func scoped(scope string) *config.Server {
	o := config.DefaultOAuth()
	o.Enabled, o.TokenURL, o.ClientID, o.Scope = true, "https://auth.example.com/token", "app", scope
	return &config.Server{
		Name: "s", Command: "true", OnRotate: "replay", OAuth: o, Env: map[string]secrets.Ref{"SCOPE": secrets.LiteralRef(scope)},
	}
}

// fetching is an app with one server, whose tokens come from fetch.
func fetching(t *testing.T, s *config.Server, fetch engine.Fetch) *App {
	memory := newMemory()
	a := &App{
		Log: slog.New(slog.DiscardHandler), local: memory, store: memory, resolve: &secrets.Resolver{},
		record: &recorder{audit: audit.New(filepath.Join(t.TempDir(), "audit.jsonl")), log: slog.New(slog.DiscardHandler)},
	}
	a.config.Store(&config.Config{Proxy: config.DefaultProxy(), Servers: []*config.Server{s}})
	a.engine = engine.New(t.Context(), memory, engine.Local{
		Store: memory, Lock: func(context.Context, string) (func(), error) { return func() {}, nil }, Fetch: fetch,
	}, a.resolve, a.Log)
	t.Cleanup(a.Close)
	a.engine.Prepare(a.config.Load()).Commit()
	return a
}

func fetched() *oauth.Token {
	return &oauth.Token{AccessToken: secrets.New("the-token"), Requested: time.Now(), ExpiresIn: time.Hour}
}

// firstHangs is a Fetch of which the first lasts until its source is gone.
func firstHangs() engine.Fetch {
	var once sync.Once
	return func(ctx context.Context, _ string, _ bool) (*oauth.Token, error) {
		once.Do(func() { <-ctx.Done() })
		return fetched(), ctx.Err()
	}
}

func newChild(a *App, s *config.Server) *child {
	c := &child{app: a, name: s.Name, server: s, look: make(chan struct{}, 1), began: make(chan struct{}, 1)}
	c.keeper = stdio.NewKeeper(s.Name, c.spawn, a.Log)
	return c
}

// A process whose token is waited for while its server is edited starts with what is configured then.
func TestAnEditWhileTheTokenOfAProcessIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, next := scoped("before"), scoped("next")
		a := fetching(t, before, firstHangs())
		c := newChild(a, before)
		type outcome struct {
			*stdio.Spawned
			err error
		}
		spawned := make(chan outcome, 1)
		go func() {
			s, err := c.spawn(t.Context())
			spawned <- outcome{s, err}
		}()
		synctest.Wait() // it waits for the token
		c.edited(t.Context(), next)
		got := <-spawned
		if got.err != nil {
			t.Fatal(got.err)
		}
		if source, _ := a.engine.Source("s"); got.Server != next || got.Source != source || !c.env["SCOPE"].Equal(secrets.New("next")) {
			t.Errorf("it starts with %+v", got.Spawned)
		}
	})
}

// What a process is started with belongs together, whenever an edit comes.
func TestSettingsAndTokensBelongTogether(t *testing.T) {
	s := scoped("0")
	a := fetching(t, s, func(ctx context.Context, _ string, _ bool) (*oauth.Token, error) {
		return fetched(), ctx.Err()
	})
	c := newChild(a, s)
	belongs := map[*engine.Source]*config.Server{}
	note := func(s *config.Server) {
		source, err := a.engine.Source("s")
		if err != nil {
			t.Fatal(err)
		}
		belongs[source] = s
	}
	note(s)
	var spawned []*stdio.Spawned
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 300 {
			s, err := c.spawn(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			spawned = append(spawned, s)
		}
	})
	for n := range 300 {
		next := scoped(fmt.Sprint(n + 1))
		c.edited(t.Context(), next)
		note(next)
	}
	wg.Wait()
	for _, s := range spawned {
		if belongs[s.Source] != s.Server {
			t.Fatalf("the settings with the scope %s got a token of others", s.Server.OAuth.Scope)
		}
	}
}

// Commands that wait for a token while its server is edited are answered with the one that is configured then.
func TestAnEditWhileACommandWaits(t *testing.T) {
	for _, request := range []string{"GET /api/servers/s/token?show=true", "POST /api/servers/s/refresh"} {
		t.Run(request, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := fetching(t, scoped("before"), firstHangs())
				var method, path string
				_, _ = fmt.Sscan(request, &method, &path)
				answer := httptest.NewRecorder()
				done := make(chan struct{})
				go func() {
					defer close(done)
					a.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, nil))
				}()
				synctest.Wait()
				a.prepare(scoped("next")).Commit()
				<-done
				if answer.Code != http.StatusOK {
					t.Errorf("%d %s", answer.Code, answer.Body)
				}
			})
		})
	}
}

// A server that is removed while a command waits is not there.
func TestARemovalWhileACommandWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := fetching(t, scoped("before"), firstHangs())
		answer := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "POST", "/api/servers/s/refresh", nil))
		}()
		synctest.Wait()
		none := &config.Config{}
		a.config.Store(none)
		a.engine.Prepare(none).Commit()
		<-done
		if answer.Code != http.StatusNotFound {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	})
}
