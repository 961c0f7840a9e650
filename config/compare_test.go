package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every attribute of a struct that can change while bearerd runs says what a change of it does.
func TestEveryFieldHasAClass(t *testing.T) {
	classes := []Class{Live, Retoken, Respawn, Rebind, Restart, none}
	for _, v := range []any{Server{}, OAuth{}, Proxy{}, Local{}} {
		for name, f := range fields(reflect.TypeOf(v)) {
			if !slices.Contains(classes, Class(f.Tag.Get("reload"))) {
				t.Errorf("%T.%s (%s) has the reload tag %q", v, f.Name, name, f.Tag.Get("reload"))
			}
		}
	}
}

// What a change of a value does is documented as it is tagged.
func TestDocumentedClasses(t *testing.T) {
	b, err := os.ReadFile("../docs/configuration.md")
	must(t, err)
	_, text, _ := strings.Cut(string(b), "\n## Editing while it runs\n")
	text, _, _ = strings.Cut(text, "\n## ")
	documented := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for i, word := range strings.Split(cells[2], "`") {
			if i%2 == 1 {
				documented[word] = strings.Trim(cells[1], " `")
			}
		}
	}
	for _, v := range []any{Server{}, OAuth{}} {
		for name, f := range fields(reflect.TypeOf(v)) {
			if want := f.Tag.Get("reload"); documented[name] != want {
				t.Errorf("%s is documented as %q, and is %q", name, documented[name], want)
			}
		}
	}
}

const baseConfig = `
log {}
store "file" { path = "/state" }
proxy { listen = "127.0.0.1:7411" }
admin {}
vault {
  address = "https://vault.example.com"
  auth "approle" {
    role_id   = "CANARY-role"
    secret_id = env("ID")
  }
}
store "vault" { prefix = "a" }
server "remote" {
  url     = "https://mcp.example.com/mcp?key=CANARY"
  headers = { X-Team = "CANARY" }
  oauth_config {
    enabled                 = true
    OAUTH_CLIENT_ID         = "id"
    OAUTH_CLIENT_SECRET     = "CANARY-a"
    OAUTH_TOKEN_URL         = "https://auth.example.com/CANARY"
    OAUTH_SCOPE             = "read"
    OAUTH_ADDITIONAL_PARAMS = { realm = "CANARY" }
  }
}
server "child" {
  command = "uvx"
  args    = ["--key", "CANARY"]
  env     = { LEVEL = "CANARY", OLD = "x" }
}
server "arguments" {
  command = "npx"
  args    = ["mcp-remote", "https://one.example.com/CANARY"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
  }
}
server "off" {
  url = "https://off.example.com"
  oauth_config { 
    enabled     = false
    OAUTH_SCOPE = "read"
  }
}
`

func compareText(t *testing.T, from, to string) Changes {
	t.Helper()
	a, _ := loaded(t, "c.hcl", from)
	b, _ := loaded(t, "c.hcl", to)
	return Compare(a, b)
}

