package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// localKey is what client-config prints for a client.
func (h *home) localKey(name, client string) string {
	h.t.Helper()
	var snippet struct {
		Servers map[string]struct{ Headers map[string]string } `json:"mcpServers"`
	}
	if err := json.Unmarshal([]byte(h.ok("client-config", name, "--client", client)), &snippet); err != nil {
		h.t.Fatal(err)
	}
	key := snippet.Servers[name].Headers["Authorization"]
	h.private(strings.TrimPrefix(key, "Bearer "))
	return key
}

// called is the status of a call of the local proxy with a key.
func (h *home) called(name, key string) int {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "http://"+h.proxy+"/"+name, strings.NewReader("{}"))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Keys are rotated without a daemon and with one, which takes them at once and keeps them over a restart; each rotation is written
// down.
func TestKeyRotate(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(up.Close)
	h.configure(server("web", attribute("url", up.URL)), server("open", attribute("url", up.URL), attribute("local_auth", "none")),
		server("local", nothing))
	says := func(said string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%q is not said: %s", w, said)
			}
		}
		if strings.Contains(said, "brd_") || strings.Contains(said, "client-config open") || strings.Contains(said, "client-config local") {
			t.Errorf("too much is said: %s", said)
		}
	}
	keys := []string{h.localKey("web", "a")}
	rotate := func(args ...string) string {
		t.Helper()
		said := h.ok(append([]string{"key", "rotate"}, args...)...)
		keys = append(keys, h.localKey("web", "a"))
		return said
	}
	taken := func(when string, want ...bool) {
		t.Helper()
		for i, right := range want {
			if status := h.called("web", keys[i]); right != (status == 200) || !right && status != 403 {
				t.Errorf("%s: key %d: %d", when, i, status)
			}
		}
	}
	said := rotate() // no daemon runs
	says(said, "taken until", "bearerd client-config web --client CLIENT", "over HTTP", "`bearerd exec` need nothing")
	if strings.Contains(said, "last rotation") {
		t.Errorf("a first rotation speaks of one before: %s", said)
	}
	daemon := h.daemon()
	taken("after the first", true, true)
	says(rotate(), "taken until", "from before the last rotation, are refused from now on")
	taken("after the second", false, true, true)
	says(rotate("--now"), "refused from now on", "bearerd client-config web --client CLIENT")
	taken("at once", false, false, false, true)
	rotate()
	daemon.stop()
	h.daemon()
	taken("after a restart", false, false, false, true, true)

	written, err := os.ReadFile(h.path("state/audit.jsonl"))
	if err != nil || strings.Count(string(written), `"POST /api/keys/rotate"`) != 8 || !strings.Contains(string(written), `"actor":"uid `) {
		t.Errorf("the audit log: %v\n%s", err, written)
	}
	h.fails(2, "key", "rotate", "web")
	h.fails(2, "key", "turn")
}
