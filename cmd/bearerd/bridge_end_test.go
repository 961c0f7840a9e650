package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// plainServer is a server of sessions that answers with {} and counts the sessions that were ended.
func plainServer(t *testing.T) (url string, ended *atomic.Int64) {
	ended = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ ID, Method json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&m)
		switch {
		case r.Method == http.MethodDelete:
			ended.Add(1)
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.ID == nil:
			w.WriteHeader(http.StatusAccepted)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Mcp-Session-Id", "s")
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`, m.ID)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/mcp", ended
}

const sayInitialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"

// A terminal that goes ends the session with the server, as SIGTERM does.
func TestBridgeHangUp(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	url, ended := plainServer(t)
	h.configure(server("web", attribute("url", url)))
	r := h.start("exec", "web")
	_, _ = fmt.Fprint(r.stdin, sayInitialize)
	eventually(t, "initialize is answered", func() bool { return strings.Contains(r.stdout.String(), "protocolVersion") })
	r.signal(syscall.SIGHUP)
	if code := r.wait(); code != 0 || ended.Load() != 1 {
		t.Errorf("exit code %d, %d sessions were ended", code, ended.Load())
	}
}

// status tells of an exec that has no token for its server, until it has one.
func TestBridgeWithoutTokenIsShownInStatus(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	url, _ := plainServer(t)
	as, grant := h.authServer()
	as.Fail(3, oauthtest.OAuthError(503, "temporarily_unavailable", ""))
	h.configure(server("web", attribute("url", url), grant))
	h.start("exec", "web")
	eventually(t, "status says so", func() bool { return strings.Contains(h.ok("status"), "no_token") })
	eventually(t, "status is quiet again", func() bool { return !strings.Contains(h.ok("status"), "no_token") })
}
