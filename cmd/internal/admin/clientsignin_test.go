package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

func TestASignInThatNobodyFinishesExpires(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	err := h.changeFlow(t.Context(), "tracker", func(f *flow) error { f.Expires = time.Now().Add(-time.Second); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if st := h.status("tracker", "expired"); st.Error == "" || st.Remedy == "" {
		t.Errorf("%+v", st)
	}
	h.page(browser(t), in.AuthorizeURL, http.StatusGone, "in time")
	h.problem(http.StatusConflict, "", "Current status: expired", http.MethodPost, in.CompleteURL, nil)
}

func TestAFinishedSignInCanBeRevoked(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	want[map[string]any](h, http.StatusOK, http.MethodPost, "/api/servers/tracker/revoke", nil)
	h.status("tracker", "revoked")
	h.problem(http.StatusConflict, "", "Current status: revoked", http.MethodPost, in.CompleteURL, nil)
}

// While the token that is held serves, a sign-in that is open is pending all the same.
func TestASignInAnewIsPendingBesideAValidToken(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.begin(nil))
	in := want[Initiation](h, http.StatusOK, http.MethodPost, clients+"/tracker/reauthorize", nil)
	want[map[string]any](h, http.StatusOK, http.MethodPost, "/api/servers/tracker/refresh", nil)
	if st := h.status("tracker", "pending"); st.TokenID == "" {
		t.Errorf("%+v", st)
	}
	h.problem(http.StatusConflict, "", "Current status: pending", http.MethodPost, in.CompleteURL, nil)
	h.signIn(in)
	h.status("tracker", "authorized")
}

// What `bearerd login` has finished counts.
func TestASignInThatTheCommandHasFinished(t *testing.T) {
	h := newHouse(t)
	h.begin(map[string]any{"oauth_config.client_id": nil, "oauth_config.client_secret": nil})
	source, err := h.Engine.Source("tracker")
	if err != nil {
		t.Fatal(err)
	}
	l, err := source.BeginLogin(t.Context(), "http://127.0.0.1:7413/callback", false)
	if err != nil {
		t.Fatal(err)
	}
	h.status("tracker", "pending")
	back, err := h.as.Visit(t.Context(), l.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(back, "?")
	if _, err := source.FinishLogin(t.Context(), query); err != nil {
		t.Fatal(err)
	}
	h.status("tracker", "authorized")
	want[Success](h, http.StatusOK, http.MethodPost, clients+"/tracker/complete-oauth", nil)
}

func TestAServerThatRefusesTheTokenIsNotCompleted(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	h.rs.Protect(oauthtest.Protection{Require: map[string]string{"": "admin:all"}})
	h.problem(http.StatusBadGateway, "", "insufficient_scope", http.MethodPost, in.CompleteURL, nil)
	c := want[Client](h, http.StatusOK, http.MethodGet, clients+"/tracker", nil)
	if c.State != "error" || c.Error == "" || c.Upstream == nil {
		t.Errorf("%+v", c)
	}
	h.rs.Protect(oauthtest.Protection{})
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusInternalServerError, "text/plain", canaryWords))
	h.problem(http.StatusBadGateway, "", "HTTP 500", http.MethodPost, in.CompleteURL, nil)
	h.rs.FailAt("/mcp", 2, oauthtest.Answer(http.StatusMethodNotAllowed, "text/plain", ""))
	h.problem(http.StatusBadGateway, "", "HTTP 405", http.MethodPost, in.CompleteURL, nil)
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusNotFound, "text/plain", "")) // the older transport
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusOK, "text/event-stream", ": hello\n\n"))
	want[Success](h, http.StatusOK, http.MethodPost, in.CompleteURL, nil)
}

// The session that the call opens is ended: servers keep them.
func TestTheCallEndsItsSession(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	h.rs.FailAt("/mcp", 1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Mcp-Session-Id", "session-1")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
	})
	want[Success](h, http.StatusOK, http.MethodPost, in.CompleteURL, nil)
	all := h.rs.Requests()
	if last := all[len(all)-1]; last.Method != http.MethodDelete || last.Header.Get("Mcp-Session-Id") != "session-1" {
		t.Errorf("the last request is %s %v", last.Method, last.Header)
	}
}
