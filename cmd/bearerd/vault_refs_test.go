package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A vault(…) reference is read wherever a secret is: for the token request, for upstream and for a child.
func TestVaultReferencesEverywhere(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-param", "canary-as-header", "canary-up-header", "canary-env")
	v.put("mcp/more", map[string]any{"param": "canary-param", "as_header": "canary-as-header", "up_header": "canary-up-header",
		"env": "canary-env", "port": 8080})
	var seen atomic.Pointer[http.Header]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(&r.Header)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{}}`)
	}))
	t.Cleanup(upstream.Close)
	grant := v.grantInVault(`OAUTH_ADDITIONAL_PARAMS = { extra = vault("mcp/more", "param") }`,
		`OAUTH_CUSTOM_HEADERS = { X-As = vault("mcp/more", "as_header") }`)
	v.configure(v.block,
		server("web", attribute("url", upstream.URL), `headers = { X-Up = vault("mcp/more", "up_header") }`, grant),
		server("child", `command = "sh"`, `args = ["-c", "echo $V $PORT"]`,
			`env = { V = vault("mcp/more", "env"), PORT = vault("mcp/more", "port") }`, grant),
	)
	v.daemon()
	if status, _, message := call(t, v.clientConfig("web", modernWire)); status != http.StatusOK {
		t.Errorf("through the proxy: %d %s", status, message)
	}
	token := strings.TrimPrefix(seen.Load().Get("Authorization"), "Bearer ")
	v.private(token)
	if _, active := v.as.Introspect(token); !active || seen.Load().Get("X-Up") != "canary-up-header" {
		t.Errorf("upstream got an active token: %t; X-Up %q", active, seen.Load().Get("X-Up"))
	}
	r := v.as.Requests()[0]
	if r.Form.Get("extra") != "canary-param" || r.Header.Get("X-As") != "canary-as-header" {
		t.Errorf("the token request has extra=%q, X-As: %q", r.Form.Get("extra"), r.Header.Get("X-As"))
	}
	if said := v.ok("exec", "child"); said != "canary-env 8080" {
		t.Errorf("the child says %q", said)
	}
	if said := v.ok("check"); !strings.Contains(said, "Vault is at "+v.tap.Addr+", the login by approle.") {
		t.Errorf("check says %q", said)
	}
	if leaks := findLeaks(v.files(), v.privates()); len(leaks) > 0 {
		t.Error(leaks)
	}
}

// The certificate, key and CA of mTLS may be in Vault, and a new pair is used without a restart.
func TestVaultHoldsTheClientCertificate(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("mtls", "tls_client_auth")}})
	fields := map[string]any{}
	for name, file := range map[string]string{"cert": p.ClientCert, "key": p.ClientKey, "ca": p.CAFile} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fields[name] = string(b)
	}
	v.private(strings.Split(fields["key"].(string), "\n")[1])
	v.put("mcp/tls", fields)
	grant := v.grant(p.TokenURL, "", "mtls", "", "OAUTH_USE_MTLS = true",
		`OAUTH_CLIENT_CERT_PATH = vault("mcp/tls", "cert")`, `OAUTH_CLIENT_KEY_PATH = vault("mcp/tls", "key")`)
	grant = strings.Replace(grant, `OAUTH_CA_BUNDLE_PATH = ""`, `OAUTH_CA_BUNDLE_PATH = vault("mcp/tls", "ca")`, 1)
	v.configure(v.block, server("s", nothing, grant))
	v.daemon()
	if !p.Active(t, v.token("s")) {
		t.Error("the token is not active")
	}
	v.put("mcp/tls", map[string]any{"cert": fields["cert"], "ca": fields["ca"]})
	if said := v.fails(1, "refresh", "s"); !strings.Contains(said, `no field "key"`) || !strings.Contains(said, "stays in service") {
		t.Errorf("without the key refresh says %q", said)
	}
	v.put("mcp/tls", fields)
	v.ok("refresh", "s")
}

// A client secret that was rotated in Vault is the one of the next request; nobody restarts or edits anything.
func TestVaultRotatedClientSecret(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-rotated", "canary-rotated-again")
	v.configure(v.block, server("s", nothing, v.grantInVault()))
	v.daemon()
	first := v.token("s")
	v.put("mcp/app", map[string]any{"client_secret": "canary-rotated"})
	v.as.Register(oauthtest.Client{ID: "app", Secret: "canary-rotated"})
	v.ok("refresh", "s")
	if v.token("s") == first {
		t.Error("the token is the one of before")
	}
	// The other order: the authorization server first.
	v.as.Register(oauthtest.Client{ID: "app", Secret: "canary-rotated-again"})
	if said := v.fails(1, "refresh", "s"); !strings.Contains(said, "invalid_client") || !strings.Contains(said, "stays in service") {
		t.Errorf("refresh says %q", said)
	}
	v.ok("invalidate", "s") // a person's wish, which is tried once
	v.fails(1, "token", "s", "--show")
	asked := requestsWith(v.as, "app")
	v.fails(1, "token", "s", "--show") // the same secret would be refused again
	if n := requestsWith(v.as, "app"); n != asked {
		t.Errorf("%d requests with a secret that was just refused", n-asked)
	}
	v.put("mcp/app", map[string]any{"client_secret": "canary-rotated-again"})
	v.ok("refresh", "s")
	v.token("s")
}

// After an invalid_client the secret is read again every minute, so that nobody has to ask.
func TestVaultRotatedSecretIsFoundUnasked(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-rotated")
	v.as.Register(oauthtest.Client{ID: "app", Secret: "canary-rotated"})
	v.configure(v.block, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	eventually(t, "the secret is refused", func() bool { return strings.Contains(d.stderr.String(), "invalid_client") })
	v.put("mcp/app", map[string]any{"client_secret": "canary-rotated"})
	start := time.Now()
	for requests := requestsWith(v.as, "app"); requestsWith(v.as, "app") == requests; time.Sleep(100 * time.Millisecond) {
		if time.Since(start) > 90*time.Second {
			t.Fatal("after 90 s the new secret is not in use")
		}
	}
	eventually(t, "a token is there", func() bool { return v.ready(t) == "200 ready" })
}
