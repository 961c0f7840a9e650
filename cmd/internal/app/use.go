package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bearerd/config"
	"bearerd/engine"
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
	if !tellsPeers {
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
		gid, ok := groupID(use.Group)
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

// caller is the user at the other end of a connection, as the kernel tells it.
type caller struct {
	uid, gid int // of the process that has connected
	err      error
}

type callerKey struct{}

func withCaller(ctx context.Context, conn net.Conn) context.Context {
	c := caller{err: errors.New("no unix socket")}
	if s, ok := conn.(syscall.Conn); ok {
		raw, err := s.SyscallConn()
		if err == nil {
			c.err = raw.Control(func(fd uintptr) { c.uid, c.gid, err = peerOf(int(fd)) })
		}
		if err != nil {
			c.err = err
		}
		if c.err == nil && nobody(c.uid) {
			c.err = errors.New("the user cannot be told from others in this user namespace")
		}
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// nobody reports whether a uid is the one that the kernel shows for every user whom this user namespace does not have.
func nobody(uid int) bool {
	const usual = 65534
	b, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil {
		return uid == usual
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return uid == usual || err == nil && uid == n
}

// name is for people: the user's name, else its number.
func (c caller) name() string {
	if c.err != nil {
		return "unknown"
	}
	if u, err := user.LookupId(strconv.Itoa(c.uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(c.uid)
}

// may reports whether the user may have the token of s: the daemon's own may, and who is listed. s is nil for a server that
// is not there.
func (c caller) may(s *config.Server) bool {
	switch {
	case c.err != nil || s == nil:
		return false
	case c.uid == os.Geteuid():
		return true
	case slices.ContainsFunc(s.AllowUsers, func(name string) bool { uid, ok := userID(name); return ok && uid == c.uid }):
		return true
	case len(s.AllowGroups) == 0:
		return false
	}
	groups := c.groups()
	return slices.ContainsFunc(s.AllowGroups, func(name string) bool { gid, ok := groupID(name); return ok && slices.Contains(groups, gid) })
}

// groups are the one that the process runs in and all that its user belongs to.
func (c caller) groups() []int {
	list := []int{c.gid}
	u, err := user.LookupId(strconv.Itoa(c.uid))
	if err != nil {
		return list // a number without a name
	}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			list = append(list, gid)
		}
	}
	return list
}

// userID is the number of a user who is given by name or number; false: there is none of that name.
func userID(name string) (uid int, ok bool) {
	if u, err := user.Lookup(name); err == nil {
		name = u.Uid
	}
	uid, err := strconv.Atoi(name)
	return uid, err == nil && uid >= 0
}

// groupID is userID for a group.
func groupID(name string) (gid int, ok bool) {
	if g, err := user.LookupGroup(name); err == nil {
		name = g.Gid
	}
	gid, err := strconv.Atoi(name)
	return gid, err == nil && gid >= 0
}

// Strangers are the users and groups that s lets have its token and that this host does not know.
func Strangers(s *config.Server) (users, groups []string) {
	unknown := func(names []string, find func(string) (int, bool)) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := find(name); return ok })
	}
	return unknown(s.AllowUsers, userID), unknown(s.AllowGroups, groupID)
}

// passOn hands the access token of a server to a user who may have it. A server that is not there is refused in the same
// words as one that is not for this user.
func (a *App) passOn(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(callerKey{}).(caller)
	name := r.PathValue("name")
	cfg := a.config.Load()
	s := cfg.Server(name)
	if !ok || !c.may(s) {
		who := c.name()
		if s != nil {
			a.Log.Warn("a user may not have the token", "server", s.Name, "user", who, "uid", c.uid)
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
		a.record.given("uid "+strconv.Itoa(c.uid), s.Name, t)
		a.Log.Info("a user got the token", "server", s.Name, "user", c.name(), "uid", c.uid)
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
