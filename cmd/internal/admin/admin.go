// Package admin answers the commands, the REST API and the page: one http.Handler over the engine and the store, reached
// over the daemon's unix socket or called in-process. Public is the part of it that listens on TCP, behind a key. It
// decides nothing about tokens.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets"
	"bearerd/secrets/vault"
)

// API is what the handlers work on.
type API struct {
	Config     func() *config.Config // the one in force
	Engine     *engine.Engine
	Store      secrets.Store
	Vault      *vault.Client                             // nil: no Vault is configured
	Outdated   func(context.Context) ([]Outdated, error) // what running children hold that has changed
	Troubled   func(context.Context) ([]Trouble, error)  // the children that do not serve their clients
	Keys       proxy.Keys
	Reload     func(ctx context.Context, why string) (config.Changes, error) // nil: no daemon
	LastReload func() Reload                                                 // nil: no daemon
	Registry   *prometheus.Registry
	Version    string
	PID        int // of the daemon; 0: none runs

	Local    secrets.Store                             // of this host: the admin key, sign-ins that are under way
	Edit     Edit                                      // nil: no daemon
	Redirect string                                    // where providers send browsers to; "": there is no place for them
	Upstream func(server string) (proxy.Outcome, bool) // nil: no proxy runs here
	Audit    *audit.Log                                // nil: nothing is written down
	Live     *Live                                     // nil: no daemon
	Mended   func()                                    // called when a secret has changed; nil: the engine alone is told
	CanMake  func() error                              // why the API cannot make servers; nil: it can where Edit can
	MayEdit  func(name string) error                   // why Edit would fail now, asked before tokens are revoked; nil: Edit tells

	Key        secrets.Secret                                // the admin key; zero: none opens anything
	MetricsKey func(context.Context) (secrets.Secret, error) // nil: metrics_key is not set
	Log        *slog.Logger                                  // nil: nobody is told

	turns     turns
	sessions  sessions
	brake     brake
	scrapes   metricsKey
	refused   quota // lines of the audit log for requests that were not let in
	visited   quota // those for visitors
	unwritten quota // of the log, for lines that could not be written

	unreadable quota // of the log, for readings of the metrics key
}

// Edit writes the file of a server that the API makes, or removes it if s is nil, and puts that in force. An error has left
// everything as it was.
type Edit func(ctx context.Context, name string, s *config.Server) (config.Changes, error)

// mended tells whoever holds the values of secrets that one has changed.
func (a *API) mended() {
	if a.Mended != nil {
		a.Mended()
		return
	}
	a.Engine.Mended()
}

// prometheus shows the metrics.
func (a *API) prometheus() http.HandlerFunc {
	return promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}).ServeHTTP
}

func alive(w http.ResponseWriter, _ *http.Request) { word(w, http.StatusOK, "alive") }

func word(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// ready is 200 while every server with an enabled oauth_config has a valid token. While Vault or the store does not do
// its part the word is degraded: what is held is served until it expires.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) {
	text := "ready"
	if a.Vault != nil && !a.Vault.Status().Up {
		text = "degraded"
	}
	for _, s := range a.Engine.Sources() {
		st := s.Status()
		if st.Status != "valid" && st.Status != "expiring" {
			word(w, http.StatusServiceUnavailable, "waiting")
			return
		}
		if st.Store != "" || st.Uncommitted {
			text = "degraded"
		}
	}
	word(w, http.StatusOK, text)
}

// on finds the source that the path names for h, or answers 404.
func (a *API) on(h func(http.ResponseWriter, *http.Request, *engine.Source)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := a.find(r.PathValue("name"))
		if err != nil {
			fail(w, err)
			return
		}
		h(w, r, s)
	}
}

// find says of a server without a source whether it is not there or gets no token.
func (a *API) find(name string) (*engine.Source, error) {
	s, err := a.Engine.Source(name)
	if err == nil {
		return s, nil
	}
	if a.Config().Server(name) != nil {
		return nil, &absent{fmt.Sprintf("server %q gets no token: it has no oauth_config that is enabled", name)}
	}
	return nil, a.unknown(name)
}

// unknown is the error for a name that the configuration in force does not have.
func (a *API) unknown(name string) error {
	var names []string
	for _, s := range a.Config().Servers {
		names = append(names, s.Name)
	}
	return &absent{fmt.Sprintf("server %q is not in the configuration, which has: %s", name, strings.Join(names, ", "))}
}

