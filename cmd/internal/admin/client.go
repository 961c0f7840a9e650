package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
)

// tokenLimit is how long a request waits for the first token of a grant without a person.
const tokenLimit = 30 * time.Second

// createClient makes a server.
func (a *API) createClient(w http.ResponseWriter, r *http.Request) {
	d, err := readClient(w, r, nil)
	if err != nil {
		fail(w, err)
		return
	}
	r.SetPathValue("id", d.server.Name) // for the audit log
	a.inTurn(w, r, d.server.Name, func(r *http.Request) (any, error) {
		old := a.Config().Server(d.server.Name)
		if err := a.mayCreate(r.Context(), d.server.Name, old); err != nil {
			return nil, err
		}
		return a.make(r.Context(), d, old)
	})
}

// mayCreate refuses a name that is taken, unless who has it gives way.
func (a *API) mayCreate(ctx context.Context, name string, old *config.Server) error {
	if old != nil && old.Made {
		if f, _, err := a.readFlow(ctx, name); err != nil || a.givesWay(old, f) {
			return err
		}
	}
	for _, s := range a.Config().Servers {
		switch {
		case !strings.EqualFold(s.Name, name):
		case !s.Made:
			return &notNow{fmt.Sprintf("server %q exists in a file that is written by hand, which the API leaves alone: edit that, "+
				"or choose another name", s.Name)}
		default:
			return &notNow{fmt.Sprintf("server %q exists: change it by PUT /api/mcp/client/%s, or DELETE it first", s.Name, s.Name)}
		}
	}
	return nil
}

// givesWay reports whether a server that the API made may be made anew: it has removed its OAuth configuration, and so the guide
// has one authorized anew; or it was killed before it had begun the sign-in or got the token.
func (a *API) givesWay(s *config.Server, f *flow) bool {
	if s.OAuth == nil {
		return f.Outcome == removed
	}
	source, err := a.Engine.Source(s.Name)
	if err != nil || f.Created.IsZero() || f.Outcome != "" && f.Outcome != removed {
		return false
	}
	st := source.Status()
	return !valid(st) && (f.Outcome == removed || st.State != engine.Revoked)
}

// changeClient changes a server that the API made.
func (a *API) changeClient(w http.ResponseWriter, r *http.Request) {
	if !whole(w, r) { // before the turn: a body that never ends would keep it
		return
	}
	a.change(w, r, func(r *http.Request, s *config.Server) (any, error) {
		d, err := readClient(w, r, s)
		if err != nil {
			return nil, err
		}
		if source, err := a.Engine.Source(s.Name); err == nil && d.server.OAuth == nil {
			return a.withoutOAuth(r, d, s, source)
		}
		return a.make(r.Context(), d, s)
	})
}

// withoutOAuth makes a change that removes the OAuth configuration: its tokens are revoked first, as when it is deleted.
func (a *API) withoutOAuth(r *http.Request, d *draft, s *config.Server, source *engine.Source) (any, error) {
	if err := a.acceptable(d.server); err != nil {
		return nil, err
	}
	answer, err := a.end(r, s.Name, source)
	if err != nil {
		return nil, err
	}
	if _, err := a.make(r.Context(), d, s); err != nil {
		return nil, fmt.Errorf("its tokens are revoked, but it could not be changed: %w", err)
	}
	answer.Message = "MCP client updated successfully"
	return answer, nil
}

// removeClient revokes the tokens of a server and removes it with its secrets.
func (a *API) removeClient(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, func(r *http.Request, s *config.Server) (any, error) {
		answer, revoked := success(""), ""
		if source, err := a.Engine.Source(s.Name); err == nil {
			if answer, err = a.end(r, s.Name, source); err != nil {
				return nil, err
			}
			revoked = "its tokens are revoked, but "
		}
		if _, err := a.Edit(r.Context(), s.Name, nil); err != nil {
			return nil, fmt.Errorf("%sit could not be removed: %w", revoked, edited(err, s.Name))
		}
		answer.Message = "MCP client removed successfully"
		ctx, cancel := undoing(r.Context()) // it is done: who asked may go
		defer cancel()
		return answer, errors.Join(a.dropOwn(ctx, s.Name, nil), a.Local.Delete(ctx, webKey(s.Name)))
	})
}

