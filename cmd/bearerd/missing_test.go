package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/secrets/vault/vaulttest"
)

// findings loads a configuration and tells what this machine lacks, one text each.
func findings(t *testing.T, text string) (said []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.hcl")
	text += fmt.Sprintf("store \"file\" { path = %q }\n", filepath.Join(t.TempDir(), "state"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diagnostics := config.Load(path)
	if cfg == nil {
		t.Fatal(diagnostics)
	}
	for _, f := range missing(t.Context(), cfg) {
		severity := "missing"
		if f.Fatal {
			severity = "error"
		}
		said = append(said, strings.TrimSpace(severity+" "+f.Server)+": "+f.Message)
	}
	if _, err := os.Stat(cfg.Store.Path); err == nil {
		t.Error("the state folder was made")
	}
	return said
}

// on is a configuration with two servers, whose values are in the Vault at address.
func on(address, auth, more string) string {
	const server = `server %q {
  url     = "https://mcp.example.com"
  headers = { X-Key = secret("key") }
  oauth_config {
    enabled                = true
    OAUTH_CLIENT_ID        = "c"
    OAUTH_GRANT_TYPE       = "refresh_token"
    OAUTH_REFRESH_TOKEN    = vault("mcp/%s", "refresh_token")
    OAUTH_USE_MTLS         = true
    OAUTH_CLIENT_CERT_PATH = vault("mcp/pair", "cert")
    OAUTH_CLIENT_KEY_PATH  = vault("mcp/pair", "key")
    OAUTH_CA_BUNDLE_PATH   = vault("mcp/ca", "pem")
    OAUTH_TOKEN_URL        = "https://auth.example.com/token"
  }
}
`
	return fmt.Sprintf("vault {\n  address = %q\n  %s\n}\n%s", address, auth, more) +
		fmt.Sprintf(server, "a", "a") + fmt.Sprintf(server, "b", "b")
}

func TestMissingInVault(t *testing.T) {
	s := vaulttest.Start(t)
	put := func(path string, data map[string]any) {
		t.Helper()
		s.Do("POST", "secret/data/"+path, map[string]any{"data": data})
	}
	put("mcp/a", map[string]any{"refresh_token": "canary-1"})
	put("mcp/b", map[string]any{"refresh_token": "canary-1"})
	put("mcp/pair", map[string]any{"cert": "x\ny"})
	t.Setenv("MISSING_TEST_TOKEN", s.RootToken)
	said := findings(t, on(s.Addr, `auth "token" { token = env("MISSING_TEST_TOKEN") }`, "store \"vault\" {}\n"))
	want := []string{ // how each text begins
		`missing a: headers X-Key: secret("key"): `, `missing a: OAUTH_CLIENT_KEY_PATH: vault("mcp/pair", "key"): `,
		`missing a: OAUTH_CA_BUNDLE_PATH: vault("mcp/ca", "pem"): `,
		`missing b: headers X-Key: secret("key"): `, `missing b: OAUTH_CLIENT_KEY_PATH: vault("mcp/pair", "key"): `,
		`missing b: OAUTH_CA_BUNDLE_PATH: vault("mcp/ca", "pem"): `,
		`error b: OAUTH_REFRESH_TOKEN has the value of that of server "a"`,
	}
	if !slices.EqualFunc(said, want, strings.HasPrefix) || strings.Contains(strings.Join(said, " "), "canary") {
		t.Errorf("got\n%s", strings.Join(said, "\n"))
	}

	put("mcp/b", map[string]any{"refresh_token": "canary-2"})
	put("mcp/pair", map[string]any{"cert": "x\ny", "key": "z"})
	put("mcp/ca", map[string]any{"pem": "x\ny"})
	text := on(s.Addr, `auth "token" { token = env("MISSING_TEST_TOKEN") }`, "")
	text = strings.ReplaceAll(text, `secret("key")`, `vault("mcp/ca", "pem")`)
	if said := findings(t, text); len(said) > 0 {
		t.Errorf("all is there, and yet\n%s", strings.Join(said, "\n"))
	}
}

// The shared store is looked at too: its engine must be KV v2, which a start insists on, and its records readable.
func TestMissingLooksAtTheSharedStore(t *testing.T) {
	s := vaulttest.Start(t)
	s.Policy("references", `path "secret/data/mcp/*" { capabilities = ["read"] }`)
	s.Policy("store", `path "secret/data/bearerd/*" { capabilities = ["read"] }`)
	const plain, auth = "server %q {\n  command = \"true\"\n}\n", `auth "token" { token = env("MISSING_TEST_TOKEN") }`
	for name, c := range map[string]struct {
		token, more string
		want        []string
	}{
		"no policy":    {s.Token("", "references"), `store "vault" {}`, []string{`missing: store "vault": `, `"secret/data/bearerd/grant/s"`}},
		"nothing kept": {s.Token("", "references", "store"), `store "vault" {}`, nil},
		"KV v1":        {s.RootToken, `store "vault" { mount = "kv1" }`, []string{`error: store "vault": `, "KV version 1"}},
		"absent":       {s.RootToken, `store "vault" { mount = "none" }`, []string{`missing: store "vault": `, `"none"`}},
	} {
		t.Setenv("MISSING_TEST_TOKEN", c.token)
		text := fmt.Sprintf("vault {\n  address = %q\n  %s\n}\n%s\n"+plain, s.Addr, auth, c.more, "s")
		said := strings.Join(findings(t, text), "\n")
		for _, part := range c.want {
			if !strings.Contains(said, part) {
				t.Errorf("%s: %q is not in %q", name, part, said)
			}
		}
		if (said != "") != (c.want != nil) || strings.Contains(said, "\n") {
			t.Errorf("%s: got %q", name, said)
		}
	}
	t.Setenv("MISSING_TEST_TOKEN", s.RootToken) // one engine for both is told once
	text := on(s.Addr, auth+"\n  mount = \"kv1\"", "store \"vault\" { mount = \"kv1\" }\n")
	if said := findings(t, text); len(said) != 1 || !strings.HasPrefix(said[0], "error: vault: ") {
		t.Errorf("got\n%s", strings.Join(said, "\n"))
	}
}

// A wrapping token serves once: without a place to keep what it gives this command leaves it alone.
func TestMissingLeavesAWrappingTokenAlone(t *testing.T) {
	asked := listener(t, func(net.Conn) { t.Error("Vault was asked") })
	t.Setenv("MISSING_TEST_TOKEN", "canary")
	const auth = "auth \"approle\" {\n    role_id = \"r\"\n    wrapped = true\n    secret_id = env(\"MISSING_TEST_TOKEN\")\n  }"
	said := findings(t, on(asked, auth, "store \"vault\" {}\n"))
	if len(said) != 1 || !strings.HasPrefix(said[0], "missing: vault: not asked, since the wrapped secret_id") {
		t.Errorf("got\n%s", strings.Join(said, "\n"))
	}
}

// A Vault that takes connections and never answers holds the command up for vaultLimit in all.
func TestMissingDoesNotWaitForASilentVault(t *testing.T) {
	t.Parallel()
	silent := listener(t, func(net.Conn) {})
	start := time.Now()
	said := findings(t, on(silent, `auth "token" { token = "literal" }`, "store \"vault\" {}\n"))
	if took := time.Since(start); took > vaultLimit+4*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(said) != 11 || !strings.HasPrefix(said[0], "missing a: headers X-Key") ||
		!strings.HasPrefix(said[10], `missing: store "vault": `) {
		t.Errorf("got\n%s", strings.Join(said, "\n"))
	}
}

// listener accepts connections until t ends, and gives its URL.
func listener(t *testing.T, accepted func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var open []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open = append(open, c)
			accepted(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for _, c := range open {
			_ = c.Close()
		}
	})
	return "http://" + l.Addr().String()
}
