package main_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// Reload after reload under load: no request fails, a stream through a server that stays goes on, and nothing piles up.
// With BEARERD_SOAK there are a thousand.
func TestSoakReload(t *testing.T) {
	reloads, settled := 60, 10
	if os.Getenv("BEARERD_SOAK") != "" {
		reloads, settled = 1000, 100
	}
	t.Parallel()
	h := newHome(t)
	as, _ := h.authServer()
	e := &edits{h: h, as: as, steady: startOrigin(t, streaming), one: startOrigin(t, nil), two: startOrigin(t, nil)}
	for range 4 {
		e.listen = append(e.listen, freeAddress(t))
	}
	e.configure(0)
	daemon := h.daemon()
	door := h.door()
	steady, changing := h.caller(door, "steady"), h.caller(door, "changing")
	beats := follow(t, steady)
	eventually(t, "every token is there", func() bool { return isReady(h.admin) })
	idle := h.scrape()
	stop := busy(t, 32, steady, steady, steady, changing)
	var warm map[string]float64
	start := time.Now()
	for n := 1; n <= reloads && !t.Failed(); n++ {
		e.configure(n)
		reload(t, door)
		if n == settled {
			warm = h.scrape()
		}
	}
	took := time.Since(start)
	requests, after := stop(), h.scrape()
	for _, c := range []*caller{steady, changing} {
		c.client.CloseIdleConnections() // but the stream's
	}
	e.flat("go_goroutines", idle, 8)
	e.flat("process_open_fds", idle, 8)
	if !raceEnabled { // whose detector keeps memory of its own
		e.flat("process_resident_memory_bytes", warm, 16<<20)
	}
	heard := beats()
	t.Logf("%d reloads in %s under %d requests and a stream of %d events", reloads, took.Round(time.Millisecond), requests, heard)
	if after[reloadsTotal] != float64(reloads) || after[lastReloadOK] != 1 {
		t.Errorf("%v reloads, the last good: %v", after[reloadsTotal], after[lastReloadOK])
	}
	if requests < reloads {
		t.Errorf("there were only %d requests", requests)
	}
	if strings.Contains(daemon.stderr.String(), `"level":"ERROR"`) {
		t.Error("the daemon logged errors")
	}
	for name, o := range map[string]*origin{"one": e.one, "two": e.two} {
		if scopes := o.scopes(h, as); scopes["two"] && scopes["one"] || len(scopes) != 1 {
			t.Errorf("origin %s has seen tokens of the scopes %v", name, scopes)
		}
	}
	e.steady.scopes(h, as)
}

// edits make a configuration of each number. steady stays as it is; changing has another url, with another scope, and another
// header each time; coming comes and goes; moving has another address.
type edits struct {
	h                *home
	as               *oauthtest.Server
	steady, one, two *origin
	listen           []string
}

// configure writes configuration n. Requests are not logged: there are too many of them.
func (e *edits) configure(n int) {
	e.h.configure(e.servers(n)...)
	text := readConfiguration(e.h.t, e.h.path("bearerd.hcl"))
	e.h.write("bearerd.hcl", strings.Replace(text, `level = "debug"`, `level = "info"`, 1))
}

func (e *edits) servers(n int) []string {
	scope, up := "one", e.one
	if n%2 == 1 {
		scope, up = "two", e.two
	}
	grant := func(scope string) string {
		return e.h.grant(e.as.TokenURL(), "ca.pem", "app", "", `OAUTH_CLIENT_SECRET = file("app.secret")`, attribute("OAUTH_SCOPE", scope))
	}
	list := []string{
		server("steady", attribute("url", e.steady.URL), grant("steady")),
		server("changing", attribute("url", up.URL), fmt.Sprintf(`headers = { X-Version = "%d" }`, n), grant(scope)),
		server("moving", attribute("url", e.steady.URL), attribute("listen", e.listen[n%len(e.listen)]), grant("moving")),
	}
	if n%3 == 0 {
		list = append(list, server("coming", attribute("url", e.steady.URL), attribute("listen", e.h.path("coming.sock")), grant("coming")))
		list[3] = strings.Replace(list[3], `listen = "`, `listen = "unix:`, 1)
	}
	return list
}

// flat compares what the daemon holds with what it held before. Idle connections to upstream and what ends with a listener
// may take most of a minute to go.
func (e *edits) flat(name string, before map[string]float64, more float64) {
	now := 0.0
	for deadline := time.Now().Add(75 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if now = e.h.scrape()[name]; now <= before[name]+more || time.Now().After(deadline) {
			break
		}
	}
	e.h.t.Logf("%s: %.0f, then %.0f", name, before[name], now)
	if before[name] == 0 || now > before[name]+more {
		e.h.t.Errorf("%s has grown from %.0f to %.0f", name, before[name], now)
	}
}

// streaming answers GET with an event every 20 ms, and the rest with "done".
func streaming(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		_, _ = w.Write([]byte("done"))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", n); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// follow opens one stream and reads it until stop, which gives the number of its events. It may not end before, and no
// event may be missing.
func follow(t *testing.T, c *caller) (stop func() (events int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	streamer := &caller{&http.Client{Transport: c.client.Transport}, c.url, c.key} // without a limit in time
	resp, err := streamer.request(ctx, http.MethodGet)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("opening the stream: %v %v", resp, err)
	}
	events := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if lines.Text() == "" {
				continue
			}
			if want := fmt.Sprintf("data: %d", events); lines.Text() != want {
				t.Errorf("the stream says %q, want %q", lines.Text(), want)
				return
			}
			events++
		}
		if ctx.Err() == nil {
			t.Errorf("the stream ended after %d events: %v", events, lines.Err())
		}
	}()
	stop = sync.OnceValue(func() int {
		cancel()
		<-done
		return events
	})
	t.Cleanup(func() { stop() })
	return stop
}