// Token is the answer that carries a token in clear, for `token --show` and `token --header`.
type Token struct {
	Authorization string         `json:"authorization"`
	AccessToken   string         `json:"access_token"`
	Info          *engine.Status `json:"info"`
}

func (a *API) token(w http.ResponseWriter, r *http.Request) {
	var t *engine.Token
	s, err := a.present(r, func(s *engine.Source) (err error) {
		t, err = s.Token(r.Context())
		return err
	})
	if err != nil {
		fail(w, err)
		return
	}
	st := s.Status()
	answer := Token{Info: &st}
	if r.URL.Query().Get("show") == "true" {
		answer.AccessToken = t.Access().Reveal()
		answer.Authorization, _, err = t.Headers(http.MethodGet, "")
		if err != nil {
			fail(w, err)
			return
		}
	}
	reply(w, answer)
}

func (a *API) refresh(w http.ResponseWriter, r *http.Request) {
	s, err := a.present(r, func(s *engine.Source) error {
		_, err := s.Refresh(r.Context())
		return err
	})
	if err != nil {
		if s != nil && slices.Contains([]string{"valid", "expiring"}, s.Status().Status) {
			err = fmt.Errorf("%w; the present token stays in service", err)
		}
		fail(w, err)
		return
	}
	reply(w, s.Status())
}

// present has do ask the source that the path names, as it is configured by the time that there is an answer.
func (a *API) present(r *http.Request, do func(*engine.Source) error) (*engine.Source, error) {
	return OnSource(r.Context(), func() (*engine.Source, error) { return a.find(r.PathValue("name")) }, do)
}

func (a *API) invalidate(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	if err := s.Invalidate(r.Context()); err != nil {
		fail(w, err)
		return
	}
	reply(w, s.Status())
}

// Revoked is the answer to a revocation.
type Revoked struct {
	engine.Status
	Sent int    `json:"revoked_tokens"` // that the provider was told of
	Left bool   `json:"left,omitempty"` // tokens were forgotten that the provider was not told of
	Next string `json:"next"`           // how to get a token again
}

// next says how to get a token again after a revocation: that of a refresh token has ended its chain.
func (a *API) next(name string, sent int) string {
	again := fmt.Sprintf("`bearerd refresh %s`", name)
	s := a.Config().Server(name) // nil: it was removed just now
	switch {
	case s == nil || s.OAuth == nil || !s.OAuth.Rotating():
		return again + " gets a new one"
	case s.OAuth.Delegated():
		return fmt.Sprintf("`bearerd login %s` signs in again", name)
	case sent == 0:
		return "unless the one that OAUTH_REFRESH_TOKEN refers to is unused, put a new one there; then run " + again
	}
	return name + " needs a new refresh token now: put it where OAUTH_REFRESH_TOKEN refers to, then run " + again
}

func (a *API) revoke(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	name := r.PathValue("name")
	sent, err := s.Revoke(r.Context())
	if errors.Is(err, engine.ErrNoRevocation) { // it was dropped all the same
		a.closeFlow(r.Context(), name, s)
		err = fmt.Errorf("%w; %s", err, a.next(name, 1))
	}
	if err != nil {
		fail(w, err)
		return
	}
	a.closeFlow(r.Context(), name, s)
	reply(w, Revoked{Status: s.Status(), Sent: sent, Next: a.next(name, sent)})
}

// Key is a local key and where it opens a server.
type Key struct {
	Address string `json:"address"`
	URL     string `json:"url"`
	Key     string `json:"key"`
}

// CheckClient is an error for a name that no local key can be for.
func CheckClient(name string) error {
	if !clientName.MatchString(name) {
		return &badInput{"the client's name must be of letters, digits, _ and -, at most 32"}
	}
	return nil
}

var clientName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

func (a *API) key(w http.ResponseWriter, r *http.Request) {
	cfg, client := a.Config(), r.PathValue("client")
	server := cfg.Server(r.PathValue("name"))
	if server == nil {
		fail(w, a.unknown(r.PathValue("name")))
		return
	}
	if err := CheckClient(client); err != nil {
		fail(w, err)
		return
	}
	address, url := proxy.Local(cfg, server)
	reply(w, Key{Address: address, URL: url, Key: a.Keys.Issue(server.Name, client).Reveal()})
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request) {
	sources := a.Engine.Sources()
	if name := r.URL.Query().Get("server"); name != "" {
		s, err := a.find(name)
		if err != nil {
			fail(w, err)
			return
		}
		sources = []*engine.Source{s}
	}
	reply(w, engine.Measure(sources...))
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}
