package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/inject/peer"
	"bearerd/secrets"
	"bearerd/secrets/secretstest"
)

func TestMemory(t *testing.T) {
	secretstest.Run(t, func(*testing.T) secrets.Store { return newMemory() })
}

func TestCallerMay(t *testing.T) {
	other := os.Geteuid() + 4711
	number := strconv.Itoa(other)
	server := func(users, groups []string) *config.Server {
		return &config.Server{AllowUsers: users, AllowGroups: groups}
	}
	for name, c := range map[string]struct {
		caller *peer.User
		server *config.Server
		want   bool
	}{
		"the daemon's own":             {&peer.User{UID: os.Geteuid()}, server(nil, nil), true},
		"nobody else":                  {&peer.User{UID: other}, server(nil, nil), false},
		"by number":                    {&peer.User{UID: other}, server([]string{"x", number}, nil), true},
		"by group":                     {&peer.User{UID: other, GID: 4712}, server(nil, []string{"4712"}), true},
		"another group":                {&peer.User{UID: other, GID: 4713}, server(nil, []string{"4712"}), false},
		"a user's number as a group's": {&peer.User{UID: other, GID: 4713}, server(nil, []string{number}), false},
		"a group's number as a user's": {&peer.User{UID: other, GID: 4713}, server([]string{"4713"}, nil), false},
		"unknown names":                {&peer.User{UID: other}, server([]string{"no-such-user"}, []string{"no-such-group"}), false},
		"negative":                     {&peer.User{UID: -1, GID: -1}, server([]string{"-1"}, []string{"-1"}), false},
		"no server":                    {&peer.User{UID: os.Geteuid()}, nil, false},
		"not told":                     {nil, server(nil, nil), false},
	} {
		if got := may(c.caller, c.server); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// useSocket is that of an app with a server whose token comes from the function.
func useSocket(t *testing.T, fetch engine.Fetch) *config.Use {
	t.Helper()
	memory := newMemory()
	dir, err := os.MkdirTemp("", "b") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	use := &config.Use{Socket: filepath.Join(dir, "use.sock"), Mode: "0640", Group: strconv.Itoa(os.Getgid())}
	cfg := &config.Config{Use: use, Servers: []*config.Server{
		{Name: "s", Command: "x", OAuth: &config.OAuth{Enabled: true, GrantType: "client_credentials", TokenExpiryBuffer: 300}},
		{Name: "free", Command: "x"},
	}}
	a := &App{Log: slog.New(slog.DiscardHandler)}
	a.config.Store(cfg)
	a.engine = engine.New(t.Context(), memory, engine.Local{
		Store: memory, Lock: func(context.Context, string) (func(), error) { return func() {}, nil }, Fetch: fetch,
	}, &secrets.Resolver{}, a.Log)
	a.engine.Prepare(cfg).Commit()
	d := &door{failed: make(chan error, 1)}
	if err := a.openUse(cfg, d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.close(context.Background())
		a.engine.Close()
	})
	return use
}

// askUse makes a request as the test's own user.
func askUse(t *testing.T, use *config.Use, method, path string) (status int, body map[string]any) {
	t.Helper()
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", use.Socket) }
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_ = json.NewDecoder(resp.Body).Decode(&body) // some answers are no JSON
	return resp.StatusCode, body
}

// The socket answers one question, with the access token and what one must know of it.
func TestUseSocket(t *testing.T) {
	issued := time.Now().Add(-time.Minute).UTC()
	use := useSocket(t, func(context.Context, string, bool) (*oauth.Token, error) {
		return &oauth.Token{AccessToken: secrets.New("the-token"), RefreshToken: secrets.New("canary"), Scope: "read",
			ScopeGiven: true, Requested: issued, ExpiresIn: time.Hour}, nil
	})
	if info, err := os.Stat(use.Socket); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the socket: %v %v", info.Mode(), err)
	}
	status, body := askUse(t, use, "GET", "/use/s")
	if keys := slices.Sorted(maps.Keys(body)); status != 200 || !slices.Equal(keys, []string{"access_token", "expires_at", "issued_at", "scope"}) {
		t.Errorf("HTTP %d with %v", status, keys)
	}
	if body["access_token"] != "the-token" || body["expires_at"] != issued.Add(time.Hour).Format(time.RFC3339Nano) {
		t.Errorf("got %v", body)
	}
	for path, want := range map[string]int{"/use/free": 404, "/use/unknown": 403, "/": 404, "/api/status": 404, "/use/s/refresh": 404, "/metrics": 404} {
		if status, _ := askUse(t, use, "GET", path); status != want {
			t.Errorf("GET %s: HTTP %d, want %d", path, status, want)
		}
	}
	if status, _ := askUse(t, use, "POST", "/use/s"); status != 405 {
		t.Errorf("POST: HTTP %d", status)
	}
}

