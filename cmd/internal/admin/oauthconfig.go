package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
)

// OAuthStatus is how the grant of a server is.
type OAuthStatus struct {
	ID           string     `json:"id"`                         // oauth_cfg.NAME
	Status       string     `json:"status"`                     // pending, authorized, failed, needs_reauth, expired, revoked
	Created      time.Time  `json:"created_at,omitzero"`        // of the server by the API, else of the token; absent: neither
	Expires      *time.Time `json:"expires_at,omitempty"`       // of the latest sign-in; absent: none was begun here
	TokenID      string     `json:"token_id,omitempty"`         // of a valid one, by its fingerprint
	TokenExpires *time.Time `json:"token_expires_at,omitempty"` // absent: no expiry was given
	TokenScopes  []string   `json:"token_scopes"`               // as granted
	Error        string     `json:"error,omitempty"`            // in words of ours
	Remedy       string     `json:"remedy,omitempty"`           //
}

// The states of a grant that are neither an engine.State nor an outcome.
const expired = "expired"

func (a *API) oauthStatus(w http.ResponseWriter, r *http.Request) {
	s, source, err := a.configured(r)
	if err != nil {
		fail(w, err)
		return
	}
	st, err := a.grant(r.Context(), s.Name, source)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, st)
}

// configured finds the server of a request and its source.
func (a *API) configured(r *http.Request) (*config.Server, *engine.Source, error) {
	s, err := a.server(r)
	if err != nil {
		return nil, nil, err
	}
	source, err := a.Engine.Source(s.Name)
	if err != nil {
		return nil, nil, &absent{fmt.Sprintf("server %q has no OAuth configuration", s.Name)}
	}
	return s, source, nil
}

// grant is how a grant is.
func (a *API) grant(ctx context.Context, name string, source *engine.Source) (*OAuthStatus, error) {
	f, _, err := a.readFlow(ctx, name)
	if err != nil {
		return nil, err
	}
	st := source.Status()
	g := &OAuthStatus{ID: configPrefix + name, Created: f.Created, TokenScopes: []string{}}
	if !f.Expires.IsZero() {
		until := f.Expires.UTC().Truncate(time.Second)
		g.Expires = &until
	}
	if g.Created.IsZero() && st.CreatedAt != nil {
		g.Created = *st.CreatedAt
	}
	g.Created = g.Created.UTC()
	if valid(st) {
		g.TokenID, g.TokenExpires, g.TokenScopes = "oauth_token."+st.Fingerprint, st.ExpiresAt, words(st.Scope)
	}
	g.Status = a.grantStatus(ctx, f, st, source)
	switch g.Status {
	case string(engine.Failed), string(engine.NeedsReauth), expired:
		g.Error, g.Remedy = reasonOf(f, st), remedyOf(name, st.Remedy)
	}
	switch {
	case g.Status == string(refused) && f.Outcome == refused:
		g.Remedy = f.Remedy
	case g.Status == string(refused) && f.open():
		g.Error, g.Remedy = "the sign-in was given up, for another one or because the settings were edited", "begin again: reauthorize"
	}
	return g, nil
}

// grantStatus is the word for it.
func (a *API) grantStatus(ctx context.Context, f *flow, st engine.Status, source *engine.Source) string {
	switch {
	case f.open() && !a.overtaken(ctx, f, st, source):
		if a.lost(ctx, f, st, source) && !valid(st) {
			return string(refused)
		}
		return string(waiting)
	case valid(st):
		return string(signedIn)
	case f.Outcome == refused && st.State != engine.Revoked:
		return string(refused)
	case f.Outcome == waiting:
		return expired
	}
	return string(st.State) // pending, needs_reauth, failed, revoked
}

