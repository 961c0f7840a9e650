package vault

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/secrets"
	"bearerd/secrets/vault/vaulttest"
)

func TestRead(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	for path, fields := range map[string]map[string]any{
		"a": {"f": "canary-value", "number": 1234567, "yes": true,
			"object": map[string]any{"x": "canary-inner"}, "null": nil},
		"deep/b c/ü": {"f": "deep"},
		"deleted":    {"f": "canary-gone"},
	} {
		server.Do("PUT", "secret/data/"+escaped(path), map[string]any{"data": fields})
	}
	server.Do("DELETE", "secret/data/deleted", nil)
	c, seen := open(t, given(server.Addr, server.RootToken), nil)
	seen.add("canary-value", "canary-inner", "canary-gone")
	for _, test := range []struct{ path, field, want string }{
		{"a", "f", "canary-value"}, {"/a/", "f", "canary-value"}, {"a", "number", "1234567"}, {"a", "yes", "true"},
		{"deep/b c/ü", "f", "deep"},
	} {
		if got, err := c.Read(t.Context(), test.path, test.field); err != nil || got != test.want {
			t.Errorf("Read(%q, %q) = %q, %v", test.path, test.field, got, err)
		}
	}
	for _, test := range []struct {
		path, field string
		kind        error
		says        string
	}{
		{"nothing", "f", secrets.ErrNotFound, "kv put -mount=secret nothing f="},
		{"a", "g", secrets.ErrNotFound, `no field "g"`},
		{"deleted", "f", secrets.ErrNotFound, "has been deleted"},
		{"a", "object", nil, "no text, number or boolean"},
		{"a", "null", nil, "no text, number or boolean"},
		{"../a", "f", nil, "part"},
		{"a//b", "f", nil, "part"},
	} {
		_, err := c.Read(t.Context(), test.path, test.field)
		if err == nil || !contains(err.Error(), test.says) {
			t.Errorf("Read(%q, %q): %v, want %q", test.path, test.field, err, test.says)
			continue
		}
		seen.check(err.Error())
		if test.kind != nil {
			wantErr(t, err, test.kind)
		}
	}
	testMounts(t, server, c)
	testEnvironment(t, server)
	testSoftDeleted(t, server, c)
}

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func testMounts(t *testing.T, server *vaulttest.Server, c *Client) {
	if err := c.Verify(t.Context(), "secret"); err != nil {
		t.Error(err)
	}
	for mount, says := range map[string]string{
		"kv1": "version 1", "secret/sub": `it has one at "secret"`, "sys": `of the kind "system"`, "nowhere": "nowhere",
	} {
		wantErr(t, c.Verify(t.Context(), mount), secrets.ErrDenied, says)
	}
	_, _, err := c.Store("kv1", "bearerd").Get(t.Context(), "k")
	wantErr(t, err, secrets.ErrDenied, "enable-versioning kv1")
	_, err = c.Store("kv1", "bearerd").Put(t.Context(), "k", nil, "")
	wantErr(t, err, secrets.ErrDenied, "version 1")
	server.Policy("reader", readAll)
	other, _ := open(t, given(server.Addr, server.Token("1h", "reader")), nil)
	wantErr(t, other.Verify(t.Context(), "nowhere"), secrets.ErrDenied, `no engine at "nowhere"`)
}