// What the daemon lacks is told in words for callers, and the caller may try again.
func TestUseWithoutAToken(t *testing.T) {
	use := useSocket(t, func(context.Context, string, bool) (*oauth.Token, error) {
		return nil, engine.Denied("a reason", "a remedy")
	})
	if status, body := askUse(t, use, "GET", "/use/s"); status != 502 || body["reason"] != "a reason" || body["remedy"] != "a remedy" {
		t.Errorf("HTTP %d: %v", status, body)
	}
	s := newService(use.Socket)
	_, err := s.fetch(t.Context(), "s", false)
	var failed *engine.Error
	if !errors.As(err, &failed) || failed.Reason != "a reason" || failed.RetryAfter == 0 {
		t.Errorf("got %v", err)
	}
}

// A token is asked for until another one comes than the last.
func TestFetchWaitsForANewerToken(t *testing.T) {
	n := 0
	use := useSocket(t, func(context.Context, string, bool) (*oauth.Token, error) {
		n++
		return &oauth.Token{AccessToken: secrets.New("token-" + strconv.Itoa(n)), ScopeGiven: true, Requested: time.Now(), ExpiresIn: time.Hour}, nil
	})
	s := newService(use.Socket)
	first, err := s.fetch(t.Context(), "s", false)
	if err != nil || first.ExpiresIn != time.Hour {
		t.Fatal(first, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), latePause/2)
	defer cancel()
	if again, err := s.fetch(ctx, "s", false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the same token was taken for a new one: %v %v", again, err)
	}
	if next, err := s.fetch(t.Context(), "s", true); err != nil || next.AccessToken.Equal(first.AccessToken) {
		t.Errorf("after a refusal: %v %v", next, err)
	}
}

func TestOthersFolder(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "new", "er")} {
		if othersFolder(path) || cannotMake(path) {
			t.Errorf("%s is taken for another user's", path)
		}
	}
	if os.Geteuid() != 0 {
		if !othersFolder("/") || !cannotMake("/no/such/folder") {
			t.Error("root's folder is taken for one's own")
		}
		return
	}
	if err := os.Chown(dir, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if !othersFolder(dir) {
		t.Error("another user's folder is taken for one's own")
	}
}

// Nothing is left of a server by which a token could be asked for.
func TestPassedHoldsNoSecret(t *testing.T) {
	s := &config.Server{Name: "s", MovedFrom: "old", OAuth: &config.OAuth{
		Enabled: true, GrantType: "refresh_token", ClientSecret: secrets.LiteralRef("a"), RefreshToken: secrets.LiteralRef("b"),
		AdditionalParams: map[string]secrets.Ref{"x": secrets.LiteralRef("c")}, CustomHeaders: map[string]secrets.Ref{"x": secrets.LiteralRef("d")},
		TokenExpiryBuffer: 300,
	}}
	o := passed(&config.Config{Servers: []*config.Server{s}}).Servers[0].OAuth
	if o.Rotating() || !o.ClientSecret.IsZero() || !o.RefreshToken.IsZero() || o.AdditionalParams != nil || o.CustomHeaders != nil || o.TokenExpiryBuffer != 150 {
		t.Errorf("got %+v", o)
	}
	if !s.OAuth.Rotating() || s.OAuth.ClientSecret.IsZero() || s.MovedFrom != "old" {
		t.Error("the configuration itself was changed")
	}
}
