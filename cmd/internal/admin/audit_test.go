package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/cmd/internal/audit"
)

// lines are those of the audit log. None holds a key.
func (g *gated) lines(t testing.TB, sessions ...Session) (list []audit.Entry) {
	t.Helper()
	b, err := os.ReadFile(g.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, s := range append(sessions, Session{Session: theKey}) {
		if strings.Contains(string(b), s.Session) {
			t.Error("the audit log holds a key")
		}
	}
	for line := range bytes.Lines(b) {
		var e audit.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestWhatIsWrittenDown(t *testing.T) {
	uid := func(r *http.Request) *http.Request { return r.WithContext(audit.WithActor(r.Context(), "uid 1000")) }
	for name, c := range map[string]struct {
		over func(*gated) http.Handler
		r    func(*gated) *http.Request
		want []string // event, actor, action, server, outcome
	}{
		"a change": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodPost, "/api/reload?token=canary") },
			[]string{"request|key admin|POST /api/reload||", "answer|key admin|POST /api/reload||200"}},
		"a change over the socket": {(*gated).socket, func(g *gated) *http.Request { return uid(g.ask(http.MethodPost, "/api/reload")) },
			[]string{"request|uid 1000|POST /api/reload||", "answer|uid 1000|POST /api/reload||200"}},
		"what is only read": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/secrets") },
			[]string{"answer|key admin|GET /api/secrets||200"}},
		"a key of a client": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/servers/s/key/claude") },
			[]string{"request|key admin|GET /api/servers/{name}/key/{client}|s|", "answer|key admin|GET /api/servers/{name}/key/{client}|s|200"}},
		"of a server that is none": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/servers/%0a/key/x") },
			[]string{"request|key admin|GET /api/servers/{name}/key/{client}||", "answer|key admin|GET /api/servers/{name}/key/{client}||404"}},
		"a secret, which is no server": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodPut, "/api/secrets/s") },
			[]string{"request|key admin|PUT /api/secrets/{name}||", "answer|key admin|PUT /api/secrets/{name}||400"}},
		"a wrong key": {(*gated).public, func(g *gated) *http.Request {
			return g.ask(http.MethodPost, "/api/reload", "Authorization", "Bearer canary")
		},
			[]string{"answer|unknown|POST /api/reload||401"}},
		"another site": {(*gated).public, func(g *gated) *http.Request {
			return g.ask(http.MethodGet, "/api/secrets", "Origin", "https://canary.example")
		},
			[]string{"answer|unknown|GET /api/secrets||403"}},
		"a visitor": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/oauth/callback?code=canary") },
			[]string{"answer|browser|GET /api/oauth/callback||400"}},
		"health":  {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/livez") }, nil},
		"metrics": {(*gated).public, func(g *gated) *http.Request { return g.ask(http.MethodGet, "/metrics") }, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGated(t)
			answerTo(c.over(g), c.r(g))
			var got []string
			lines := g.lines(t)
			for _, e := range lines {
				got = append(got, strings.Join([]string{e.Event, e.Actor, e.Action, e.Server, e.Outcome}, "|"))
				if e.ID != lines[0].ID || !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(e.ID) {
					t.Errorf("%s: ids %q and %q", name, lines[0].ID, e.ID)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s:\n%s", name, strings.Join(got, "\n"))
			}
			if b, _ := os.ReadFile(g.log); strings.Contains(string(b), "canary") {
				t.Errorf("%s: %s", name, b)
			}
		})
	}
}

func (g *gated) public() http.Handler { return g.Public() }
func (g *gated) socket() http.Handler { return g.Handler() }

func TestServerOf(t *testing.T) {
	for _, c := range []struct{ pattern, path, want string }{
		{"GET /api/mcp/client/{id}", "/api/mcp/client/tracker", "tracker"},
		{"GET /api/mcp/client/{id}", "/api/mcp/client/oauth_cfg.tracker", "tracker"},
		{"GET /api/mcp/client/{id}", "/api/mcp/client/a%20b", ""},
		{"GET /api/servers/{name}/x", "/api/servers/tracker/x", "tracker"},
		{"GET /api/secrets/{name}", "/api/secrets/tracker", ""},
		{"GET /oauth/start/{ticket}", "/oauth/start/tracker.canary", ""},
	} {
		got := "none"
		mux := http.NewServeMux()
		mux.HandleFunc(c.pattern, func(_ http.ResponseWriter, r *http.Request) { got = serverOf(r, c.pattern) })
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.path, http.NoBody))
		if got != c.want {
			t.Errorf("%s: %q", c.path, got)
		}
	}
}

