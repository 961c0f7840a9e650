package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bearerd/inject/proxy"
)

// Rotated is the answer to a rotation of the local keys.
type Rotated struct {
	Until   time.Time `json:"until,omitzero"`    // the keys before are taken until then; absent: they are refused now
	Dropped bool      `json:"dropped,omitempty"` // older keys were still taken after a rotation before, and are refused now
	Servers []string  `json:"servers"`           // those whose callers show a key
}

// rotateKeys makes new local keys for all servers and clients.
func (a *API) rotateKeys(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	now := query.Get("now")
	// What is not understood is refused: whoever means now must not get another day, nor the other way round.
	if err != nil || len(query) > len(query["now"]) || len(query["now"]) > 1 || now != "" && now != "true" && now != "false" {
		fail(w, &badInput{"the one parameter is now, which must be true or false"})
		return
	}
	done, err := a.Keys.Rotate(r.Context(), a.Local, now == "true")
	if err != nil {
		fail(w, fmt.Errorf("%w; the keys are as they were", err))
		return
	}
	answer := Rotated{Until: done.Until, Dropped: done.Dropped, Servers: []string{}}
	cfg := a.Config()
	for _, s := range cfg.Servers {
		if s.URL == "" || s.LocalAuth == "none" {
			continue
		}
		if address, _ := proxy.Local(cfg, s); !strings.HasPrefix(address, "unix:") {
			answer.Servers = append(answer.Servers, s.Name)
		}
	}
	reply(w, answer)
}