// overtaken reports whether a sign-in that is open here was finished otherwise, as by `bearerd login`.
func (a *API) overtaken(ctx context.Context, f *flow, st engine.Status, source *engine.Source) bool {
	if !valid(st) || st.CreatedAt == nil || st.CreatedAt.Before(f.Began) {
		return false
	}
	at, _, waits := source.SigningIn(ctx)
	return !waits || at != a.Redirect
}

// lost reports whether no answer can finish a sign-in that is open here: its browser is at the provider, but another one has
// taken its place, or its settings were edited.
func (a *API) lost(ctx context.Context, f *flow, st engine.Status, source *engine.Source) bool {
	if len(f.Cookie) == 0 || st.SigningIn { // its address can still begin it; or its answer is being looked at
		return false
	}
	at, _, waits := source.SigningIn(ctx)
	return !waits || at != a.Redirect
}

// reasonOf says why a grant is of no use, in words of ours alone.
func reasonOf(f *flow, st engine.Status) string {
	switch {
	case f.Outcome == refused:
		return f.Reason
	case f.Outcome == waiting:
		return "nobody finished the sign-in in time"
	case st.State == engine.NeedsReauth:
		return "a person must sign in"
	}
	return "the latest attempt to get a token has failed"
}

// Success is the answer to a request that has nothing else to tell.
type Success struct {
	Status  string `json:"status"` // success
	Message string `json:"message"`
	Revoked *int   `json:"revoked_tokens,omitempty"` // that the provider was told of
	Told    string `json:"provider,omitempty"`       // what became of the tokens there
}

func success(message string) *Success { return &Success{Status: "success", Message: message} }

// removeOAuth revokes the tokens of a server and removes its OAuth configuration. The server stays.
func (a *API) removeOAuth(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, func(r *http.Request, s *config.Server) (any, error) {
		source, err := a.Engine.Source(s.Name)
		if err != nil {
			return nil, &absent{fmt.Sprintf("server %q has no OAuth configuration", s.Name)}
		}
		answer, err := a.end(r, s.Name, source)
		if err != nil {
			return nil, err
		}
		without := copyServer(s)
		without.OAuth = nil
		if _, err := a.Edit(r.Context(), s.Name, without); err != nil {
			return nil, fmt.Errorf("its tokens are revoked, but its OAuth configuration could not be removed: %w", edited(err, s.Name))
		}
		if answer.Message = "OAuth token revoked successfully"; *answer.Revoked == 0 {
			answer.Message = "OAuth configuration removed"
		}
		ctx, cancel := undoing(r.Context()) // it is done: who asked may go
		defer cancel()
		return answer, errors.Join(a.dropOwn(ctx, s.Name, without), a.changeFlow(ctx, s.Name, func(f *flow) error {
			f.madeInto(without, s)
			return nil
		}))
	})
}

// end revokes and forgets a grant, so that its server can be changed; with ?local=true its provider is not told.
func (a *API) end(r *http.Request, name string, source *engine.Source) (*Success, error) {
	if a.MayEdit != nil {
		if err := a.MayEdit(name); err != nil {
			return nil, edited(err, name)
		}
	}
	sent, left, err := source.Logout(r.Context(), r.URL.Query().Get("local") == "true")
	if err != nil {
		var e *engine.Error
		if errors.As(err, &e) && !errors.Is(err, secrets.ErrUnavailable) && !errors.Is(err, secrets.ErrDenied) {
			return nil, &theirs{fmt.Sprintf("server %q: its provider could not be told to revoke the tokens (%s): nothing was removed; "+
				"try again, or remove them here alone with ?local=true", name, e.Reason)}
		}
		return nil, err
	}
	a.closeFlow(r.Context(), name, source)
	answer := success("")
	answer.Revoked = &sent
	switch {
	case sent > 0:
		answer.Told = fmt.Sprintf("It was told of %d, and has taken them back.", sent)
	case left:
		answer.Told = "It was not told: the tokens are forgotten here, and it accepts them until they expire."
	default:
		answer.Told = "No token was held."
	}
	return answer, nil
}
