package config

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const delegatedGrant = `OAUTH_GRANT_TYPE="authorization_code"`

// person is a url server where a person approves, with nothing else but the lines.
func person(lines ...string) string {
	return oauthServer(append([]string{delegatedGrant, "OAUTH_CLIENT_ID=", "OAUTH_CLIENT_SECRET=", "OAUTH_TOKEN_URL="}, lines...)...)
}

// What the examples of the second guide leave to be found.
func TestSecondGuide(t *testing.T) {
	home(t)
	all := readAll(t, "../testdata/config/good/guide-*.hcl")
	if len(all) != 6 {
		t.Errorf("there are %d examples", len(all))
	}
	for name, c := range map[string]struct {
		discovers bool
		resource  string
	}{
		"guide-public-client.hcl": {false, "https://api.example.com/mcp"},
		"guide-registration.hcl":  {true, "https://api.example.com"},
		"guide-discovery.hcl":     {true, "https://api.example.com"},
		"guide-github.hcl":        {false, "https://github.example.com/api/v1/mcp"},
		"guide-google.hcl":        {false, "https://mcp.example.com/api"},
		"guide-own-server.hcl":    {false, "https://mcp.yourcompany.com"},
	} {
		cfg, diags := Load(write(t, name, all[name]))
		if cfg == nil {
			t.Fatal(diags)
		}
		s := cfg.Servers[0]
		if o := s.OAuth; o.Discovers() != c.discovers || s.Resource() != c.resource || !o.Delegated() || !o.UsePKCE || o.Scope == "" {
			t.Errorf("%s: discovers %v from %s: %+v", name, o.Discovers(), s.Resource(), o)
		}
	}
}

// The fields arrive as written, and their defaults are those that are documented.
func TestDelegatedFields(t *testing.T) {
	home(t)
	all := readAll(t, "../testdata/config/good/delegated-*.hcl")
	cfg, diags := Load(write(t, "c.hcl", all["delegated-everything.hcl"]))
	if cfg == nil {
		t.Fatal(diags)
	}
	s, o := cfg.Servers[0], cfg.Servers[0].OAuth
	if s.Login != "auto" || !slices.Equal(s.AllowStepUp, []string{"files:write"}) || len(s.AllowPrivate) != 6 ||
		o.AuthorizationURL != "https://auth.example.com/authorize?owner=user" || o.DeviceURL != "https://auth.example.com/device" ||
		o.RegistrationURL != "https://auth.example.com/register" || o.ServerURL != "https://mcp.example.com/v2/mcp" ||
		o.RedirectURI != "http://[::1]:8123/callback?tenant=a" || o.CodeChallengeMethod != "S256" || o.PrivateKeyID != "k1" ||
		o.PrivateKeyPath.String() != `credential("key")` || o.AuthorizationParams["access_type"].Value.Reveal() != "offline" ||
		o.AuthorizationParams["max_age"].Value.Reveal() != "60" || o.AuthorizationParams["hint"].String() != `env("HINT")` {
		t.Errorf("%+v %+v", s, o)
	}
	cfg, diags = Load(write(t, "c.hcl", all["delegated-minimal.hcl"]))
	if cfg == nil {
		t.Fatal(diags)
	}
	s, o = cfg.Servers[0], cfg.Servers[0].OAuth
	if s.Login != "command" || !o.UsePKCE || o.CodeChallengeMethod != "" || o.UseBasicAuth != nil || !o.Discovers() {
		t.Errorf("%+v %+v", s, o)
	}
}