// change runs f for the server of a request, which must be one that the API may change.
func (a *API) change(w http.ResponseWriter, r *http.Request, f func(*http.Request, *config.Server) (any, error)) {
	s, err := a.server(r)
	if err != nil {
		fail(w, err)
		return
	}
	a.inTurn(w, r, s.Name, func(r *http.Request) (any, error) {
		s, err := a.server(r) // as it is now
		switch {
		case err != nil:
			return nil, err
		case a.Edit == nil:
			return nil, errNoDaemon
		case !s.Made:
			return nil, &notNow{fmt.Sprintf("server %q is in a file that is written by hand, which the API leaves alone: edit that; "+
				"POST /api/servers/%s/logout revokes its tokens", s.Name, s.Name)}
		}
		return f(r, s)
	})
}

// make puts a draft in force and gets it its token, or begins the sign-in. What fails leaves everything as it was; old is nil
// where nothing was there.
func (a *API) make(ctx context.Context, d *draft, old *config.Server) (answer any, err error) {
	name := d.server.Name
	if err := a.acceptable(d.server); err != nil {
		return nil, err
	}
	before, _, err := a.readFlow(ctx, name)
	if err != nil {
		return nil, err
	}
	restore, err := a.keepOwn(ctx, name, d.own)
	if err != nil {
		return nil, err
	}
	changed, done := false, false
	defer func() {
		if err != nil && !done {
			err = a.takeBack(ctx, err, name, old, changed, before, restore)
		}
	}()
	// Before the file, so that one which is there without a sign-in is known to be half made.
	if err := a.changeFlow(ctx, name, func(f *flow) error { f.madeInto(d.server, old); return nil }); err != nil {
		return nil, err
	}
	if _, err := a.Edit(ctx, name, d.server); err != nil {
		return nil, edited(err, name)
	}
	changed = true
	if len(d.own) > 0 {
		a.mended()
	}
	if answer, err = a.authorize(ctx, d.server, old); err != nil {
		return nil, err
	}
	done = true
	ctx, cancel := undoing(ctx) // what was dropped could not be put back
	defer cancel()
	return answer, a.dropOwn(ctx, name, d.server)
}

// takeBack puts back what was before a change that has failed with cause.
func (a *API) takeBack(ctx context.Context, cause error, name string, old *config.Server, changed bool, before *flow,
	restore undoer,
) error {
	ctx, cancel := undoing(ctx)
	defer cancel()
	var failed []error
	if changed {
		source, unknown := a.Engine.Source(name)
		if err := a.putBack(ctx, name, old); err != nil {
			return fmt.Errorf("%w; and the file of server %q could not be put back, so that it and its secrets are the new ones now: %w",
				cause, name, errors.Join(err, a.loseFlow(ctx, name)))
		}
		if unknown == nil && old == nil {
			failed = append(failed, source.EndLogin(ctx, ""))
		}
		if source, err := a.Engine.Source(name); err == nil {
			_ = source.Sync(ctx) // its token is still in the store; else its next use gets one
		}
	}
	failed = append(failed, restore(ctx))
	if old == nil {
		failed = append(failed, a.Local.Delete(ctx, webKey(name)))
	} else {
		failed = append(failed, a.changeFlow(ctx, name, func(f *flow) error { *f = *before; return nil }), a.loseFlow(ctx, name))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("%w; and what was there before could not be put back: %w", cause, err)
	}
	return cause
}

