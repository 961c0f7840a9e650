package config

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// cached is a Watcher that follows what it loads.
func cached(t *testing.T, path string) *Watcher {
	t.Helper()
	w := NewWatcher(path, slog.New(slog.DiscardHandler))
	w.settle = 0
	return w
}

// sameAsLoad compares what w loads now with a load that knows nothing of the ones before.
func sameAsLoad(t *testing.T, w *Watcher) *Config {
	t.Helper()
	got, diags := w.Load(t.Context())
	fresh := NewWatcher(w.path, w.log)
	want, wantDiags := fresh.Load(t.Context())
	if plain, plainDiags := Load(w.path); (plain == nil) != (want == nil) || !reflect.DeepEqual(plainDiags, wantDiags) {
		t.Fatalf("Load differs from a Watcher's first:\n%v\n%v", plainDiags, wantDiags)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(diags, wantDiags) {
		t.Fatalf("got\n%v\nwant\n%v", diags, wantDiags)
	}
	return got
}

// pieces are what a file of the folder is put together from: blocks that depend on others, and broken ones.
var pieces = []string{
	"server \"N\" {\n  url = \"https://N.example.com\"\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  listen = \"127.0.0.1:70NN\"\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  listen = \"0.0.0.0:70NN\"\n}\n", // refused: a value that failed
	"server \"N\" {\n  command = \"uvx\"\n  args = [\"a\"]\n  env = { K = \"v\" }\n}\n",
	"server \"N\" {\n  command = \"uvx\"\n  token_file = \"shared\"\n  oauth_config {\n    enabled = true\n" +
		"    OAUTH_CLIENT_ID = \"id\"\n    OAUTH_CLIENT_SECRET = \"literal\"\n    OAUTH_TOKEN_URL = \"https://a.example.com/t\"\n  }\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  headers = { X = vault(\"kv/data/x\", \"f\") }\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  headers = { X = vault(\"team/x\", \"f\") }\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  allow_users = [\"anna\"]\n  moved_from = \"n3\"\n}\n",
	"server \"N\" {\n  url = \"https://N.example.com\"\n  oauth_config {\n    enabled = true\n    OAUTH_CLIENT_ID = \"id\"\n" +
		"    OAUTH_GRANT_TYPE = \"refresh_token\"\n    OAUTH_REFRESH_TOKEN = env(\"R\")\n" +
		"    OAUTH_TOKEN_URL = \"https://a.example.com/t\"\n    OAUTH_SCOPE = [\"a\", \"b\"]\n  }\n}\n",
	"server \"N\" {\n  curl = \"https://N.example.com\"\n}\n",
	"server \"N\" {\n  command = \"uvx\"\n  args = [",
	"server \"N\" {\n  command = \"uvx\"\n  command = \"npx\"\n}\n", // parsed, with a finding
	"servers \"N\" {\n}\n",
	"vault {\n  address = \"https://v.example.com\"\n  mount = \"kv\"\n  auth \"token\" {\n    token = env(\"T\")\n  }\n}\n",
	"vault {\n  address = \"https://v.example.com\"\n  auth \"token\" {\n    token = env(\"T\")\n  }\n}\n",
	"proxy {\n  local_auth = \"none\"\n  allow_hosts = [\"h\"]\n}\n",
	"proxy {\n  listen = \"127.0.0.1:70NN\"\n  allow_origins = [\"https://o\"]\n}\n",
	"use {\n  socket = \"/run/bearerd/use.sock\"\n  group = \"g\"\n}\n",
	"store \"file\" {\n  path = \"/var/lib/bearerd\"\n}\n",
	"admin {\n  listen = \"127.0.0.1:70NN\"\n}\n",
	"log {\n  level = \"lo\"\n}\n",
	"\n# nothing\n",
}

// piece is one of them, most often a url server.
func piece(random *rand.Rand) string {
	text := pieces[0]
	if random.IntN(2) == 0 {
		text = pieces[random.IntN(len(pieces))]
	}
	n := random.IntN(60)
	return strings.NewReplacer("70NN", fmt.Sprintf("70%02d", n), "N", fmt.Sprintf("n%d", n)).Replace(text)
}

// edit changes a folder in one way.
func edit(t *testing.T, random *rand.Rand, dir string) {
	t.Helper()
	n := random.IntN(8)
	path := filepath.Join(dir, fmt.Sprintf("f%d.hcl", n))
	if n == 0 {
		path = filepath.Join(dir, "conf.d", "f0.hcl.json")
	}
	switch k := random.IntN(8); {
	case k == 0:
		_ = os.Remove(path) // it may not be there
	case k == 1:
		_ = os.Chmod(path, []os.FileMode{0o600, 0o644}[random.IntN(2)]) // the same bytes, which others can read or not
	case k == 2:
		_ = os.Rename(path, filepath.Join(dir, "f7.hcl"))
	case n == 0:
		put(t, path, fmt.Sprintf("\ufeff// server\n{\"server\": {\"n%d\": {\"url\": \"https://j.example.com\", \"headers\": {\"X\": \"%d\"}}}}\n",
			random.IntN(60), random.IntN(2)))
	default:
		var text strings.Builder
		for range random.IntN(4) {
			text.WriteString(piece(random))
		}
		put(t, path, text.String())
	}
}

// What a Watcher loads is the same with what it remembers of the load before and without.
func TestCacheChangesNothing(t *testing.T) {
	home(t)
	rounds, good := 80, 0
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		put(t, dir+"/a.hcl", "server \"first\" {\n  command = \"uvx\"\n}\n")
		w := cached(t, dir)
		for range rounds {
			edit(t, random, dir)
			if sameAsLoad(t, w) != nil {
				good++
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
	if t.Logf("%d good loads", good); good < 100 {
		t.Errorf("of %d loads only %d were without errors", 20*rounds, good)
	}
}

// A file that has not changed is not decoded again, also after a load with errors elsewhere.
func TestCacheIsUsed(t *testing.T) {
	home(t)
	dir := t.TempDir()
	const server = "server \"%s\" {\n  url = \"https://x.example.com\"\n  headers = { X = %s }\n}\n"
	put(t, dir+"/a.hcl", "proxy {\n  allow_hosts = [\"one\"]\n}\n"+fmt.Sprintf(server, "a", `"1"`))
	put(t, dir+"/b.hcl", fmt.Sprintf(server, "b", `"1"`))
	w := cached(t, dir)
	held := func(name string) *content {
		t.Helper()
		for k, c := range w.cache {
			if k.path == filepath.Join(dir, name) {
				return c
			}
		}
		return nil
	}
	sameAsLoad(t, w)
	a, b := held("a.hcl"), held("b.hcl")
	if a == nil || b == nil || len(w.cache) != 2 {
		t.Fatalf("got %v", w.cache)
	}
	put(t, dir+"/b.hcl", fmt.Sprintf(server, "b", `vault("x", "y")`)) // there is no Vault
	sameAsLoad(t, w)
	if held("a.hcl") != a || held("b.hcl") != nil {
		t.Error("a file with an error is held, or one without is not")
	}
	put(t, dir+"/b.hcl", fmt.Sprintf(server, "b", `"2"`))
	cfg := sameAsLoad(t, w)
	if held("a.hcl") != a || held("b.hcl") == b || cfg.Server("b").Headers["X"].Value.Reveal() != "2" {
		t.Errorf("got %+v", cfg.Server("b"))
	}
	if s := a.servers[0]; s.AllowHosts != nil || s.Server == cfg.Server("a") {
		t.Error("what is held has inherited")
	}
	put(t, dir+"/c.hcl", oauthServer(`OAUTH_CLIENT_SECRET="literal"`))
	sameAsLoad(t, w)
	must(t, os.Chmod(dir+"/c.hcl", 0o644))
	sameAsLoad(t, w) // it says that others can read the secret
	must(t, os.Remove(dir+"/c.hcl"))
	must(t, os.Remove(dir+"/a.hcl"))
	if cfg = sameAsLoad(t, w); len(w.cache) != 1 || cfg.Server("b").AllowHosts != nil {
		t.Errorf("%d files are held of one; %v", len(w.cache), cfg.Server("b").AllowHosts)
	}
}

// A reference into Vault is checked anew when the vault block changes, which may be in another file.
func TestCacheFollowsVault(t *testing.T) {
	home(t)
	dir := t.TempDir()
	block := func(mount string) string {
		return fmt.Sprintf("vault {\n  address = \"https://v.example.com\"\n  mount = %q\n  auth \"token\" {\n    token = env(\"T\")\n  }\n}\n", mount)
	}
	put(t, dir+"/a.hcl", block("kv"))
	put(t, dir+"/b.hcl", "server \"b\" {\n  url = \"https://x.example.com\"\n  headers = { X = vault(\"team/data/x\", \"f\") }\n}\n")
	w := cached(t, dir)
	for _, step := range []struct {
		mount string
		good  bool
	}{{"kv", true}, {"team", false}, {"kv", true}, {"other", true}, {"", false}, {"other", true}} {
		put(t, dir+"/a.hcl", "# "+step.mount+"\n")
		if step.mount != "" {
			put(t, dir+"/a.hcl", block(step.mount))
		}
		if cfg := sameAsLoad(t, w); (cfg != nil) != step.good {
			t.Errorf("mount %q: %v", step.mount, w.last)
		}
	}
}

// A digest that is remembered is not that of a changed copy.
func TestDigestOfACopy(t *testing.T) {
	home(t)
	w := cached(t, write(t, "c.hcl", version(1, 2)))
	cfg := sameAsLoad(t, w)
	plain, _ := Load(w.path)
	if cfg.digest.of != cfg || cfg.Digest() != plain.Digest() {
		t.Errorf("got %+v", cfg.digest)
	}
	only := *cfg
	if only.Digest() != cfg.Digest() {
		t.Error("the same values have another digest")
	}
	only.Servers = only.Servers[:1]
	if only.Digest() == cfg.Digest() {
		t.Error("the digest is that of what it was copied from")
	}
}

func BenchmarkReload10000(b *testing.B) {
	dir := thousands(b, 10_000)
	w := NewWatcher(dir, slog.New(slog.DiscardHandler))
	w.Load(b.Context())
	path := filepath.Join(dir, "007.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		text = append(text, '\n')
		if err := os.WriteFile(path, text, 0o600); err != nil {
			b.Fatal(err)
		}
		if cfg, diags := w.finish(read(dir, nil)); cfg == nil {
			b.Fatal(diags)
		}
	}
}
