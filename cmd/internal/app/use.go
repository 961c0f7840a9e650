package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/peer"
	"bearerd/inject/proxy"
)

// passedOn is all that another user of this host is told of a token.
type passedOn struct {
	AccessToken string    `json:"access_token"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"` // absent: it has no expiry
	Scope       string    `json:"scope"`
	IssuedAt    time.Time `json:"issued_at"`
}

// refusal is the answer when there is no token to pass on.
type refusal struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// openUse opens the socket for other users, if there is one.
func (a *App) openUse(cfg *config.Config, d *door) error {
	if cfg.Use == nil {
		return nil
	}
	if !peer.Told {
		return errors.New("use: this system does not tell who connects to a socket: remove the use block")
	}
	l, err := proxy.ListenUnix(cfg.Use.Socket)
	if err != nil {
		return fmt.Errorf("use: %w", err)
	}
	if err := letIn(cfg.Use); err != nil {
		_ = l.Close()
		return fmt.Errorf("use: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /use/{name}", a.passOn)
	d.serve(l, mux, a.Log, withCaller)
	a.Log.Info("listening", "address", cfg.Use.Socket, "serves", "access tokens to the users that servers allow")
	return nil
}

// letIn gives a socket that only its owner may use its group and mode.
func letIn(use *config.Use) error {
	if use.Group != "" {
		gid, ok := peer.GroupID(use.Group)
		if !ok {
			return fmt.Errorf("there is no group %q: create it, or name another one in group", use.Group)
		}
		if err := os.Chown(use.Socket, -1, gid); err != nil {
			return fmt.Errorf("giving the socket to the group %q: %w: make bearerd's user a member (in a systemd unit: SupplementaryGroups=)",
				use.Group, err)
		}
	}
	mode, err := strconv.ParseUint(use.Mode, 8, 32)
	if err != nil {
		return fmt.Errorf("mode: %w", err) // the loader has checked it
	}
	return os.Chmod(use.Socket, os.FileMode(mode))
}

type callerKey struct{}

func withCaller(ctx context.Context, conn net.Conn) context.Context {
	u, _ := peer.Of(conn) // who is not known gets nothing
	return context.WithValue(ctx, callerKey{}, u)
}

// callerOf is the user at the other end of a connection; nil: not known.
func callerOf(ctx context.Context) *peer.User {
	u, _ := ctx.Value(callerKey{}).(*peer.User)
	return u
}

// may reports whether a user may have the token of s: the daemon's own may, and who is listed. s is nil for a server that
// is not there.
func may(u *peer.User, s *config.Server) bool {
	switch {
	case u == nil || s == nil:
		return false
	case u.UID == os.Geteuid():
		return true
	case slices.ContainsFunc(s.AllowUsers, func(name string) bool { uid, ok := peer.UserID(name); return ok && uid == u.UID }):
		return true
	case len(s.AllowGroups) == 0:
		return false
	}
	groups := u.Groups()
	return slices.ContainsFunc(s.AllowGroups, func(name string) bool { gid, ok := peer.GroupID(name); return ok && slices.Contains(groups, gid) })
}

// Strangers are the users and groups that s lets have its token and that this host does not know.
func Strangers(s *config.Server) (users, groups []string) {
	unknown := func(names []string, find func(string) (int, bool)) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := find(name); return ok })
	}
	return unknown(s.AllowUsers, peer.UserID), unknown(s.AllowGroups, peer.GroupID)
}

// passOn hands the access token of a server to a user who may have it. A server that is not there is refused in the same
// words as one that is not for this user.
func (a *App) passOn(w http.ResponseWriter, r *http.Request) {
	u, name := callerOf(r.Context()), r.PathValue("name")
	cfg := a.config.Load()
	s := cfg.Server(name)
	if !may(u, s) {
		who := u.Name()
		if s != nil {
			a.Log.Warn("a user may not have the token", "server", s.Name, "user", who, "uid", u.Number())
		}
		answerUse(w, http.StatusForbidden, refusal{
			fmt.Sprintf("the bearerd service does not pass the token of server %q on to user %s", name, who),
			fmt.Sprintf("write allow_users = [%q], or allow_groups with a group of the user, into its block of the service's configuration", who),
		})
		return
	}
	source, t, err := a.current(r, name)
	var failed *engine.Error
	switch {
	case !a.inForce(cfg, name, source): // what was asked of the settings before says nothing about the token of these
		answerUse(w, http.StatusServiceUnavailable, refusal{"the service has just been given other settings", "try again"})
	case err == nil:
		a.record.given("uid "+u.Number(), s.Name, t)
		a.Log.Info("a user got the token", "server", s.Name, "user", u.Name(), "uid", u.Number())
		answerUse(w, http.StatusOK, passedOn{t.Access().Reveal(), t.Expires, t.Scope, t.Issued})
	case errors.Is(err, engine.ErrUnknown):
		answerUse(w, http.StatusNotFound, refusal{"the server has no token in the service's configuration", "compare it with yours"})
	case errors.As(err, &failed): // its reason and remedy are fit for any caller
		w.Header().Set("Retry-After", strconv.Itoa(int(failed.RetryAfter.Seconds())))
		answerUse(w, http.StatusBadGateway, refusal{failed.Reason, failed.Remedy})
	default:
		answerUse(w, http.StatusServiceUnavailable, refusal{"the service has just been given other settings", "try again"})
	}
}

// current is the token of a server. A caller to whom it was refused upstream names its fingerprint, and gets another one.
func (a *App) current(r *http.Request, name string) (*engine.Source, *engine.Token, error) {
	source, err := a.engine.Source(name)
	if err != nil {
		return nil, nil, err
	}
	t, err := source.Token(r.Context())
	if refused := r.URL.Query().Get("refused"); err == nil && refused != "" && refused == t.Access().Fingerprint() {
		t, _, err = source.Challenged(r.Context(), t, http.StatusUnauthorized, nil)
	}
	return source, t, err
}

// inForce reports whether a configuration and a source are those of this moment, between two reloads.
func (a *App) inForce(cfg *config.Config, name string, source *engine.Source) bool {
	if a.reload != nil {
		a.reload.mu.Lock()
		defer a.reload.mu.Unlock()
	}
	now, _ := a.engine.Source(name) // nil, as source is then
	return a.config.Load() == cfg && now == source
}

func answerUse(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
