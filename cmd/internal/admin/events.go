package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"bearerd/config"
	"bearerd/engine"
)

// The pace of a stream.
const (
	eventsApart = 200 * time.Millisecond // between two looks at what was told
	lookEvery   = time.Second            // for what changes without an event: a token's life, what upstream answers
	aliveEvery  = 15 * time.Second
	writeWithin = 10 * time.Second // a reader must take a piece within this
	pieceBytes  = 64 << 10
)

// LiveState is how everything is when a stream begins: the event "state".
type LiveState struct {
	Version string     `json:"version"`
	Now     time.Time  `json:"now"`
	Config  LiveReload `json:"config"`
	Servers []Client   `json:"servers"`
	CanMake bool       `json:"can_make"`
	WhyNot  string     `json:"why_not,omitempty"` // what to do so that servers can be made
}

// LiveReload is the last reload: the event "reload".
type LiveReload struct {
	Reload
	Changes config.Changes `json:"changes,omitempty"` // absent: none, or it was refused
}

// LiveGone names a server that is not in the configuration any more: the event "gone".
type LiveGone struct {
	Name string `json:"name"`
}

// glance is what of a server may change without an event. It costs far less than the whole view of it.
type glance struct {
	state                                  engine.State
	status, fingerprint, failure, upstream string
}

// stream writes the events of one reader.
type stream struct {
	api  *API
	w    http.ResponseWriter
	out  *http.ResponseController
	told map[string]glance // of the servers that the reader knows
}

// events streams what happens until the client goes or the daemon stops.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	if a.Live == nil {
		fail(w, &badInput{"no daemon runs on this state folder: there is nothing to follow"})
		return
	}
	from, err := a.Live.follow()
	if err != nil {
		deny(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer a.Live.leave(from)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it
	if r.Method == http.MethodHead {
		return
	}
	s := &stream{api: a, w: w, out: http.NewResponseController(w), told: map[string]glance{}}
	_ = s.run(r.Context(), from) // the reader has gone
}

// run writes until an error, the end of ctx or that of the daemon.
func (s *stream) run(ctx context.Context, from *reader) error {
	if err := s.state(); err != nil {
		return err
	}
	look, alive := time.NewTicker(lookEvery), time.NewTicker(aliveEvery)
	defer look.Stop()
	defer alive.Stop()
	wake, rested := from.wake, (<-chan time.Time)(nil)
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-s.api.Live.stopped:
			return nil
		case <-wake:
			err = s.news(s.api.Live.take(from))
			wake, rested = nil, time.After(eventsApart)
		case <-rested:
			wake, rested = from.wake, nil
		case <-look.C:
			err = s.look()
		case <-alive.C:
			err = s.write([]byte(": alive\n\n"))
		}
		if err != nil {
			return err
		}
	}
}

// state tells of everything.
func (s *stream) state() error {
	a := s.api
	st := LiveState{Version: a.Version, Now: time.Now(), Config: a.liveReload(), Servers: []Client{}, CanMake: true}
	if err := a.canMake(); err != nil {
		st.CanMake, st.WhyNot = false, err.Error()
	}
	for _, server := range a.Config().Servers {
		s.told[server.Name] = a.glance(server.Name)
		st.Servers = append(st.Servers, a.view(server))
	}
	return s.event("state", st)
}

// canMake says why the API cannot make servers.
func (a *API) canMake() error {
	switch {
	case a.Edit == nil:
		return errors.New("no daemon runs that could put a new server in force")
	case a.CanMake == nil:
		return nil
	}
	return a.CanMake()
}

func (a *API) liveReload() (last LiveReload) {
	if a.LastReload != nil {
		last.Reload = a.LastReload()
	}
	last.Changes = a.Live.lastChanges()
	return last
}

// news tells what the reader was woken for.
func (s *stream) news(n reader) error {
	if n.reloaded {
		if err := s.event("reload", s.api.liveReload()); err != nil {
			return err
		}
	}
	cfg := s.api.Config()
	for _, server := range cfg.Servers {
		if n.all || n.servers[server.Name] {
			if err := s.server(server, s.api.glance(server.Name)); err != nil {
				return err
			}
		}
	}
	return s.gone(cfg)
}

// look tells of the servers that have changed without an event, by the clock or by what upstream answered.
func (s *stream) look() error {
	cfg := s.api.Config()
	for _, server := range cfg.Servers {
		now := s.api.glance(server.Name)
		if before, known := s.told[server.Name]; known && before == now {
			continue
		}
		if err := s.server(server, now); err != nil {
			return err
		}
	}
	return s.gone(cfg)
}

// gone tells of the servers that the reader knows and cfg does not.
func (s *stream) gone(cfg *config.Config) error {
	there := make(map[string]bool, len(cfg.Servers))
	for _, server := range cfg.Servers {
		there[server.Name] = true
	}
	for name := range s.told {
		if there[name] {
			continue
		}
		delete(s.told, name)
		if err := s.event("gone", LiveGone{name}); err != nil {
			return err
		}
	}
	return nil
}

// server tells of one server. now was taken before, so that no change is missed between the two.
func (s *stream) server(server *config.Server, now glance) error {
	s.told[server.Name] = now
	return s.event("server", s.api.view(server))
}

// glance looks at a server; one that is not there looks like nothing.
func (a *API) glance(name string) (g glance) {
	if source, err := a.Engine.Source(name); err == nil {
		st := source.Status()
		g.state, g.status, g.fingerprint, g.failure = st.State, st.Status, st.Fingerprint, st.Error
	}
	if a.Upstream != nil {
		last, _ := a.Upstream(name)
		g.upstream = last.Error
	}
	return g
}

// event writes an event in the form of the HTML standard, section "Server-sent events". JSON has no line breaks.
func (s *stream) event(name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("the event %s: %w", name, err)
	}
	return s.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, b))
}

// write gives up on a client that does not read, piece by piece: a large state over a slow line takes its time.
func (s *stream) write(b []byte) error {
	for piece := range slices.Chunk(b, pieceBytes) {
		if err := s.out.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := s.w.Write(piece); err != nil {
			return err
		}
		if err := s.out.Flush(); err != nil {
			return err
		}
	}
	return nil
}
