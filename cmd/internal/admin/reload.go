package admin

import (
	"errors"
	"net/http"
	"time"

	"bearerd/config"
	"bearerd/inject/proxy"
)

// ErrBroken says that the configuration on disk is not the one in force, so that nothing can be added to it.
var ErrBroken = errors.New("the configuration on disk is not in force")

// Reload is the outcome of the last reload.
type Reload struct {
	At         time.Time `json:"at"`
	Success    time.Time `json:"last_success"`    // of the start, or of a reload
	Generation uint64    `json:"generation"`      // counts the reloads that changed something
	Digest     string    `json:"digest"`          // of the configuration in force
	Error      string    `json:"error,omitempty"` // why the configuration in force is not the one on disk
}

// Plan is what a reload would do, or has done.
type Plan struct {
	Daemon  bool           `json:"daemon"` // false: compared with nothing, as no daemon runs
	Changes config.Changes `json:"changes"`
}

func (a *API) reload(w http.ResponseWriter, r *http.Request) {
	if a.Reload == nil {
		fail(w, &badInput{"no daemon runs on this state folder: there is nothing to reload"})
		return
	}
	changes, err := a.Reload(r.Context(), "asked by a command")
	if err != nil {
		fail(w, &refusedEdit{err})
		return
	}
	reply(w, Plan{Daemon: true, Changes: changes})
}

// plan compares the configuration at a path with the one in force. Whoever asks may read what the daemon may.
func (a *API) plan(w http.ResponseWriter, r *http.Request) {
	cfg, diagnostics := config.Load(r.URL.Query().Get("path"))
	if diagnostics.HasErrors() {
		fail(w, &refusedEdit{diagnostics})
		return
	}
	if a.Reload == nil {
		reply(w, Start(cfg))
		return
	}
	if err := proxy.Adjustable(cfg); err != nil {
		fail(w, &refusedEdit{err})
		return
	}
	reply(w, Plan{Daemon: true, Changes: config.Compare(a.Config(), cfg)})
}

// Start is the plan of a start with cfg: every server is new.
func Start(cfg *config.Config) Plan {
	before := *cfg
	before.Servers = nil
	return Plan{Changes: config.Compare(&before, cfg)}
}

// refusedEdit is a configuration that cannot be put in force.
type refusedEdit struct{ error }

func (e *refusedEdit) Unwrap() error { return errors.Unwrap(e.error) }