// testSoftDeleted counts a value whose newest version was deleted as absent, and writes over it.
func testSoftDeleted(t *testing.T, server *vaulttest.Server, c *Client) {
	store := c.Store("secret", "soft")
	rev, err := store.Put(t.Context(), "k", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	server.Do("DELETE", "secret/data/soft/k", nil)
	_, _, err = store.Get(t.Context(), "k")
	wantErr(t, err, secrets.ErrNotFound)
	if keys, err := store.List(t.Context(), ""); err != nil || len(keys) != 0 {
		t.Errorf("List = %q, %v", keys, err)
	}
	next, err := store.Put(t.Context(), "k", []byte("two"), "")
	if err != nil || next == rev {
		t.Errorf("Put over a deleted version: %q, %v", next, err)
	}
	fresh := c.Store("secret", "soft") // as another process, which has not seen the revision
	if _, err := fresh.Put(t.Context(), "k", []byte("three"), next); err != nil {
		t.Errorf("Put with a revision from elsewhere: %v", err)
	}
	fromAnother(t, c)
	foreign := map[string]any{"data": map[string]any{"other": 1}, "options": map[string]any{"cas": 3}}
	server.Do("PUT", "secret/data/soft/k", foreign)
	if _, _, err := store.Get(t.Context(), "k"); err == nil || !contains(err.Error(), "not written by bearerd") {
		t.Errorf("Get of a foreign value: %v", err)
	}
}

// fromAnother refuses a revision of before a Delete although its number fits, when another process has read it.
func fromAnother(t *testing.T, c *Client) {
	t.Helper()
	stale, err := c.Store("secret", "soft").Put(t.Context(), "again", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Store("secret", "soft").Delete(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Store("secret", "soft").Put(t.Context(), "again", []byte("two"), ""); err != nil {
		t.Fatal(err)
	}
	_, err = c.Store("secret", "soft").Put(t.Context(), "again", []byte("lost"), stale)
	wantErr(t, err, secrets.ErrConflict)
	if err := c.Store("secret", "soft").Delete(t.Context(), "again"); err != nil {
		t.Error(err)
	}
}

// testEnvironment shows that no VAULT_* variable has an effect.
func testEnvironment(t *testing.T, server *vaulttest.Server) {
	var asked []string
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
	}))
	defer trap.Close()
	for _, hostile := range []map[string]string{
		{"VAULT_ADDR": trap.URL, "VAULT_AGENT_ADDR": trap.URL, "VAULT_PROXY_ADDR": trap.URL, "VAULT_HTTP_PROXY": trap.URL,
			"VAULT_TOKEN": "hvs.wrong", "VAULT_NAMESPACE": "elsewhere", "VAULT_HEADERS": `{"X-Evil":"1"}`,
			"VAULT_WRAP_TTL":    "1m",
			"VAULT_MAX_RETRIES": "9", "VAULT_CLIENT_TIMEOUT": "1ns", "VAULT_RATE_LIMIT": "0.0001:1", "VAULT_SKIP_VERIFY": "true",
			"VAULT_SRV_LOOKUP": "true"},
		{"VAULT_SKIP_VERIFY": "maybe"}, {"VAULT_MAX_RETRIES": "-1"}, {"VAULT_RATE_LIMIT": "x"}, {"VAULT_CLIENT_TIMEOUT": "x"},
		{"VAULT_CACERT": "/nonexistent"}, {"VAULT_CLIENT_CERT": "/nonexistent"}, {"VAULT_PROXY_ADDR": "::"},
		{"VAULT_HEADERS": "{"}, {"VAULT_HEADERS": `{"X-Vault-Token":"x"}`}, {"VAULT_DISABLE_REDIRECTS": "x"}, {"VAULT_SRV_LOOKUP": "x"},
	} {
		for name, value := range hostile {
			_ = os.Setenv(name, value)
		}
		c, _ := open(t, given(server.Addr, server.RootToken), nil)
		mustRead(t, c)
		plainTLS := given(server.TLSAddr, server.RootToken)
		untrusting, _ := open(t, plainTLS, nil)
		_, err := untrusting.Read(t.Context(), "a", "f")
		wantErr(t, err, secrets.ErrUnavailable, "x509")
		for name, value := range hostile {
			if os.Getenv(name) != value {
				t.Errorf("%s has become %q", name, os.Getenv(name))
			}
			_ = os.Unsetenv(name)
		}
	}
	if len(asked) > 0 {
		t.Errorf("requests went to where the environment points: %q", asked)
	}
}

func TestOpenRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for says, change := range map[string]func(*secrets.Connection){
		"address: it must be a URL":          func(c *secrets.Connection) { c.Address = "vault:8200" },
		"user and password":                  func(c *secrets.Connection) { c.Address = "https://a:b@vault" },
		"write both or none":                 func(c *secrets.Connection) { c.ClientCertPath = missing },
		`auth "cert" needs client_cert_path`: func(c *secrets.Connection) { c.Auth.Method = "cert" },
		"ca_path: open " + missing:           func(c *secrets.Connection) { c.CAPath = missing },
		"client_cert_path " + missing:        func(c *secrets.Connection) { c.ClientCertPath, c.ClientKeyPath = missing, missing },
		`vault("a", "b") cannot be read before the`: func(c *secrets.Connection) {
			c.Auth.Token = secrets.Ref{Kind: secrets.Vault, Name: "a", Field: "b"}
		},
	} {
		conn := given("https://vault.example.com", "t")
		change(conn)
		if _, err := Open(conn, &secrets.Resolver{}, nil, nil); err == nil || !contains(err.Error(), says) {
			t.Errorf("Open: %v, want %q", err, says)
		}
	}
}

func TestAnswersThatAreNotVaults(t *testing.T) {
	t.Parallel()
	elsewhere := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusTemporaryRedirect)
	}
	for says, answer := range map[string]http.HandlerFunc{
		"redirect":                           elsewhere,
		"403: the answer is not Vault's own": answers(http.StatusForbidden, "a page"),
		"429":                                answers(http.StatusTooManyRequests, `{"errors":[]}`),
		"cannot be read":                     answers(http.StatusOK, "<html>"),
	} {
		other := httptest.NewServer(answer)
		c, _ := open(t, given(other.URL, "hvs.canary-token"), nil)
		_, err := c.Read(t.Context(), "a", "f")
		wantErr(t, err, secrets.ErrUnavailable, says)
		other.Close()
	}
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestBackoff counts the logins that Run tries in two minutes of outage.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := given("http://127.0.0.1:1", "hvs.canary-token")
		conn.Auth.Token = secrets.Ref{Kind: secrets.Env, Name: "ABSENT"}
		c, err := Open(conn, &secrets.Resolver{Getenv: func(string) (string, bool) { return "", false }}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		c.Run(ctx, func() { t.Error("up without a login") })
		// 1, 2, 4, 8, 16 and 30 s, each a tenth more or less
		if s := c.Status(); s.LoginFailures < 7 || s.LoginFailures > 9 || s.Up || !contains(s.Error, "ABSENT") {
			t.Errorf("the status after 2 minutes is %+v", s)
		}
	})
}