func TestCompare(t *testing.T) {
	home(t)
	for _, c := range []struct{ old, new, want string }{
		{`log {}`, `log { level = "debug" }`, "~ log\n    ~ level: info → debug   live\n"},
		{`"127.0.0.1:7411"`, `"127.0.0.1:1"`, "~ proxy (new address)\n    ~ listen: 127.0.0.1:7411 → 127.0.0.1:1   rebind\n"},
		{`"read"
    OAUTH_A`, `["read", "write"]
    OAUTH_A`, "~ server \"remote\" (new token)\n    ~ OAUTH_SCOPE: read → read write   retoken\n"},
		{`  headers = { X-T`, `  allow_users = ["anna"]
  headers = { X-T`, "~ server \"remote\"\n    ~ allow_users: (none) → anna   live\n"},
		{`https://mcp.example.com/mcp`, `https://mcp.example.com/other`, "~ server \"remote\"\n    ~ url   live\n"},
		{`https://mcp.example.com/mcp`, `https://two.example.com/mcp`,
			"~ server \"remote\" (new token)\n    ~ url: https://mcp.example.com → https://two.example.com   retoken\n"},
		{`X-Team = "CANARY"`, `X-Team = "CANARY2", "X-More" = "CANARY"`,
			"~ server \"remote\"\n    ~ headers.X-More   live\n    ~ headers.X-Team   live\n"},
		{`"CANARY-a"`, `"CANARY-b"`, "~ server \"remote\"\n    ~ OAUTH_CLIENT_SECRET   live\n"},
		{`"CANARY-a"`, `env("S")`,
			"~ server \"remote\"\n    ~ OAUTH_CLIENT_SECRET: a literal → env(\"S\")   live\n"},
		{`auth.example.com/CANARY`, `auth.example.com/CANARY2`,
			"~ server \"remote\" (new token)\n    ~ OAUTH_TOKEN_URL   retoken\n"},
		{`realm = "CANARY"`, `realm = "CANARY2"`,
			"~ server \"remote\" (new token)\n    ~ OAUTH_ADDITIONAL_PARAMS.realm   retoken\n"},
		{`"--key", "CANARY"`, `"--key", "CANARY2"`, "~ server \"child\" (a running child keeps the old value)\n    ~ args   respawn\n"},
		{`LEVEL = "CANARY", OLD = "x"`, `LEVEL = "CANARY2"`,
			"~ server \"child\" (a running child keeps the old value)\n    ~ env.LEVEL   respawn\n    ~ env.OLD   respawn\n"},
		{`"https://one.example.com/CANARY"`, `"https://two.example.com/CANARY"`,
			"~ server \"arguments\" (a running child keeps the old value, new token)\n    ~ args   respawn\n    ~ upstream   retoken\n"},
		{`enabled     = false
    OAUTH_SCOPE = "read"`, `enabled     = false
    OAUTH_SCOPE = "write"`, "~ server \"off\"\n    ~ OAUTH_SCOPE: read → write   live\n"},
		{`enabled     = false
    OAUTH_SCOPE = "read"`, `enabled     = false`, "~ server \"off\"\n    ~ OAUTH_SCOPE: read → (none)   live\n"},
	} {
		changes := compareText(t, baseConfig, replaced(t, baseConfig, c.old, c.new))
		var b strings.Builder
		_, _ = changes.WriteTo(&b)
		if want := c.want + "Plan: 0 to add, 1 to change, 0 to remove.\n"; b.String() != want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", c.new, b.String(), want)
		}
		if text := fmt.Sprintf("%+v", changes); strings.Contains(text, "CANARY") {
			t.Errorf("a value is shown: %s", text)
		}
		if list := changes.RestartRequired(); list != nil {
			t.Errorf("got %q", list)
		}
	}
}

func replaced(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is there %d times", old, strings.Count(text, old))
	}
	return strings.Replace(text, old, new, 1)
}

func TestNoChange(t *testing.T) {
	home(t)
	// Other order, comments and white space; defaults written out; an empty list; what is not enabled left out.
	moved, rest, _ := strings.Cut(baseConfig, `server "child"`)
	for name, text := range map[string]string{
		"order":    "# comment\n" + `server "child"` + rest + moved,
		"defaults": replaced(t, baseConfig, "log {}", "log {\n  level = \"info\"\n}"),
		"empty":    replaced(t, baseConfig, "  command = \"uvx\"\n", "  command = \"uvx\"\n  pass_env = []\n"),
		"moved":    replaced(t, baseConfig, "  command = \"uvx\"\n", "  command = \"uvx\"\n  moved_from = \"gone\"\n"),
		"block":    replaced(t, baseConfig, "x\" }\n}\n", "x\" }\n  oauth_config { enabled = false }\n}\n"),
	} {
		changes := compareText(t, baseConfig, text)
		var b strings.Builder
		_, _ = changes.WriteTo(&b)
		if b.String() != "No changes.\n" {
			t.Errorf("%s: got\n%s", name, b.String())
		}
	}
}

