package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

// oauthText cuts the text of the oauth_config object out of a block of the guide, unchanged; a fragment that is the
// inside of such an object is taken whole.
func oauthText(t *testing.T, text string) string {
	t.Helper()
	v, err := hujson.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if o := v.Find("/oauth_config"); o != nil {
		return text[o.StartOffset:o.EndOffset]
	}
	return text
}

// commandText is `"command": …, "args": …` of a block that has them, else a url.
func commandText(t *testing.T, text string) string {
	t.Helper()
	standard, err := hujson.Standardize([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var block struct{ Config map[string]any }
	if err := json.Unmarshal(standard, &block); err != nil {
		t.Fatal(err)
	}
	if block.Config == nil {
		return `"url": "https://mcp.example.com/mcp"`
	}
	b, err := json.Marshal(block.Config)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(b), "{}")
}

// supply makes the files that the guide's examples name; false when one cannot be made.
func supply(t *testing.T, paths ...string) bool {
	t.Helper()
	pair := makePair(t)
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			continue
		}
		made := filepath.Dir(p)
		for filepath.Dir(made) != "/" && !strings.HasPrefix(made, os.Getenv("HOME")) {
			made = filepath.Dir(made)
		}
		_, err := os.Stat(made)
		fresh := os.IsNotExist(err)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return false
		}
		text := pair.cert
		if strings.HasSuffix(p, "key.pem") {
			text = pair.key
		}
		if err := os.WriteFile(p, text, 0o600); err != nil {
			return false
		}
		t.Cleanup(func() {
			_ = os.Remove(p)
			if fresh {
				_ = os.RemoveAll(made)
			}
		})
	}
	return true
}

// Each oauth_config object of the guide loads when it is pasted into a server unchanged, comments and all.
func TestGuideLoadsUnchanged(t *testing.T) {
	dir := home(t)
	supply(t, dir+"/.ssh/github-app.pem", dir+"/.ssh/github-app-key.pem",
		dir+"/.certs/client.pem", dir+"/.certs/client-key.pem", dir+"/.certs/ca-bundle.pem")
	const bundle = "/path/to/ca-bundle.pem"
	for name, text := range readAll(t, "../testdata/config/guide/*.json") {
		t.Run(name, func(t *testing.T) {
			bundleMade := name != "complete.json" || supply(t, bundle)
			oauth := oauthText(t, text)
			if name == "mtls-fragment.json" { // the guide shows the mTLS fields alone
				oauth = `{"enabled": true, "OAUTH_CLIENT_ID": "x", "OAUTH_TOKEN_URL": "https://auth.example.com/token",` +
					strings.TrimPrefix(oauth, "{")
			}
			pasted := `{"server": {"pasted": {` + commandText(t, text) + `, "oauth_config": ` + oauth + `}}}`
			cfg, diags := Load(write(t, "guide.hcl.json", pasted))
			if !bundleMade {
				if got := messages(diags, Error); !slices.Equal(got, []string{"CA bundle not found: " + bundle}) {
					t.Fatal(diags)
				}
				t.Skipf("%s cannot be made here: that it loads with the CA bundle is not checked", name)
			}
			if cfg == nil {
				t.Fatal(diags)
			}
			if d, why := cfg.Servers[0].Delivery(); (name == "mcp-remote.json" || name == "complete.json") && d == DeliverEnv {
				t.Errorf("delivered by %s: %s", d, why)
			}
			if cfg.Servers[0].OAuth.ClientID == "" {
				t.Error("OAUTH_CLIENT_ID was not read")
			}
		})
	}
}

// The fields of the complete configuration arrive as written.
func TestGuideComplete(t *testing.T) {
	home(t)
	text, err := os.ReadFile("../testdata/config/guide/complete.json")
	if err != nil {
		t.Fatal(err)
	}
	oauth := strings.Replace(oauthText(t, string(text)), `"OAUTH_CA_BUNDLE_PATH": "/path/to/ca-bundle.pem"`, `"OAUTH_CA_BUNDLE_PATH": null`, 1)
	cfg, diags := Load(write(t, "c.json", `{"server": {"c": {"url": "https://mcp.example.com", "oauth_config": `+oauth+`}}}`))
	if cfg == nil {
		t.Fatal(diags)
	}
	o := cfg.Server("c").OAuth
	if !o.Enabled || o.IsRemote == nil || !*o.IsRemote || o.Version != "2.1" || o.GrantType != "client_credentials" ||
		o.ClientID != "your-client-id" || o.ClientSecret.Value.Reveal() != "your-client-secret" ||
		o.TokenURL != "https://auth.example.com/oauth/token" || o.Audience != "https://api.example.com" ||
		o.Organization != "org-123" || o.Scope != "read write delete" ||
		!slices.Equal(o.Resource, []string{"https://resource.example.com"}) ||
		o.UseBasicAuth != nil && !*o.UseBasicAuth || !o.EnforceHTTPS || !o.TokenInHeaderOnly || !o.ValidateScopes || o.TokenExpiryBuffer != 300 ||
		o.UseMTLS || o.ClientCertPath.String() != `file("/path/to/client.pem")` || o.ClientKeyPath.String() != `file("/path/to/client-key.pem")` ||
		o.RevocationURL != "https://auth.example.com/oauth/revoke" ||
		o.AdditionalParams["custom_param"].Value.Reveal() != "value" ||
		o.CustomHeaders["X-Custom-Header"].Value.Reveal() != "value" {
		t.Errorf("%+v", o)
	}
}

func TestGuideExamples(t *testing.T) {
	dir := home(t)
	supply(t, dir+"/.ssh/github-app.pem", dir+"/.ssh/github-app-key.pem")
	all := readAll(t, "../examples/guide/*.hcl")
	for _, name := range []string{"auth0.hcl", "mcp-remote.hcl", "github-mtls.hcl", "keycloak.hcl", "okta.hcl"} {
		t.Run(name, func(t *testing.T) {
			cfg, diags := Load(write(t, name, all[name]))
			if cfg == nil || len(diags) > 0 || len(cfg.Servers) != 1 {
				t.Fatal(diags)
			}
			if isLiteral(cfg.Servers[0].OAuth.ClientSecret) {
				t.Error("the secret is a literal")
			}
		})
	}
}

func TestEveryExampleLoads(t *testing.T) {
	dir := home(t)
	supply(t, dir+"/.ssh/github-app.pem", dir+"/.ssh/github-app-key.pem", dir+"/.certs/client-key.pem")
	n := 0
	for _, pattern := range []string{"../examples/*.hcl", "../examples/*/*.hcl"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if cfg, diags := Load(write(t, filepath.Base(path), string(text))); cfg == nil || len(diags) > 0 {
				t.Errorf("%s: %v", path, diags)
			}
			n++
		}
	}
	if n < 20 {
		t.Errorf("only %d examples were found", n)
	}
}