// marshalled is a key as PKCS#8, PEM.
func marshalled(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func made[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// signingKeys are texts of a key file, with whether they can be used.
func signingKeys(t *testing.T) map[string]struct {
	text   []byte
	usable bool
} {
	t.Helper()
	ec := made[*ecdsa.PrivateKey](t)
	weak := ec(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	strong := ec(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	sec1 := made[[]byte](t)(x509.MarshalECPrivateKey(strong))
	rsaKey := made[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	exchange := made[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return map[string]struct {
		text   []byte
		usable bool
	}{
		"RSA":               {marshalled(t, rsaKey), true},
		"RSA, PKCS#1":       {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), true},
		"P-384, SEC 1":      {block("EC PRIVATE KEY", sec1), true},
		"after parameters":  {append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", sec1)...), true},
		"Ed25519":           {marshalled(t, edwards), true},
		"P-224":             {marshalled(t, weak), false},
		"X25519":            {marshalled(t, exchange), false},
		"with a passphrase": {block("ENCRYPTED PRIVATE KEY", []byte("CANARY")), false},
		"a certificate":     {makePair(t).cert, false},
		"no PEM":            {[]byte("CANARY"), false},
		"empty":             {nil, false},
	}
}

func TestPrivateKeyFiles(t *testing.T) {
	home(t)
	for name, c := range signingKeys(t) {
		path := write(t, "key.pem", string(c.text))
		want := "Private key holds no PEM private key that can be used: " + path
		if c.usable {
			want = ""
		}
		for _, lines := range [][]string{{"OAUTH_CLIENT_SECRET="}, {delegatedGrant, "OAUTH_CLIENT_SECRET=", "OAUTH_TOKEN_URL="}} {
			diags := errorsOf(t, oauthServer(append(lines, `OAUTH_PRIVATE_KEY_PATH="`+path+`"`)...))
			if got := strings.Join(messages(diags, Error), ", "); got != want || strings.Contains(diags.Error(), "CANARY") {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		must(t, os.Chmod(path, 0o644))
		_, diags := Load(write(t, "c.hcl", oauthServer("OAUTH_CLIENT_SECRET=", `OAUTH_PRIVATE_KEY_PATH="`+path+`"`)))
		if got := messages(diags, Warning); !slices.Equal(got, []string{"Private key is readable by others: " + path}) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// A token never overwrites the key, and the file of the key is followed.
func TestPrivateKeyIsAFileInUse(t *testing.T) {
	home(t)
	path := write(t, "key.pem", string(makePair(t).key))
	text := strings.Replace(oauthServer("OAUTH_CLIENT_SECRET=", `OAUTH_PRIVATE_KEY_PATH="`+path+`"`),
		`url = "https://mcp.example.com/mcp"`, "command = \"uvx\"\n  token_file = \""+path+"\"", 1)
	if got := messages(errorsOf(t, text), Error); !slices.Equal(got, []string{"token_file is a private key"}) {
		t.Errorf("got %q", got)
	}
	cfg, diags := Load(write(t, "c.hcl", person(`OAUTH_CLIENT_ID="id"`, `OAUTH_PRIVATE_KEY_PATH="`+path+`"`,
		`OAUTH_AUTHORIZATION_PARAMS={ hint = file("/hint") }`)))
	if cfg == nil {
		t.Fatal(diags)
	}
	var followed []string
	cfg.files(func(p string) { followed = append(followed, p) })
	slices.Sort(followed)
	want := []string{"/hint", path}
	slices.Sort(want)
	if !slices.Equal(followed, want) {
		t.Errorf("got %q, want %q", followed, want)
	}
}

// What may be secret in the new fields is not shown: neither in a snippet nor by a plan.
func TestDelegatedSecretsAreNotShown(t *testing.T) {
	home(t)
	for _, line := range []string{
		`OAUTH_AUTHORIZATION_PARAMS={ state = "CANARY" }`, `OAUTH_AUTHORIZATION_PARAMS=CANARY`, `OAUTH_AUTHORIZATION_PARAMS=["CANARY"]`,
		`OAUTH_AUTHORIZATION_URL="http://auth.example.com/CANARY?CANARY"`, `OAUTH_REGISTRATION_URL="http://auth.example.com/CANARY"`,
		`OAUTH_SERVER_URL="http://auth.example.com/CANARY"`, `OAUTH_DEVICE_AUTHORIZATION_URL="http://a.example.com/CANARY"`,
		`OAUTH_REDIRECT_URI="http://a.example.com/CANARY"`, `OAUTH_CLIENT_METADATA_URL="http://a.example.com/CANARY"`,
		`OAUTH_AUTHORIZATION_URL="https://auth.example.com/?state=CANARY"`,
		`OAUTH_AUTHORIZATION_URL=CANARY`, `OAUTH_REGISTRATION_URL=CANARY`, `OAUTH_DEVICE_AUTHORIZATION_URL=CANARY`,
		`OAUTH_SERVER_URL=CANARY`, `OAUTH_REDIRECT_URI=CANARY`, `OAUTH_CLIENT_METADATA_URL=CANARY`,
	} {
		if diags := errorsOf(t, person(line)); len(diags) == 0 || strings.Contains(diags.Error(), "CANARY") {
			t.Errorf("%s: got\n%v", line, diags)
		}
	}
	load := func(secret string) *Config {
		cfg, diags := Load(write(t, "c.hcl", person(
			`OAUTH_AUTHORIZATION_PARAMS={ hint = "`+secret+`" }`, `OAUTH_SERVER_URL="https://a.example.com/`+secret+`"`)))
		if cfg == nil {
			t.Fatal(diags)
		}
		return cfg
	}
	changes := Compare(load("CANARY-1"), load("CANARY-2"))
	if got := fmt.Sprintf("%+v", changes); strings.Contains(got, "CANARY") || len(changes) != 1 || len(changes[0].Fields) != 2 {
		t.Errorf("got %s", got)
	}
}

// Where metadata is sought at the address of a server, all of that address counts: another path may name another issuer.
func TestCompareDiscovered(t *testing.T) {
	home(t)
	written := []string{`OAUTH_TOKEN_URL="https://auth.example.com/token"`, `OAUTH_AUTHORIZATION_URL="https://auth.example.com/a"`, `OAUTH_CLIENT_ID="id"`}
	remote := func(text string) string {
		return strings.Replace(text, `url = "https://mcp.example.com/mcp"`, `command = "npx"
  args = ["mcp-remote", "https://mcp.example.com/mcp"]`, 1)
	}
	for name, c := range map[string]struct {
		text, old, new string
		want           []Field
	}{
		"a path, discovered":       {person(), "com/mcp", "com/other", []Field{{Name: "url", Class: Retoken}}},
		"a path, a person":         {person(written...), "com/mcp", "com/other", []Field{{Name: "url", Class: Retoken}}},
		"a path, from elsewhere":   {person(`OAUTH_SERVER_URL="https://a.example.com"`), "com/mcp", "com/other", []Field{{Name: "url", Class: Live}}},
		"a path, a machine":        {oauthServer("OAUTH_TOKEN_URL="), "com/mcp", "com/other", []Field{{Name: "url", Class: Retoken}}},
		"a path, nothing to find":  {oauthServer(), "com/mcp", "com/other", []Field{{Name: "url", Class: Live}}},
		"an argument, discovered":  {remote(person()), "com/mcp", "com/other", []Field{{Name: "args", Class: Respawn}, {Name: "upstream", Class: Retoken}}},
		"an argument, elsewhere":   {remote(person(`OAUTH_SERVER_URL="https://a.example.com"`)), "com/mcp", "com/other", []Field{{Name: "args", Class: Respawn}}},
		"no longer discovered":     {person(written...), "OAUTH_TOKEN_URL = \"https://auth.example.com/token\"\n", "", []Field{{Name: "OAUTH_TOKEN_URL", Class: Retoken}}},
		"a machine's, no longer":   {oauthServer(), "OAUTH_TOKEN_URL = \"https://auth.example.com/token\"\n", "", []Field{{Name: "OAUTH_TOKEN_URL", Class: Retoken}}},
		"the start":                {person(`OAUTH_SERVER_URL="https://a.example.com"`), "//a.", "//b.", []Field{{Name: "OAUTH_SERVER_URL", Class: Retoken}}},
		"who may open the browser": {person(), "oauth_config {", "login = \"auto\"\n  oauth_config {", []Field{{Name: "login", Class: Live}}},
	} {
		var got []Field
		for _, change := range compareText(t, c.text, replaced(t, c.text, c.old, c.new)) {
			for _, f := range change.Fields {
				got = append(got, Field{Name: f.Name, Class: f.Class})
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestPrivateEntries(t *testing.T) {
	for entry, ok := range map[string]bool{
		"auth": true, "Auth.Internal.": true, "my_host-1.lan": true, "localhost": true, "10.0.0.8": true, "::1": true, "fd00::/8": true,
		"10.0.0.5/8": true, "192.168.1.300": false, "10": false, "[::1]": false, "a..b": false, "host:80": false, "ex ample": false,
		"bücher.example": false, "-": true, "fe80::1%eth0": false, "ff02::1": false, "169.254.169.254/32": false, "a/b": false,
	} {
		if message, remedy := privateEntry(entry); (message == "") != ok || (remedy == "") != ok {
			t.Errorf("%q: %q, %q", entry, message, remedy)
		}
	}
}