// putBack is Edit, which waits while somebody saves other files.
func (a *API) putBack(ctx context.Context, name string, old *config.Server) error {
	for {
		_, err := a.Edit(ctx, name, old)
		if !errors.Is(err, config.ErrDoubt) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

var errNoDaemon = &notNow{"no daemon runs: start it with `bearerd run`"}

// acceptable refuses what no file would hold, or what nobody could sign in to.
func (a *API) acceptable(s *config.Server) error {
	if a.Edit == nil {
		return errNoDaemon
	}
	s.AllowPrivate = a.Config().Admin.AllowPrivate
	if name, err := oauth.NewReach(s).CheckURLs(s); err != nil {
		return &fieldError{fieldNames[name], err.Error()}
	}
	o := s.OAuth
	switch {
	case o == nil:
	case !browsable(o.AuthorizationURL):
		return &fieldError{"oauth_config.authorize_url", "a browser cannot be sent there: it must be of ASCII characters, all else " +
			"percent-encoded, at most 2048 of them, with a query of name=value&…"}
	case o.RedirectURI != "" && o.RedirectURI != a.Redirect:
		return &fieldError{"oauth_config.redirect_uri", "it must be bearerd's own, or be left out: " + a.Redirect}
	case o.Delegated() && a.Redirect == "":
		return errNoRedirect
	}
	return nil
}

// browsable reports whether an address, as far as it is given, is one that the engine will add its query to.
func browsable(address string) bool {
	_, query, _ := strings.Cut(address, "?")
	_, err := url.ParseQuery(query)
	return err == nil && len(address) <= 2<<10 && !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' })
}

// authorize gets a server that is in force its token, where it needs one, or begins the sign-in.
func (a *API) authorize(ctx context.Context, s, old *config.Server) (any, error) {
	source, err := a.Engine.Source(s.Name)
	switch {
	case err != nil && old == nil:
		return success("MCP client created successfully"), nil
	case err != nil, valid(source.Status()):
		return success("MCP client updated successfully"), nil
	case s.OAuth.Delegated():
		return a.begin(ctx, s, source)
	}
	if err := firstToken(ctx, source); err != nil {
		return nil, err
	}
	err = a.changeFlow(ctx, s.Name, func(f *flow) error {
		*f = flow{Created: f.Created, Outcome: signedIn}
		return nil
	})
	id := configPrefix + s.Name
	return &Initiation{
		Status: "authorized", Message: "OAuth token acquired", OAuthConfigID: id, MCPClientID: s.Name,
		CompleteURL: completePath(s.Name), StatusURL: statusPath(id),
		NextSteps: []string{"1. POST complete_url to activate the MCP client"},
	}, err
}

// firstToken gets the token of a grant without a person. A grant that was revoked or has failed before is begun anew.
func firstToken(ctx context.Context, source *engine.Source) error {
	limited, cancel := context.WithTimeout(ctx, tokenLimit)
	defer cancel()
	failed := source.Status().State == engine.Failed
	_, err := source.Token(limited)
	if e := new(engine.Error); errors.As(err, &e) && (failed || e.State == engine.Revoked) {
		_, err = source.Refresh(limited)
	}
	if err == nil || limited.Err() == nil || ctx.Err() != nil {
		return worded(err)
	}
	st, text := source.Status(), fmt.Sprintf("no token came within %s", tokenLimit)
	if st.Remedy != "" {
		text += ": " + remedyOf(st.Server, st.Remedy)
	}
	return &theirs{fmt.Sprintf("server %q: %s", st.Server, text)}
}

// reauthorize begins a sign-in anew. The token that is held stays in service meanwhile.
func (a *API) reauthorize(w http.ResponseWriter, r *http.Request) {
	s, _, err := a.configured(r)
	if err != nil {
		fail(w, err)
		return
	}
	a.inTurn(w, r, s.Name, func(r *http.Request) (any, error) {
		s, source, err := a.configured(r) // as it is now
		switch {
		case err != nil:
			return nil, err
		case a.PID == 0:
			return nil, &notNow{fmt.Sprintf("no daemon runs that could take the answer: run `bearerd login %s`", s.Name)}
		case !s.OAuth.Delegated():
			return nil, fmt.Errorf("%w: its grant is %q; POST /api/servers/%s/refresh gets a token",
				engine.ErrNoLogin, s.OAuth.GrantType, s.Name)
		case s.OAuth.RedirectURI != "" && s.OAuth.RedirectURI != a.Redirect:
			return nil, &notNow{fmt.Sprintf("server %q has another redirect URI than this daemon's callback: run `bearerd login %s`",
				s.Name, s.Name)}
		}
		in, err := a.begin(r.Context(), s, source)
		if err != nil {
			ctx, cancel := undoing(r.Context())
			defer cancel()
			return nil, errors.Join(err, a.loseFlow(ctx, s.Name))
		}
		return in, nil
	})
}
