package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets/vault/vaulttest"
)

// allowed is the policy of a bearerd that keeps its tokens in Vault and reads client secrets below mcp/.
const allowed = `
path "secret/data/bearerd/*"     { capabilities = ["create", "read", "update"] }
path "secret/metadata/bearerd/*" { capabilities = ["create", "read", "update", "list", "delete"] }
path "secret/data/mcp/*"         { capabilities = ["read"] }`

// vaulted is a home whose bearerd logs in to a real Vault by approle, through a tap.
type vaulted struct {
	*home
	vault *vaulttest.Server
	tap   *vaulttest.Tap
	as    *oauthtest.Server
	block string // of the connection
}

// startVaulted starts a Vault with the policy "bearerd", an authorization server with the client "app", whose secret is in
// Vault, and makes a home for them.
func startVaulted(t *testing.T, env ...string) *vaulted {
	t.Helper()
	s := vaulttest.Start(t)
	s.Do("POST", "sys/auth/approle", map[string]any{"type": "approle"})
	s.Policy("bearerd", allowed)
	s.Do("POST", "auth/approle/role/bearerd", map[string]any{"token_policies": "bearerd", "token_ttl": "1h"})
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	as.Register(oauthtest.Client{ID: "app", Secret: "canary-of-app"})
	v := &vaulted{vault: s, as: as}
	v.put("mcp/app", map[string]any{"client_secret": "canary-of-app"})
	return v.host(t, env...)
}

// host makes another home on the same Vault and authorization server.
func (v *vaulted) host(t *testing.T, env ...string) *vaulted {
	t.Helper()
	other := &vaulted{vault: v.vault, as: v.as, home: newHome(t, env...), tap: vaulttest.Front(t, v.vault)}
	other.private("canary-of-app")
	if err := v.as.WriteCA(other.path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	other.block = other.login(other.tap.Addr)
	return other
}

// login makes a secret id and the block that logs in with it at address.
func (v *vaulted) login(address string) string {
	v.t.Helper()
	role := v.data("GET", "auth/approle/role/bearerd/role-id", nil)["role_id"]
	id := fmt.Sprint(v.data("POST", "auth/approle/role/bearerd/secret-id", map[string]any{})["secret_id"])
	v.private(id)
	v.write("secret-id", id+"\n")
	return fmt.Sprintf("vault {\n%s\nauth \"approle\" {\n%s\nsecret_id = file(\"secret-id\")\n}\n}\n",
		attribute("address", address), attribute("role_id", role))
}

// data is what Vault answers with.
func (v *vaulted) data(method, path string, body any) map[string]any {
	data, _ := v.vault.Do(method, path, body)["data"].(map[string]any)
	return data
}

// put writes a secret as an operator does.
func (v *vaulted) put(path string, fields map[string]any) {
	v.vault.Do("POST", "secret/data/"+path, map[string]any{"data": fields})
}

// grantInVault is the oauth_config of the client "app", its secret in Vault.
func (v *vaulted) grantInVault(lines ...string) string {
	lines = append(lines, `OAUTH_CLIENT_SECRET = vault("mcp/app", "client_secret")`)
	return v.grant(v.as.TokenURL(), "ca.pem", "app", "", lines...)
}

// shared makes Vault the store, too.
const shared = "store \"vault\" {}\n"

// reported is what status --json says.
type reported struct {
	Vault struct {
		Up, Sealed bool
		Error      string
	}
	Servers []struct {
		Name  string
		Token struct {
			State, Status, Error, Remedy, Store, Fingerprint string
			Generation                                       uint64
			Uncommitted                                      bool
		}
	}
	Outdated []struct {
		Server string
		PID    int
		Env    []string
	}
}

func (h *home) reported() (r reported) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok("status", "--json")), &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// ready asks /readyz.
func (v *vaulted) ready(t *testing.T) string {
	t.Helper()
	status, word := ask(t, http.MethodGet, "http://"+v.admin+"/readyz")
	return fmt.Sprintf("%d %s", status, strings.TrimSpace(word))
}

// logins are how often bearerd has logged in to Vault, by its metrics.
func (v *vaulted) logins(t *testing.T) int {
	t.Helper()
	text := v.metricsPage()
	found := regexp.MustCompile(`bearerd_vault_logins_total\{result="success"\} (\d+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("/metrics counts no logins to Vault:\n%s", text)
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// within is eventually with a deadline that is part of what is promised.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	start := time.Now()
	eventually(t, what, ok)
	if took := time.Since(start); took > limit {
		t.Errorf("%s: it took %s, which is more than %s", what, took, limit)
	}
}

// requestsWith counts the token requests of a client.
func requestsWith(as *oauthtest.Server, client string) (n int) {
	for _, r := range as.Requests() {
		user, _, _ := (&http.Request{Header: r.Header}).BasicAuth()
		if r.Path == "/token" && (r.Form.Get("client_id") == client || user == client) {
			n++
		}
	}
	return n
}
