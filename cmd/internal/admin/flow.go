package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
)

// outcome is what has become of a sign-in that was begun over the API.
type outcome string

const (
	waiting   outcome = "pending"
	signedIn  outcome = "authorized" // or the token of a grant without a person is there
	refused   outcome = "failed"
	completed outcome = "completed" // and the server was called with the token
	removed   outcome = "removed"   // with the OAuth configuration
)

// flow is what is kept of a server and of its latest sign-in, under web/NAME in the sealed store of this host. What a browser
// proves itself with is kept as a hash alone.
type flow struct {
	Created time.Time `json:"created_at,omitzero"` // when the API made the server
	Began   time.Time `json:"began_at,omitzero"`
	Expires time.Time `json:"expires_at,omitzero"`
	Ticket  []byte    `json:"ticket,omitempty"` // SHA-256 of that of the start address
	Cookie  []byte    `json:"cookie,omitempty"` // SHA-256 of the browser's; empty: the address was not visited yet
	Outcome outcome   `json:"outcome,omitempty"`
	Reason  string    `json:"reason,omitempty"` // in words of ours
	Remedy  string    `json:"remedy,omitempty"`
}

func webKey(server string) string { return "web/" + server }

// open reports whether the sign-in can still be finished.
func (f *flow) open() bool { return f.Outcome == waiting && time.Now().Before(f.Expires) }

// madeInto notes that the API has changed a server; old is nil where there was none.
func (f *flow) madeInto(s, old *config.Server) {
	switch {
	case old == nil || f.Created.IsZero():
		*f = flow{Created: time.Now()}
	case s.OAuth == nil && old.OAuth != nil:
		*f = flow{Created: f.Created, Outcome: removed}
	}
}

// readFlow gives an empty flow where nothing is kept.
func (a *API) readFlow(ctx context.Context, server string) (f *flow, rev secrets.Revision, err error) {
	b, rev, err := a.Local.Get(ctx, webKey(server))
	if errors.Is(err, secrets.ErrNotFound) {
		return &flow{}, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the sign-in of %q: %w", server, err)
	}
	f = &flow{}
	if json.Unmarshal(b, f) != nil {
		return &flow{}, rev, nil
	}
	return f, rev, nil
}

// errUnchanged is what a change returns that is not to be kept.
var errUnchanged = errors.New("nothing to keep")

// changeFlow keeps what change makes of a flow. change may be called again, when another has changed it meanwhile.
func (a *API) changeFlow(ctx context.Context, server string, change func(*flow) error) error {
	for {
		f, rev, err := a.readFlow(ctx, server)
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		b, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err = a.Local.Put(ctx, webKey(server), b, rev); !errors.Is(err, secrets.ErrConflict) {
			return err
		}
	}
}

// closeFlow closes a sign-in that is open: the token was revoked on purpose, and whoever has a link to sign in knows nothing of
// that. Where it fails the link works until it expires.
func (a *API) closeFlow(ctx context.Context, server string, source *engine.Source) {
	ctx, cancel := undoing(ctx)
	defer cancel()
	err := a.changeFlow(ctx, server, func(f *flow) error {
		if !f.open() {
			return errUnchanged
		}
		*f = flow{Created: f.Created}
		return nil
	})
	if err == nil {
		_ = source.EndLogin(ctx, a.Redirect)
	}
}

// loseFlow marks a sign-in as failed that is open here and waits nowhere any more: what took its place has failed.
func (a *API) loseFlow(ctx context.Context, server string) error {
	err := a.changeFlow(ctx, server, func(f *flow) error {
		if source, err := a.Engine.Source(server); err == nil {
			if at, _, waits := source.SigningIn(ctx); waits && at == a.Redirect {
				return errUnchanged
			}
		}
		if !f.open() {
			return errUnchanged
		}
		f.Outcome, f.Ticket = refused, nil
		f.Reason, f.Remedy = "it was given up for a change that has failed", remedyOf(server, "run `bearerd login "+server+"`")
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// begin begins a sign-in at our callback, in the place of one that was begun before. That one is given up first: the engine
// would go on with it, as it was begun with the settings of then.
func (a *API) begin(ctx context.Context, s *config.Server, source *engine.Source) (*Initiation, error) {
	if a.Redirect == "" {
		return nil, errNoRedirect
	}
	if err := source.EndLogin(ctx, a.Redirect); err != nil {
		return nil, err
	}
	l, err := source.BeginLogin(ctx, a.Redirect, false)
	if err != nil {
		return nil, beginFailed(err, s)
	}
	ticket := random()
	err = a.changeFlow(ctx, s.Name, func(f *flow) error {
		*f = flow{Created: f.Created, Began: time.Now(), Expires: l.Expires, Ticket: hash(ticket), Outcome: waiting}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.initiation(s.Name, ticket, l.Expires), nil
}

var errNoRedirect = &notNow{"there is no address for a browser to come back to: " +
	`write admin {} into the configuration (or admin { public_url = "https://…" }) and restart bearerd`}

// beginFailed tells what the caller can mend from what the provider does not do.
func beginFailed(err error, s *config.Server) error {
	var e *engine.Error
	if errors.As(err, &e) && errors.Is(err, engine.ErrNoRegistration) {
		return &fieldError{"oauth_config.client_id", "client_id is required: the authorization server registers no clients by itself; " +
			remedyOf(s.Name, e.Remedy)}
	}
	return worded(err)
}

// initiation is the answer to a sign-in that has begun.
func (a *API) initiation(name, ticket string, expires time.Time) *Initiation {
	id := configPrefix + name
	return &Initiation{
		Status: "pending_oauth", Message: "OAuth authorization required", OAuthConfigID: id, MCPClientID: name,
		AuthorizeURL: originOf(a.Redirect) + startPath + name + "." + ticket, Expires: expires.UTC().Truncate(time.Second),
		CompleteURL: completePath(name), StatusURL: statusPath(id),
		NextSteps: []string{
			"1. Open authorize_url in a browser to approve access",
			"2. Poll status_url to check when status becomes 'authorized'",
			"3. POST complete_url to activate the MCP client",
		},
	}
}

// Initiation is the answer to a request after which a server gets its token.
type Initiation struct {
	Status        string    `json:"status"` // pending_oauth, authorized
	Message       string    `json:"message"`
	OAuthConfigID string    `json:"oauth_config_id"`
	MCPClientID   string    `json:"mcp_client_id"`
	AuthorizeURL  string    `json:"authorize_url,omitempty"` // absent: no person is needed
	Expires       time.Time `json:"expires_at,omitzero"`     // of authorize_url
	CompleteURL   string    `json:"complete_url"`
	StatusURL     string    `json:"status_url"`
	NextSteps     []string  `json:"next_steps"`
}

func completePath(name string) string { return "/api/mcp/client/" + name + "/complete-oauth" }

func statusPath(id string) string { return "/api/oauth/config/" + id + "/status" }

// originOf is SCHEME://HOST of a URL of ours.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// random is what nobody guesses: 256 bits.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hash(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// proves reports whether value is what a hash was made of.
func proves(value string, of []byte) bool { return subtle.ConstantTimeCompare(hash(value), of) == 1 }

// failedBecause is what a flow keeps of an error: nothing that a provider wrote.
func failedBecause(server string, err error) (reason, remedy string) {
	reason, remedy = "the sign-in could not be finished", "run `bearerd login "+server+"`"
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		return reasonAndRemedy(e)
	case errors.Is(err, engine.ErrGone):
		reason = "the settings of the server were changed meanwhile"
	}
	return reason, remedyOf(server, remedy)
}
