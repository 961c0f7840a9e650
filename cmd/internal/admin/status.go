package admin

import (
	"net/http"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
)

// Status is what `bearerd status` shows.
type Status struct {
	Version string   `json:"version"`
	PID     int      `json:"pid,omitempty"` // absent: no daemon runs, this is read from the store
	Servers []Server `json:"servers"`
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

func (a *API) status(w http.ResponseWriter, r *http.Request) {
	cfg := a.Config()
	st := Status{Version: a.Version, PID: a.PID, Servers: []Server{}}
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
				source.Sync(r.Context())
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
	reply(w, st)
}
