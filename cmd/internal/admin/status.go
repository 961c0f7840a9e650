package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets/vault"
)

// Status is what `bearerd status` shows.
type Status struct {
	Version  string        `json:"version"`
	PID      int           `json:"pid,omitempty"`      // absent: no daemon runs, this is read from the store
	Vault    *vault.Status `json:"vault,omitempty"`    // absent: no Vault is configured
	Reload   *Reload       `json:"reload,omitempty"`   // absent: no daemon runs
	Servers  []Server      `json:"servers"`            //
	Outdated []Outdated    `json:"outdated,omitempty"` // children that hold values which have changed since
	Trouble  []Trouble     `json:"trouble,omitempty"`  // children that do not serve their clients
}

// Trouble is a server whose process has ended by itself or could not be started, so that its client waits.
type Trouble struct {
	Server string    `json:"server"`
	PID    int       `json:"pid"`   // of the `bearerd exec` that serves the client
	State  string    `json:"state"` // restarting, crash_loop, not_started, no_token
	Reason string    `json:"reason"`
	Ended  int       `json:"ended,omitempty"` // times in a row
	Next   time.Time `json:"next_attempt"`
}

// Outdated names what a running child was started with and is different now: variables whose value has changed where it
// is kept, and fields of the configuration that were edited.
type Outdated struct {
	Server string   `json:"server"`
	PID    int      `json:"pid"` // of the `bearerd exec` that started it
	Env    []string `json:"env,omitempty"`
	Fields []string `json:"fields,omitempty"`
}

// Server is one server's part of the status.
type Server struct {
	Name     string          `json:"name"`
	Delivery config.Delivery `json:"delivery"`
	Address  string          `json:"address,omitempty"` // where a url server is served
	URL      string          `json:"url,omitempty"`     // what a local client asks for
	OAuth    bool            `json:"oauth"`
	Token    *engine.Status  `json:"token,omitempty"`
}

// storePatience is how long a status without a daemon waits for the store.
const storePatience = 3 * time.Second

func (a *API) status(w http.ResponseWriter, r *http.Request) {
	cfg := a.Config()
	st := Status{Version: a.Version, PID: a.PID, Servers: []Server{}}
	look, cancel := context.WithTimeout(r.Context(), storePatience)
	defer cancel()
	for _, s := range cfg.Servers {
		if name := r.URL.Query().Get("server"); name != "" && name != s.Name {
			continue
		}
		delivery, _ := s.Delivery()
		one := Server{Name: s.Name, Delivery: delivery}
		if s.URL != "" {
			one.Address, one.URL = proxy.Local(cfg, s)
		}
		if source, err := a.Engine.Source(s.Name); err == nil {
			if a.PID == 0 {
				_ = source.Sync(look) // what is wrong with the store is in the status
			}
			token := source.Status()
			one.OAuth, one.Token = true, &token
		}
		st.Servers = append(st.Servers, one)
	}
	if name := r.URL.Query().Get("server"); name != "" && len(st.Servers) == 0 {
		fail(w, a.unknown(name))
		return
	}
	if a.Vault != nil {
		v := a.Vault.Status()
		st.Vault = &v
	}
	if a.LastReload != nil {
		last := a.LastReload()
		st.Reload = &last
	}
	if err := a.children(r, &st); err != nil {
		fail(w, err)
		return
	}
	reply(w, st)
}

// children fills in what is noted of running children: of all, or of those of the server that was asked for.
func (a *API) children(r *http.Request, st *Status) (err error) {
	if st.Outdated, err = a.Outdated(r.Context()); err != nil {
		return err
	}
	if st.Trouble, err = a.Troubled(r.Context()); err != nil {
		return err
	}
	if name := r.URL.Query().Get("server"); name != "" {
		st.Outdated = slices.DeleteFunc(st.Outdated, func(o Outdated) bool { return o.Server != name })
		st.Trouble = slices.DeleteFunc(st.Trouble, func(t Trouble) bool { return t.Server != name })
	}
	return nil
}
