package main_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// decode runs a command with --json and decodes what it prints.
func (h *home) decode(v any, args ...string) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok(append(args, "--json")...)), v); err != nil {
		h.t.Fatal(err)
	}
}

// metrics are the documented ones of a server.
func (h *home) metrics(name string) (m map[string]float64) {
	h.t.Helper()
	h.decode(&m, "metrics", name)
	return m
}

// metricsOfAll are the documented ones of all servers.
func (h *home) metricsOfAll() (m map[string]float64) {
	h.t.Helper()
	h.decode(&m, "metrics")
	return m
}

// tokenInfo is a server's documented token info, as `status --json` tells it.
func (h *home) tokenInfo(name string) map[string]any {
	h.t.Helper()
	var st struct {
		Servers []struct{ Token map[string]any }
	}
	h.decode(&st, "status", name)
	if len(st.Servers) != 1 {
		h.t.Fatalf("status of %s: %+v", name, st)
	}
	return st.Servers[0].Token
}

// The token info has what the guide names, with a fingerprint in the place of the masked token: no part of it is shown.
func TestAcceptance31_StatusShowsNoPartOfTheToken(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer(`OAUTH_SCOPE = "read write"`)
	h.configure(server("s", nothing, grant))
	h.daemon()
	token := h.token("s")
	info := h.tokenInfo("s")
	for _, key := range []string{"token_type", "expires_in", "scope", "created_at", "expires_at", "is_expired", "status"} {
		if _, ok := info[key]; !ok {
			t.Errorf("the token info has no %s", key)
		}
	}
	for key, want := range map[string]any{"token_type": "Bearer", "expires_in": 3600.0, "scope": "read write",
		"is_expired": false, "status": "valid"} {
		if info[key] != want {
			t.Errorf("%s is %v, want %v", key, info[key], want)
		}
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"token", "s"}, {"token", "s", "--json"}, {"metrics"},
		{"metrics", "--json"}, {"refresh", "s"}} {
		said := h.ok(args...)
		for at := 0; at+6 <= len(token); at++ {
			if part := token[at : at+6]; strings.Contains(said, part) {
				t.Errorf("%v shows the part %q of the token", args, part)
			}
		}
	}
}

func TestMetricsHaveTheDocumentedKeys(t *testing.T) {
	t.Parallel()
	documented := []string{"active_tokens", "avg_latency_ms", "cache_hit_ratio", "max_latency_ms", "min_latency_ms",
		"success_rate", "token_acquisitions_failure", "token_acquisitions_success", "token_acquisitions_total",
		"token_cache_hits", "token_cache_misses", "token_invalidations", "token_refreshes"}
	h := newHome(t)
	_, grant := h.authServer()
	h.configure(server("a", nothing, grant), server("b", nothing, grant))
	h.daemon()
	h.token("a")
	h.token("b")
	one := h.metrics("a")
	if got := slices.Sorted(maps.Keys(one)); !slices.Equal(got, documented) {
		t.Errorf("the keys are %q", got)
	}
	all := h.metricsOfAll()
	if one["active_tokens"] != 1 || all["active_tokens"] != 2 || all["token_acquisitions_total"] != 2 || all["success_rate"] != 1 {
		t.Errorf("of one server %v, of all %v", one, all)
	}
}

// Over TCP metrics and the API want the key of `bearerd admin-key`, health wants nothing, and what shows a token or reads a path
// is not there at all.
func TestAdminOverTCP(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	h.configure(server("s", nothing, grant))
	h.daemon()
	h.token("s")
	key := strings.TrimSpace(h.ok("admin-key"))
	h.private(key)
	at := "http://" + h.admin
	for path, want := range map[string]string{"/livez": "alive", "/readyz": "ready"} {
		if status, body := ask(t, http.MethodGet, at+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]string{"/metrics": `bearerd_active_tokens{server="s"} 1`, "/api/status": `"name":"s"`} {
		if status, body := ask(t, http.MethodGet, at+path, "Bearer "+key); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s with the key: %d %s", path, status, body)
		}
		for _, wrong := range []string{"", "Bearer brk_wrong", "Basic " + key} {
			if status, body := ask(t, http.MethodGet, at+path, wrong); status != http.StatusUnauthorized || !strings.Contains(body, "bearerd admin-key") {
				t.Errorf("%s with a wrong key: %d %s", path, status, body)
			}
		}
	}
	for _, path := range []string{"/api/servers/s/token?show=true", "/api/plan?path=/etc/passwd"} {
		if status, body := ask(t, http.MethodGet, at+path, "Bearer "+key); status != http.StatusForbidden || !strings.Contains(body, "unix socket") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := ask(t, http.MethodGet, at+"/debug/pprof/", "Bearer "+key); status != http.StatusNotFound {
		t.Errorf("/debug/pprof/: %d %s", status, body)
	}
	if status, _ := ask(t, http.MethodPost, at+"/api/servers/s/revoke"); status != http.StatusUnauthorized {
		t.Errorf("POST revoke without the key: %d", status)
	}
	as.Close()
	h.ok("invalidate", "s")
	if status, body := ask(t, http.MethodGet, at+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a token: %d %s", status, body)
	}
}

// ask makes a request, with an Authorization header if one is given.
func ask(t *testing.T, method, url string, authorization ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = authorization
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// A value comes in by stdin, serves as client secret, and goes; a running daemon works on through all of it, and through
// a new identity of its store.
func TestSecretsAndRekeyUnderARunningDaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	h.configure(server("s", nothing, strings.Replace(grant, `file("app.secret")`, `secret("as/app")`, 1)))
	d := h.daemon()
	if said := h.fails(1, "token", "s"); !strings.Contains(said, `secret("as/app")`) {
		t.Errorf("without the secret token says %q", said)
	}
	if r := h.feed("canary-of-app\r\n", "secret", "set", "as/app"); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "as/app") {
		t.Errorf("secret set: %+v", r)
	}
	h.ok("refresh", "s")
	first := h.token("s")
	if said := h.ok("secret", "list"); said != "as/app" {
		t.Errorf("secret list says %q", said)
	}
	before := h.files()
	if said := h.ok("store", "rekey"); !strings.Contains(said, "4 records") { // the token, the secret, the local keys' root, the admin key
		t.Errorf("store rekey says %q", said)
	}
	for path, text := range h.files() {
		if strings.HasSuffix(path, ".age") && text == before[path] {
			t.Errorf("%s was not encrypted anew", path)
		}
	}
	if h.token("s") != first {
		t.Error("after rekey the token is another one")
	}
	h.ok("refresh", "s")
	second := h.token("s")
	d.stop()
	if h.token("s") != second {
		t.Error("what the daemon kept after rekey cannot be read")
	}
	h.ok("secret", "rm", "as/app")
	if said := h.fails(1, "secret", "rm", "as/app"); !strings.Contains(said, "not found") {
		t.Errorf("removing it again says %q", said)
	}
	if leaks := findLeaks(h.files(), h.privates()); len(leaks) > 0 {
		t.Error(leaks)
	}
}
