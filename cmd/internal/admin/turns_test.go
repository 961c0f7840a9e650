package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// stopping sends a request that waits for the provider's token, and stops then. What it leaves must be there when Stop returns.
func (h *house) stopping(method, path, body string, then func()) {
	h.t.Helper()
	waits := make(chan struct{})
	h.as.FailAt("/token", 9, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		close(waits)
		<-r.Context().Done()
	})
	answer, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(done)
		h.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	}()
	<-waits
	h.Stop(h.t.Context())
	then()
	<-done
	if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), `"bearerd is stopping: `) {
		h.t.Errorf("%d %s", answer.Code, answer.Body)
	}
	for _, r := range []string{"POST " + clients, "PUT " + clients + "/other", "DELETE " + clients + "/other", "DELETE /api/oauth/config/other"} {
		method, path, _ := strings.Cut(r, " ")
		answer := httptest.NewRecorder()
		h.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(`{"name":"new","connection_string":"https://mcp.example.com/"}`)))
		if answer.Code != http.StatusServiceUnavailable || answer.Body.String() != `{"error":"bearerd is stopping"}`+"\n" {
			h.t.Errorf("%s: %d %s", r, answer.Code, answer.Body)
		}
	}
}

// other makes a server that no stop is about.
func (h *house) other() {
	h.t.Helper()
	want[Success](h, http.StatusOK, http.MethodPost, clients, map[string]any{"name": "other", "connection_string": "https://mcp.example.com/"})
}

func TestAStopTakesBackWhatIsBeingMade(t *testing.T) {
	h := newHouse(t)
	h.other()
	h.stopping(http.MethodPost, clients, asJSON(t, h.unattended(nil)), func() { h.wantNothingOf("tracker") })
	if h.Config().Server("other") == nil {
		t.Error("the other server is gone")
	}
}

func TestAStopTakesBackAChange(t *testing.T) {
	h := newHouse(t)
	h.other()
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
	before := maps.Clone(h.files)
	h.hide("canary-of-another")
	h.stopping(http.MethodPut, clients+"/tracker", `{"oauth_config":{"scopes":["mcp:write"],"client_secret":"canary-of-another"}}`, func() {
		if !maps.Equal(h.files, before) {
			t.Errorf("%q, want %q", h.files, before)
		}
		wantSecret(h, canarySecret)
	})
}

// wantSecret wants the client secret that is kept of the server to be of a value.
func wantSecret(h *house, want string) {
	h.t.Helper()
	value, _, err := h.store.Get(h.t.Context(), secrets.StoreKey(config.OwnSecret("tracker", "client_secret")))
	if err != nil || string(value) != want {
		h.t.Errorf("the secret is another: %v", err)
	}
}

// A stop waits no longer than it may.
func TestAStopIsBounded(t *testing.T) {
	var a API
	turn, done, err := a.turns.begin(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	a.Stop(over)
	if !errors.Is(context.Cause(turn), ErrStopping) {
		t.Error("the turn goes on")
	}
	done()
	a.Stop(t.Context())
	if _, _, err := a.turns.begin(t.Context(), "b"); !errors.Is(err, ErrStopping) {
		t.Errorf("%v", err)
	}
}