func TestServersComeAndGo(t *testing.T) {
	home(t)
	text := strings.NewReplacer(
		`server "child" {`, "server \"kid\" {\n  moved_from = \"child\"", `"--key"`, `"-k"`, `server "off"`, `server "new"`,
	).Replace(baseConfig)
	changes := compareText(t, baseConfig, text)
	var b strings.Builder
	_, _ = changes.WriteTo(&b)
	const want = `~ server "kid" (renamed from "child", a running child keeps the old value)
    ~ args   respawn
+ server "new"
- server "off"
Plan: 1 to add, 1 to change, 1 to remove.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// What is in force after a restart only is refused by its name.
func TestRestartRequired(t *testing.T) {
	home(t)
	for _, c := range []struct{ old, new, want string }{
		{`"/state"`, `"/other"`, `store "file": path`},
		{`admin {}`, ``, `admin: listen`},
		{`https://vault.example.com`, `https://vault2.example.com`, `vault: address`},
		{`CANARY-role`, `CANARY-other`, `vault: auth.role_id`},
		{`secret_id = env("ID")`, `secret_id = env("OTHER")`, `vault: auth.secret_id`},
		{`prefix = "a"`, `prefix = "b"`, `store "vault": prefix`},
		{`store "vault" { prefix = "a" }`, ``, `store "vault": mount, store "vault": prefix`},
		{`log {}`, `use { socket = "/run/use.sock" }`, `use: socket, use: mode`},
	} {
		changes := compareText(t, baseConfig, replaced(t, baseConfig, c.old, c.new))
		if got := strings.Join(changes.RestartRequired(), ", "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		var b strings.Builder
		_, _ = changes.WriteTo(&b)
		if !strings.Contains(b.String(), "A restart of bearerd is needed, and until then nothing of this is applied: "+c.want) {
			t.Errorf("got\n%s", b.String())
		}
	}
	vaultless, _ := loaded(t, "c.hcl", plain)
	token, _ := loaded(t, "c.hcl", plain+"vault {\n  address = \"https://v\"\n  auth \"token\" { token = env(\"T\") }\n}\n")
	got := Compare(vaultless, token).RestartRequired()
	if !slices.Contains(got, "vault: auth") || !slices.Contains(got, "vault: address") || !slices.Contains(got, "vault: auth.token") {
		t.Errorf("got %q", got)
	}
}

// thousands writes n servers into a folder, in files under the limit.
func thousands(tb testing.TB, n int) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	files := map[int]*strings.Builder{}
	for i := range n {
		f := i / 500
		if files[f] == nil {
			files[f] = &strings.Builder{}
		}
		fmt.Fprintf(files[f], `server "s%d" {
  url = "https://mcp%d.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = env("SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
    OAUTH_SCOPE         = "read write"
  }
}
`, i, i)
	}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.hcl", f)), []byte(files[f].String()), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func BenchmarkLoad10000(b *testing.B) {
	dir := thousands(b, 10_000)
	for b.Loop() {
		if cfg, diags := Load(dir); cfg == nil {
			b.Fatal(diags)
		}
	}
}

func BenchmarkRead10000(b *testing.B) {
	dir := thousands(b, 10_000)
	for b.Loop() {
		read(dir, nil)
	}
}

func BenchmarkCompare10000(b *testing.B) {
	dir := thousands(b, 10_000)
	from, _ := Load(dir)
	to, diags := Load(dir)
	if from == nil || to == nil {
		b.Fatal(diags)
	}
	to.Servers[5000].OAuth.Scope = "read"
	for b.Loop() {
		if n := len(Compare(from, to)); n != 1 {
			b.Fatal(n)
		}
	}
}