// While the log cannot be written, nothing is changed and no secret handed out, whoever asks; what is only read is.
func TestNothingIsDoneThatCannotBeWrittenDown(t *testing.T) {
	for name, over := range map[string]func(*gated) http.Handler{"TCP": (*gated).public, "socket": (*gated).socket} {
		var said bytes.Buffer
		g := newGated(t)
		g.Log = slog.New(slog.NewTextHandler(&said, nil))
		if err := os.Mkdir(g.log, 0o700); err != nil {
			t.Fatal(err)
		}
		h := over(g)
		for _, c := range []struct {
			method, path string
			want         int
		}{
			{"POST", "/api/reload", 503}, {"GET", "/api/servers/s/key/x", 503}, {"GET", "/api/oauth/callback", 503}, {"POST", "/api/session", 503},
			{"GET", "/api/secrets", 200}, {"GET", "/api/secrets", 200}, {"GET", "/livez", 200}, {"GET", "/metrics", 200},
		} {
			resp := answerTo(h, g.ask(c.method, c.path))
			if resp.StatusCode != c.want {
				t.Errorf("%s: %s: %d", name, c.path, resp.StatusCode)
			}
			if c.want == 503 && !strings.Contains(says(t, resp), "nothing was done") {
				t.Errorf("%s: %s does not say that nothing was done", name, c.path)
			}
		}
		if g.reloads != 0 || len(g.sessions.kept) != 0 {
			t.Errorf("%s: %d reloads", name, g.reloads)
		}
		if n := strings.Count(said.String(), "audit log cannot be written"); n != 1 {
			t.Errorf("%s: the log tells of it %d times", name, n)
		}
		if err := os.Remove(g.log); err != nil {
			t.Fatal(err)
		}
		if got := answerTo(h, g.ask(http.MethodPost, "/api/reload")).StatusCode; got != 200 || g.reloads != 1 {
			t.Errorf("%s: once it can be written again: %d", name, got)
		}
	}
}

// The answer is written down before it is sent, so that a stream has its line when it begins.
func TestAStreamIsWrittenDownWhenItBegins(t *testing.T) {
	g := newGated(t)
	h := g.guarded(route{"GET /stream", keyed, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		if n := len(g.lines(t)); n != 0 {
			t.Errorf("%d lines before the answer", n)
		}
		_, _ = w.Write([]byte("data"))
		if n := len(g.lines(t)); n != 1 {
			t.Errorf("%d lines when it has begun", n)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}})
	w := httptest.NewRecorder()
	h(w, g.ask(http.MethodGet, "/stream"))
	if lines := g.lines(t); len(lines) != 1 || lines[0].Outcome != "200" || !w.Flushed {
		t.Errorf("%+v", lines)
	}
}

func TestAnAnswerWithoutABodyIsWrittenDown(t *testing.T) {
	g := newGated(t)
	g.guarded(route{"GET /x", keyed, func(http.ResponseWriter, *http.Request) {}})(httptest.NewRecorder(), g.ask(http.MethodGet, "/x"))
	if lines := g.lines(t); len(lines) != 1 || lines[0].Outcome != "200" {
		t.Errorf("%+v", lines)
	}
}

// Who has no key cannot fill the disk, and how many lines were left out is told.
func TestLinesOfStrangersAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		ask   func(*gated) *http.Request
		limit int
	}{
		"without a key": {func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/secrets", "Authorization", "") }, refusedLines},
		"a rebound name": {func(g *gated) *http.Request {
			r := g.ask(http.MethodGet, "/")
			r.Host = "evil.example"
			return r
		}, refusedLines},
		"visitors": {func(g *gated) *http.Request { return g.ask(http.MethodGet, "/api/oauth/callback") }, visitedLines},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGated(t)
			public := g.Public()
			for range 100 {
				answerTo(public, c.ask(g))
			}
			if n := len(g.lines(t)); n != c.limit {
				t.Errorf("%s: %d lines", name, n)
			}
			time.Sleep(time.Minute)
			for range 2 {
				answerTo(public, g.ask(http.MethodGet, "/api/secrets"))
			}
			lines := g.lines(t)[c.limit:]
			if len(lines) != 3 || !strings.HasPrefix(lines[0].Reason, map[int]string{refusedLines: "90 ", visitedLines: "70 "}[c.limit]) {
				t.Errorf("%s: %+v", name, lines)
			}
		})
	}
}

// In-process tests have no audit log.
func TestNoAuditLog(t *testing.T) {
	g := newGated(t)
	g.Audit = nil
	for _, r := range []*http.Request{g.ask(http.MethodPost, "/api/reload"), g.ask(http.MethodPost, "/api/reload", "Authorization", "")} {
		answerTo(g.Public(), r.WithContext(context.Background()))
	}
	if n := len(g.lines(t)); n != 0 || g.reloads != 1 {
		t.Errorf("%d lines, %d reloads", n, g.reloads)
	}
}
