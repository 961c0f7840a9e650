package main_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bearerd/cmd/internal/doctor"
	"bearerd/engine/oauth/oauthtest"
)

// brokenSetup is a set-up with one fault.
type brokenSetup struct {
	breaks func(t *testing.T, w *ward)
	step   string
	result doctor.Result // "": Failed
	words  []string
}

func TestDoctorFindsTheOneFault(t *testing.T) {
	t.Parallel()
	for name, b := range brokenSetups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.sets(w.credentials())
			b.breaks(t, w)
			if b.result == "" {
				b.result = doctor.Failed
			}
			w.diagnose().only(t, b.step, b.result, b.words...)
		})
	}
	if len(brokenSetups) < 22 {
		t.Errorf("only %d", len(brokenSetups))
	}
}

var brokenSetups = map[string]brokenSetup{
	"no configuration": {func(_ *testing.T, w *ward) {
		_ = os.Remove(w.path("bearerd.hcl"))
		w.env = append(w.env, "BEARERD_CONFIG=", "XDG_CONFIG_HOME="+w.path("none"))
	}, "configuration", "", []string{"bearerd init", "bearerd import"}},
	"unknown field": {func(_ *testing.T, w *ward) {
		w.sets(w.credentials(`OAUTH_SCOPES = "a"`))
	}, "configuration", "", []string{"bearerd.hcl:", "OAUTH_SCOPE"}},
	"readable secret": {func(t *testing.T, w *ward) {
		chmod(t, w.path("app.secret"), 0o644)
	}, "file modes", "", []string{"app.secret", "chmod go="}},
	"secret for the group": {func(t *testing.T, w *ward) {
		chmod(t, w.path("app.secret"), 0o640)
	}, "file modes", doctor.Warned, []string{"its group", "chmod go="}},
	"open state folder": {func(t *testing.T, w *ward) {
		w.token("s")
		chmod(t, w.path("state"), 0o755)
	}, "file modes", "", []string{"state has mode 0755", "chmod go="}},
	"damaged record": {func(t *testing.T, w *ward) {
		w.token("s")
		files, _ := filepath.Glob(w.path("state/records/*.age"))
		for _, f := range files {
			if err := os.WriteFile(f, []byte("no record"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}, "store", "", []string{"damaged", "backup"}},
	"lost identity": {func(t *testing.T, w *ward) {
		w.token("s")
		if err := os.Remove(w.path("state/identity.txt")); err != nil {
			t.Fatal(err)
		}
	}, "store", "", []string{"identity.txt is missing", "backup"}},
	"port taken": {func(t *testing.T, w *ward) {
		l, err := net.Listen("tcp", w.proxy)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}, "daemon", "", []string{"answers at 127.0.0.1:", "stop that program"}},
	"daemon with another configuration": {func(t *testing.T, w *ward) {
		w.daemon()
		w.token("s")
		w.admin = freeAddress(t) // needs a restart, so that the edit is refused
		w.sets(w.credentials())
		eventually(t, "the edit is refused", func() bool { return strings.Contains(w.said.String(), "restart") })
	}, "daemon", "", []string{"another configuration in force", "bearerd reload"}},
	"missing secret": {func(_ *testing.T, w *ward) {
		w.sets(`headers = { X-Key = secret("lost") }`, w.credentials())
	}, "secrets", "", []string{"headers X-Key", "bearerd secret set lost"}},
	"unset variable": {func(_ *testing.T, w *ward) {
		w.sets(`headers = { X-Key = env("NOT_SET_HERE") }`)
	}, "secrets", "", []string{"set NOT_SET_HERE"}},
	"missing program": {func(_ *testing.T, w *ward) {
		w.configure(server("s", `command = "no-such-program"`, w.credentials()))
	}, "command", "", []string{"no-such-program", "install"}},
	"program that is no MCP server": {func(_ *testing.T, w *ward) {
		w.configure(server("s", w.script("bad", "#!/bin/sh\necho cannot begin >&2\nexit 3\n"), w.credentials()))
	}, "initialize", "", []string{"cannot begin", "by hand"}},
	"unknown host": {func(_ *testing.T, w *ward) {
		w.configure(server("s", `url = "https://no-such-host.invalid/mcp"`, w.credentials()))
	}, "upstream", "", []string{"DNS", "verify the host in url"}},
	"refused port": {func(t *testing.T, w *ward) {
		w.configure(server("s", attribute("url", "https://"+freeAddress(t)+"/mcp"), w.credentials()))
	}, "upstream", "", []string{"refused", "port in url"}},
	"plain http behind https": {func(t *testing.T, w *ward) {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		w.configure(server("s", attribute("url", strings.Replace(s.URL, "http:", "https:", 1)+"/mcp"), w.credentials()))
	}, "upstream", "", []string{"TLS"}},
	"unknown authority": {func(t *testing.T, w *ward) {
		other, err := oauthtest.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.Close)
		if err := other.WriteCA(w.path("ca.pem")); err != nil {
			t.Fatal(err)
		}
	}, "upstream", "", []string{"unknown authority", "OAUTH_CA_BUNDLE_PATH"}},
	"authorization server away": {func(t *testing.T, w *ward) {
		w.sets(w.grant("https://"+freeAddress(t)+"/token", "ca.pem", "app", "canary-of-app"))
	}, "authorization server", "", []string{"refused", "OAUTH_TOKEN_URL"}},
	"wrong client secret": {func(_ *testing.T, w *ward) {
		w.as.Register(oauthtest.Client{ID: "app", Secret: "another"})
	}, "token", "", []string{"invalid_client", "OAUTH_CLIENT_SECRET", "app.secret"}},
	"wrong token endpoint": {func(_ *testing.T, w *ward) {
		w.sets(w.grant(w.as.URL()+"/tokens", "ca.pem", "app", "canary-of-app"))
	}, "token", "", []string{"404"}},
	"narrower scopes": {func(_ *testing.T, w *ward) {
		w.as.FailAt("/token", 100, oauthtest.Edit(func(a map[string]any) { a["scope"] = "read" }))
		w.sets(w.credentials(`OAUTH_SCOPE = "read write"`))
	}, "scopes", "", []string{"lacking: write", "OAUTH_VALIDATE_SCOPES"}},
	"fewer scopes are enough": {func(_ *testing.T, w *ward) {
		w.as.FailAt("/token", 100, oauthtest.Edit(func(a map[string]any) { a["scope"] = "read" }))
		w.sets(w.credentials(`OAUTH_SCOPE = "read write"`, "OAUTH_VALIDATE_SCOPES = false"))
	}, "scopes", doctor.Warned, []string{"lacking: write", "OAUTH_SCOPE"}},
	"nobody has signed in": {func(_ *testing.T, w *ward) {
		w.sets(w.person())
	}, "token", "", []string{"nobody has signed in", "bearerd login s"}},
	"dead refresh token": {func(_ *testing.T, w *ward) {
		dead := w.as.Grant("app")
		w.as.Revoke(dead)
		w.private(dead)
		w.write("refresh", dead)
		w.sets(w.credentials(`OAUTH_GRANT_TYPE = "refresh_token"`, `OAUTH_REFRESH_TOKEN = file("refresh")`))
		w.run("token", "s")
	}, "token", "", []string{"put a new one", "refresh"}},
	"another issuer": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { d["issuer"] = "https://other.example.com" })
		w.sets(w.person())
	}, "discovery", "", []string{"another issuer", "OAUTH_TOKEN_URL"}},
	"another resource": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Document: func(d map[string]any) { d["resource"] = "https://other.example.com/mcp" }})
		w.sets(w.person())
	}, "discovery", "", []string{"another resource", "OAUTH_SERVER_URL"}},
	"no registration": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { delete(d, "registration_endpoint") })
		w.sets(w.person())
	}, "registration", "", []string{"registers no clients", "OAUTH_CLIENT_ID"}},
	"no PKCE": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { delete(d, "code_challenge_methods_supported") })
		w.sets(w.person())
	}, "discovery", "", []string{"PKCE", "OAUTH_CODE_CHALLENGE_METHOD"}},
	"token for another audience": {func(_ *testing.T, w *ward) {
		w.sets(w.grant(w.as.TokenURL(), "ca.pem", "app", "canary-of-app", attribute("OAUTH_RESOURCE", "https://other.example.com/mcp")))
	}, "initialize", "", []string{"401", "OAUTH_RESOURCE", "OAUTH_AUDIENCE"}},
	"insufficient scope": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Require: map[string]string{"": "admin"}})
	}, "initialize", "", []string{"403", "OAUTH_SCOPE", "admin"}},
	"insufficient scope for the tools": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Require: map[string]string{"tools/list": "admin"}})
	}, "tools/list", "", []string{"403", "OAUTH_SCOPE", "admin"}},
	"web page": {func(_ *testing.T, w *ward) {
		w.mcp.FailAt("/mcp", 100, oauthtest.Answer(200, "text/html; charset=utf-8", "<html>Welcome</html>"))
	}, "initialize", "", []string{"HTML", "verify url"}},
	"wrong path": {func(_ *testing.T, w *ward) {
		w.configure(server("s", attribute("url", w.mcp.URL()+"/wrong"), w.credentials()))
	}, "initialize", "", []string{"404", "/mcp"}},
	"redirect": {func(_ *testing.T, w *ward) {
		w.mcp.FailAt("/mcp", 100, oauthtest.Redirect(308, "https://final.example.com/mcp"))
	}, "initialize", "", []string{"final.example.com", "final address"}},
	"needs no token": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Open: []string{"initialize", "tools/list", "notifications/initialized"}})
	}, "initialize", doctor.Warned, []string{"without a token", "enabled = false"}},
	"wrong clock": {func(_ *testing.T, w *ward) {
		past := func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			rw.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
			next.ServeHTTP(rw, r)
		}
		w.mcp.FailAt("/mcp", 100, past)
		w.mcp.FailAt("/", 100, past)
		w.as.FailAt("/", 100, past)
		w.sets()
		w.mcp.Protect(oauthtest.Protection{Open: []string{"initialize", "tools/list", "notifications/initialized"}})
		w.plain()
	}, "clock", "", []string{"10m", "ahead", "set it"}},
}

// plain makes the MCP server one with plain http that wants no token.
func (w *ward) plain() {
	address := freeAddress(w.t)
	s := &http.Server{Addr: address, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		w.mcp.ServeHTTP(rw, r)
	})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	w.t.Cleanup(func() { _ = s.Close(); <-done })
	w.configure(server("s", attribute("url", "http://"+address+"/mcp")))
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
