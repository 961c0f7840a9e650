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
	a.inTurn(w, d.server.Name, func() (any, error) {
		old := a.Config().Server(d.server.Name)
		if err := a.mayCreate(r.Context(), d.server.Name, old); err != nil {
			return nil, err
		}
		return a.make(r.Context(), d, old)
	})
}

// mayCreate refuses a name that is taken. A server that the API made, and whose OAuth configuration it has removed, gives way:
// so the guide has one authorized anew.
func (a *API) mayCreate(ctx context.Context, name string, old *config.Server) error {
	if old != nil && old.Made && old.OAuth == nil {
		if f, _, err := a.readFlow(ctx, name); err != nil || f.Outcome == removed {
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

// changeClient changes a server that the API made.
func (a *API) changeClient(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, func(ctx context.Context, s *config.Server) (any, error) {
		d, err := readClient(w, r, s)
		if err != nil {
			return nil, err
		}
		return a.make(ctx, d, s)
	})
}

// removeClient revokes the tokens of a server and removes it with its secrets.
func (a *API) removeClient(w http.ResponseWriter, r *http.Request) {
	a.change(w, r, func(ctx context.Context, s *config.Server) (any, error) {
		answer := success("")
		if source, err := a.Engine.Source(s.Name); err == nil {
			if answer, err = a.end(r, s.Name, source); err != nil {
				return nil, err
			}
		}
		if _, err := a.Edit(ctx, s.Name, nil); err != nil {
			return nil, edited(err, s.Name)
		}
		answer.Message = "MCP client removed successfully"
		return answer, errors.Join(a.dropOwn(ctx, s.Name, nil), a.Local.Delete(ctx, webKey(s.Name)))
	})
}

// change runs f for the server of a request, which must be one that the API may change.
func (a *API) change(w http.ResponseWriter, r *http.Request, f func(context.Context, *config.Server) (any, error)) {
	s, err := a.server(r)
	if err != nil {
		fail(w, err)
		return
	}
	a.inTurn(w, s.Name, func() (any, error) {
		s, err := a.server(r) // as it is now
		switch {
		case err != nil:
			return nil, err
		case !s.Made:
			return nil, &notNow{fmt.Sprintf("server %q is in a file that is written by hand, which the API leaves alone: edit that; "+
				"POST /api/servers/%s/logout revokes its tokens", s.Name, s.Name)}
		}
		return f(r.Context(), s)
	})
}

// inTurn answers with what f gives, unless another change of that server is under way: whoever comes second knows nothing of
// what the first does.
func (a *API) inTurn(w http.ResponseWriter, server string, f func() (any, error)) {
	key := strings.ToLower(server)
	if _, taken := a.changing.LoadOrStore(key, true); taken {
		fail(w, &notNow{fmt.Sprintf("another change of server %q is under way: try again in a moment", server)})
		return
	}
	defer a.changing.Delete(key)
	answer, err := f()
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, answer)
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
	changed := false
	defer func() {
		if err != nil {
			err = a.takeBack(ctx, err, name, old, changed, before, restore)
		}
	}()
	if _, err := a.Edit(ctx, name, d.server); err != nil {
		return nil, edited(err, name)
	}
	changed = true
	if len(d.own) > 0 {
		a.mended()
	}
	if err := a.changeFlow(ctx, name, func(f *flow) error { f.madeInto(d.server, old); return nil }); err != nil {
		return nil, err
	}
	if answer, err = a.authorize(ctx, d.server, old); err != nil {
		return nil, err
	}
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
		if source, err := a.Engine.Source(name); err == nil && old == nil {
			failed = append(failed, source.EndLogin(ctx, ""))
		}
		_, err := a.Edit(ctx, name, old)
		failed = append(failed, err)
		if source, err := a.Engine.Source(name); err == nil {
			_ = source.Sync(ctx) // its token is still in the store; else its next use gets one
		}
	}
	failed = append(failed, restore(ctx))
	if old == nil {
		failed = append(failed, a.Local.Delete(ctx, webKey(name)))
	} else {
		failed = append(failed, a.changeFlow(ctx, name, func(f *flow) error { *f = *before; return nil }))
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("%w; and what was there before could not be put back: %w", cause, err)
	}
	return cause
}

// acceptable refuses what no file would hold, or what nobody could sign in to.
func (a *API) acceptable(s *config.Server) error {
	if a.Edit == nil {
		return &notNow{"no daemon runs: start it with `bearerd run`"}
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

// firstToken gets the token of a grant without a person. A grant that was revoked before is begun anew.
func firstToken(ctx context.Context, source *engine.Source) error {
	limited, cancel := context.WithTimeout(ctx, tokenLimit)
	defer cancel()
	_, err := source.Token(limited)
	if e := new(engine.Error); errors.As(err, &e) && e.State == engine.Revoked {
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
	a.inTurn(w, s.Name, func() (any, error) {
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
		return a.begin(r.Context(), s, source)
	})
}
