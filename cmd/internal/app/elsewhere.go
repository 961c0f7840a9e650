package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// The daemon renews a token before whoever uses it asks for the next one; where it is late, it is asked again.
const (
	latePause = time.Second
	lateTries = 15
	useLimit  = time.Minute // of one request: the daemon may have to get a token first
)

// openToExec opens the state folder of cfg or, where that is another user's, asks that user's daemon for access tokens and
// opens nothing.
func openToExec(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*App, error) {
	others := othersFolder(cfg.Store.Path)
	switch {
	case cfg.Use != nil && (others || cannotMake(cfg.Store.Path)):
		return openElsewhere(ctx, cfg, log, version), nil
	case others:
		return nil, fmt.Errorf("the state folder %s is another user's: name one of your own in store \"file\", or let that user's "+
			"configuration pass tokens on, with a use block and allow_users", cfg.Store.Path)
	}
	return Open(ctx, cfg, log, version)
}

// openElsewhere makes an app whose tokens come from the daemon at the use socket. Nothing of it is kept.
func openElsewhere(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) *App {
	memory := newMemory()
	a := &App{
		Log: log, Version: version, local: memory, store: memory, elsewhere: true,
		resolve: &secrets.Resolver{
			Store: othersStore{},
			Vault: func(context.Context, string, string) (string, error) { return "", errNotPassedOn },
		},
	}
	a.config.Store(cfg)
	service := newService(cfg.Use.Socket)
	a.engine = engine.New(ctx, memory, engine.Local{
		Store: memory, Lock: func(context.Context, string) (func(), error) { return func() {}, nil }, Fetch: service.fetch,
	}, a.resolve, log)
	a.engine.Prepare(passed(cfg)).Commit()
	return a
}

// othersFolder reports whether a state folder belongs to another user, as far as it can be seen.
func othersFolder(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	_, other := disk.Foreign(info)
	return other
}

// cannotMake reports whether a state folder is not there yet and is not the caller's to make.
func cannotMake(dir string) bool {
	_, err := os.Stat(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	for err != nil && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		_, err = os.Stat(dir)
	}
	return !disk.Writable(dir)
}

// passed is cfg for tokens that come from the daemon: nothing is left by which one could be asked for elsewhere, and none is
// taken for stale before the daemon has had time to renew it.
func passed(cfg *config.Config) *config.Config {
	c := *cfg
	c.Servers = nil
	for _, s := range cfg.Servers {
		copied := *s
		copied.MovedFrom = ""
		if s.OAuth != nil {
			o := *s.OAuth
			o.GrantType, o.TokenExpiryBuffer = "client_credentials", o.TokenExpiryBuffer/2
			o.ClientSecret, o.RefreshToken, o.PrivateKeyPath = secrets.Ref{}, secrets.Ref{}, secrets.Ref{}
			o.AdditionalParams, o.CustomHeaders, o.AuthorizationParams = nil, nil, nil
			copied.OAuth = &o
		}
		c.Servers = append(c.Servers, &copied)
	}
	return &c
}

// errNotPassedOn is the error of a reference into the daemon's own stores.
var errNotPassedOn = errors.New("it is kept by another user's bearerd, which passes on access tokens alone: use env(…) or file(…)")

// othersStore is the store that this process may not open.
type othersStore struct{ secrets.Store }

func (othersStore) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", errNotPassedOn
}

// service is another user's daemon, as far as it passes tokens on. One fetch at a time uses it.
type service struct {
	socket string
	client *http.Client
	last   secrets.Secret // the token that it gave
}

func newService(socket string) *service {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket)
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true} // it is asked once in a token's life
	return &service{socket: socket, client: &http.Client{Transport: transport, Timeout: useLimit}}
}

// fetch is an engine.Fetch.
func (s *service) fetch(ctx context.Context, server string, refused bool) (*oauth.Token, error) {
	query := ""
	if refused {
		query = s.last.Fingerprint()
	}
	for range lateTries {
		t, err := s.ask(ctx, server, query)
		if err != nil {
			return nil, err
		}
		if !t.AccessToken.Equal(s.last) {
			s.last = t.AccessToken
			return t, nil
		}
		select {
		case <-time.After(latePause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, &engine.Error{Reason: "the bearerd service has no newer token yet", Remedy: "`bearerd status` of its user says why"}
}

// ask makes one request. refused is the fingerprint of the token that upstream did not accept; "": none.
func (s *service) ask(ctx context.Context, server, refused string) (*oauth.Token, error) {
	address := "http://bearerd/use/" + url.PathEscape(server)
	if refused != "" {
		address += "?refused=" + refused
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, s.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := json.NewDecoder(io.LimitReader(resp.Body, 2*secrets.MaxValue))
	if resp.StatusCode != http.StatusOK {
		return nil, refusedBy(resp, body)
	}
	var p passedOn
	if err := body.Decode(&p); err != nil || p.AccessToken == "" || !oauth.Deliverable(p.AccessToken) {
		return nil, &engine.Error{Reason: "the bearerd service gave an answer that cannot be read", Remedy: "compare `bearerd version` with the service's"}
	}
	t := &oauth.Token{AccessToken: secrets.New(p.AccessToken), Scope: p.Scope, ScopeGiven: true, Requested: p.IssuedAt}
	if !p.ExpiresAt.IsZero() {
		t.ExpiresIn = p.ExpiresAt.Sub(p.IssuedAt)
	}
	return t, nil
}

func (s *service) unreachable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return engine.Denied("the socket "+s.socket+" of the bearerd service does not let this user in",
			"see mode and group of its use block, and the folder of the socket")
	}
	return &engine.Error{
		Reason: "the bearerd service does not answer at " + s.socket, Remedy: "start it, or see its log",
		Err: fmt.Errorf("asking the bearerd service: %w", errors.Unwrap(err)), // without the address, which says nothing
	}
}

// refusedBy is the error in an answer. Asking again helps if the service itself lacks a token.
func refusedBy(resp *http.Response, body *json.Decoder) error {
	var no refusal
	if body.Decode(&no) != nil || no.Reason == "" {
		no = refusal{"the bearerd service answered HTTP " + strconv.Itoa(resp.StatusCode), "compare `bearerd version` with the service's"}
	}
	if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusNotFound {
		return engine.Denied(no.Reason, no.Remedy)
	}
	wait, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0: none
	return &engine.Error{Reason: no.Reason, Remedy: no.Remedy, RetryAfter: min(time.Duration(wait)*time.Second, time.Minute)}
}
