package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bearerd/secrets"
)

func loaded(t *testing.T, name, text string) (*Config, Diagnostics) {
	t.Helper()
	cfg, diags := Load(write(t, name, text))
	if cfg == nil {
		t.Fatal(diags)
	}
	return cfg, diags
}

func TestVaultDefaults(t *testing.T) {
	home(t)
	cfg, _ := loaded(t, "c.hcl", `vault {
  address = "https://vault.example.com"
  auth "kubernetes" { role = "r" }
}
store "vault" {}
`)
	want := &secrets.Connection{
		Address: "https://vault.example.com", Mount: "secret", Timeout: 20 * time.Second,
		Auth: secrets.Auth{
			Method: "kubernetes", Mount: "kubernetes", Role: "r",
			JWT: secrets.Ref{Kind: secrets.File, Name: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
		},
	}
	if !reflect.DeepEqual(cfg.Vault, want) {
		t.Errorf("got  %+v\nwant %+v", cfg.Vault, want)
	}
	if *cfg.Shared != (Shared{Mount: "secret", Prefix: "bearerd"}) {
		t.Errorf("got %+v", cfg.Shared)
	}
	if cfg, _ := loaded(t, "c.hcl", plain); cfg.Vault != nil || cfg.Shared != nil {
		t.Error("there is a Vault that nobody wrote")
	}
}

func TestVaultValues(t *testing.T) {
	dir := home(t)
	cfg, _ := loaded(t, "c.hcl", readAll(t, "../testdata/config/good/vault-approle.hcl")["vault-approle.hcl"])
	want := &secrets.Connection{
		Address: "https://vault.example.com:8200", Namespace: "team/a", Mount: "kv/team-1", ServerName: "vault.internal",
		Timeout: 5 * time.Second,
		Auth: secrets.Auth{
			Method: "approle", Mount: "team/approle", Wrapped: true, RoleID: secrets.LiteralRef("5f8e"),
			SecretID: secrets.Ref{Kind: secrets.Credential, Name: "vault-secret-id"},
		},
	}
	if !reflect.DeepEqual(cfg.Vault, want) {
		t.Errorf("got  %+v\nwant %+v", cfg.Vault, want)
	}
	tickets := cfg.Server("tickets")
	for _, c := range []struct{ got, want string }{
		{cfg.Store.Path, dir + "/state"},
		{cfg.Shared.Mount + " " + cfg.Shared.Prefix, "kv bearerd/prod"},
		{tickets.OAuth.ClientSecret.String(), `vault("mcp/tickets", "client_secret")`},
		{tickets.OAuth.CustomHeaders["X-Key"].String(), `vault("mcp/tickets", "key")`},
		{tickets.OAuth.AdditionalParams["p"].String(), `vault("mcp/tickets", "p")`},
		{tickets.Headers["X-Up"].String(), `vault("mcp/up", "key")`},
		{cfg.Server("local").Env["KEY"].String(), `vault("mcp/local", "key")`},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	cfg, _ = loaded(t, "c.hcl.json", readAll(t, "../testdata/config/good/json-vault.hcl.json")["json-vault.hcl.json"])
	got := cfg.Server("tickets").OAuth.ClientSecret.String()
	if got != `vault("a", "b")` || cfg.Vault.Auth.Method != "approle" {
		t.Errorf("JSON: got %s and %+v", got, cfg.Vault)
	}
}

// A certificate, its key and a CA bundle may be kept in Vault; only files are looked at.
func TestCertificateReferences(t *testing.T) {
	home(t)
	cfg, _ := loaded(t, "c.hcl", readAll(t, "../testdata/config/good/mtls-vault.hcl")["mtls-vault.hcl"])
	o := cfg.Server("tickets").OAuth
	got := []string{o.ClientCertPath.String(), o.ClientKeyPath.String(), o.CABundlePath.String()}
	if !slices.Equal(got, []string{`vault("mtls", "cert")`, `secret("mtls/key")`, `credential("ca")`}) {
		t.Errorf("got %q", got)
	}
}

const bareVault = "vault {\n  auth \"%\" {}\n}\n"

// setVault sets every VAULT_* variable that may fill in, and what may not have an effect.
func setVault(t *testing.T, cert, key string) {
	t.Helper()
	for name, value := range map[string]string{
		"VAULT_ADDR": "https://env.example.com", "VAULT_NAMESPACE": "env/ns", "VAULT_CACERT": cert, "VAULT_CLIENT_CERT": cert,
		"VAULT_CLIENT_KEY": key, "VAULT_TLS_SERVER_NAME": "env.internal", "VAULT_TOKEN": "canary",
		"VAULT_AGENT_ADDR": "https://agent.example.com", "VAULT_SKIP_VERIFY": "true", "VAULT_CLIENT_TIMEOUT": "1",
	} {
		t.Setenv(name, value)
	}
}

func TestEnvironmentFillsInWhatIsLeftOut(t *testing.T) {
	home(t)
	pair := makePair(t)
	cert, key := write(t, "c.pem", string(pair.cert)), write(t, "k.pem", string(pair.key))
	setVault(t, cert, key)
	cfg, diags := loaded(t, "c.hcl", strings.Replace(bareVault, "%", "token", 1))
	want := &secrets.Connection{
		Address: "https://env.example.com", Namespace: "env/ns", Mount: "secret", CAPath: cert, ClientCertPath: cert,
		ClientKeyPath: key, ServerName: "env.internal", Timeout: 20 * time.Second,
		Auth: secrets.Auth{Method: "token", Mount: "token", Token: secrets.Ref{Kind: secrets.Env, Name: "VAULT_TOKEN"}},
	}
	if !reflect.DeepEqual(cfg.Vault, want) {
		t.Errorf("got  %+v\nwant %+v", cfg.Vault, want)
	}
	notes := []string{
		"vault address is taken from VAULT_ADDR", "vault ca_path is taken from VAULT_CACERT",
		"vault client_cert_path is taken from VAULT_CLIENT_CERT", "vault client_key_path is taken from VAULT_CLIENT_KEY",
		"vault namespace is taken from VAULT_NAMESPACE", "vault tls_server_name is taken from VAULT_TLS_SERVER_NAME",
		"vault token is taken from VAULT_TOKEN",
	}
	if got := messages(diags, Note); !slices.Equal(got, notes) || len(diags) != len(notes) || diags.HasErrors() {
		t.Errorf("got\n%v", diags)
	}
	text := diags.Error()
	if !strings.Contains(text, ": note: vault address is taken from VAULT_ADDR\n") || strings.Contains(text, "canary") {
		t.Errorf("got\n%s", text)
	}
}

func TestEnvironmentNeverOverrides(t *testing.T) {
	home(t)
	pair := makePair(t)
	cert, key := write(t, "c.pem", string(pair.cert)), write(t, "k.pem", string(pair.key))
	setVault(t, "/nonexistent/ca.pem", "/nonexistent/key.pem")
	cfg, diags := loaded(t, "c.hcl", `vault {
  address          = "https://file.example.com"
  namespace        = ""
  ca_path          = "`+cert+`"
  client_cert_path = "`+cert+`"
  client_key_path  = "`+key+`"
  tls_server_name  = "file.internal"
  auth "token" { token = env("T") }
}
`)
	if v := cfg.Vault; len(diags) > 0 || v.Address != "https://file.example.com" || v.Namespace != "" || v.CAPath != cert ||
		v.ClientCertPath != cert || v.ClientKeyPath != key || v.ServerName != "file.internal" || v.Auth.Token.Name != "T" {
		t.Errorf("got %+v\n%v", v, diags)
	}
	if cfg, diags := loaded(t, "c.hcl", plain); cfg.Vault != nil || len(diags) > 0 {
		t.Errorf("without a vault block: %v", diags)
	}
}

// VAULT_TOKEN belongs to the method token alone, and an empty variable counts as none.
func TestEnvironmentLimits(t *testing.T) {
	home(t)
	t.Setenv("VAULT_ADDR", "https://env.example.com")
	t.Setenv("VAULT_TOKEN", "canary")
	got := messages(errorsOf(t, strings.Replace(bareVault, "%", "jwt", 1)), Error)
	want := []string{`jwt is required and cannot be empty for auth "jwt"`, `role is required and cannot be empty for auth "jwt"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	t.Setenv("VAULT_TOKEN", "")
	t.Setenv("VAULT_ADDR", "http://env.example.com")
	got = messages(errorsOf(t, strings.Replace(bareVault, "%", "token", 1)), Error)
	want = []string{
		"HTTPS is required for address: secrets and tokens would cross the network in clear",
		`token is required and cannot be empty for auth "token"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A path in the environment is relative to where bearerd runs, as it is for the vault command.
func TestEnvironmentPath(t *testing.T) {
	home(t)
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("ca.pem", makePair(t).cert, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_ADDR", "https://env.example.com")
	t.Setenv("VAULT_CACERT", "ca.pem")
	cfg, _ := loaded(t, "c.hcl", strings.Replace(bareVault, `"%" {}`, `"kubernetes" { role = "r" }`, 1))
	if cfg.Vault.CAPath != filepath.Join(dir, "ca.pem") {
		t.Errorf("got %s", cfg.Vault.CAPath)
	}
}

// Every method takes its own attributes, and is refused each of the others.
func TestAuthMethods(t *testing.T) {
	home(t)
	pair := makePair(t)
	cert, key := write(t, "c.pem", string(pair.cert)), write(t, "k.pem", string(pair.key))
	values := map[string]string{
		"mount": `"m"`, "token": `env("T")`, "role_id": `"r"`, "secret_id": `env("S")`, "wrapped": "true",
		"role": `"r"`, "jwt": `env("J")`,
	}
	own := map[string]string{
		"token": "mount token", "approle": "mount role_id secret_id wrapped", "kubernetes": "mount role jwt",
		"jwt":  "mount role jwt",
		"cert": "mount role",
	}
	for method, list := range own {
		text := "vault {\n  address = \"https://vault.example.com\"\n  client_cert_path = \"" + cert +
			"\"\n  client_key_path = \"" + key + "\"\n  auth \"" + method + "\" {\n"
		for _, attr := range strings.Fields(list) {
			text += "    " + attr + " = " + values[attr] + "\n"
		}
		if diags := errorsOf(t, text+"  }\n}\n"); len(diags) > 0 {
			t.Errorf("%s: %v", method, diags)
		}
		for attr, value := range values {
			if slices.Contains(strings.Fields(list), attr) {
				continue
			}
			diags := errorsOf(t, text+"    "+attr+" = "+value+"\n  }\n}\n")
			if len(diags) != 1 || diags[0].Message != `auth "`+method+`" takes no `+attr || diags[0].Line < 8 ||
				!strings.Contains(diags[0].Remedy, strings.Fields(list)[1]) {
				t.Errorf("%s with %s: %v", method, attr, diags)
			}
		}
	}
	if diags := errorsOf(t, "vault {\n  address = \"https://v.example.com\"\n  auth \"x\" {}\n}\n"); len(diags) != 1 ||
		!strings.Contains(diags[0].Remedy, "approle, cert, jwt, kubernetes, token") {
		t.Errorf("got %v", diags)
	}
}

// The vault block may stand after what needs it, and in another file.
func TestVaultBlockAnywhere(t *testing.T) {
	home(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.hcl": oauthServer(`OAUTH_CLIENT_SECRET = vault("a", "b")`) + "store \"vault\" {}\n",
		"b.hcl": "vault {\n  address = \"https://vault.example.com\"\n  auth \"token\" { token = env(\"T\") }\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if cfg, diags := Load(dir); cfg == nil || len(diags) > 0 {
		t.Error(diags)
	}
}

// Both places of a refresh token that is written twice are named.
func TestSharedRefreshToken(t *testing.T) {
	home(t)
	one := oauthServer(`OAUTH_GRANT_TYPE="refresh_token"`, `OAUTH_REFRESH_TOKEN="canary"`)
	diags := errorsOf(t, one+strings.Replace(one, "tickets", "zoo", 1))
	if len(diags) != 1 || diags[0].Server != "zoo" || !strings.Contains(diags[0].Message, `"tickets"`) ||
		!strings.Contains(diags[0].Remedy, "c.hcl:") || strings.Contains(diags.Error(), "canary") {
		t.Errorf("got\n%v", diags)
	}
	other := strings.Replace(strings.Replace(one, "tickets", "zoo", 1), `"canary"`, `"another"`, 1)
	if diags := errorsOf(t, one+other); len(diags) > 0 {
		t.Errorf("two refresh tokens: %v", diags)
	}
}

// The remedy for a literal names a place that there is.
func TestRemedyForLiterals(t *testing.T) {
	home(t)
	const vault = "vault {\n  address = \"https://vault.example.com\"\n  auth \"token\" { token = \"canary\" }\n}\n"
	for text, want := range map[string]string{
		vault:                          `secret("vault/token")`,
		vault + "store \"vault\" {}\n": `credential("NAME")`,
		oauthServer(`OAUTH_GRANT_TYPE="refresh_token"`, `OAUTH_REFRESH_TOKEN="x"`): `secret("tickets/refresh-token")`,
	} {
		_, diags := loaded(t, "c.hcl", text)
		if len(diags) != 1 || diags[0].Severity != Warning || !strings.Contains(diags[0].Remedy, want) ||
			strings.Contains(diags.Error(), "canary") {
			t.Errorf("want %s, got\n%v", want, diags)
		}
	}
}

// The configuration that docs/vault.md shows loads without a warning.
func TestVaultDocumentation(t *testing.T) {
	home(t)
	b, err := os.ReadFile("../docs/vault.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```hcl\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("docs/vault.md shows no configuration")
	}
	cfg, diags := loaded(t, "c.hcl", text)
	if len(diags) > 0 || cfg.Vault == nil || cfg.Shared == nil {
		t.Error(diags)
	}
}
