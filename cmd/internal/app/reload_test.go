package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// reloading is a daemon's inside, on a configuration that a test edits.
type reloading struct {
	*reloader
	t    *testing.T
	path string
}

func newReloading(t *testing.T, text string) *reloading {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.hcl")
	return newReloadingAt(t, path, path, text)
}

// newReloadingAt loads the configuration at load, which is path or its folder.
func newReloadingAt(t *testing.T, path, load, text string) *reloading {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	r := &reloading{t: t, path: path}
	r.write(text)
	watcher := config.NewWatcher(load, log)
	cfg, diagnostics := watcher.Load(t.Context())
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	a, err := Open(context.Background(), cfg, log, "")
	if err != nil {
		t.Fatal(err)
	}
	p := proxy.New(a.keys, a.resolve, log)
	r.reloader = &reloader{app: a, proxy: p, watcher: watcher, level: &slog.LevelVar{}, systemd: &systemd{log}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p.Close(ctx)
		a.Close()
	})
	front, err := p.Prepare(cfg, func(name string) *engine.Source { s, _ := a.engine.Source(name); return s })
	if err != nil {
		t.Fatal(err)
	}
	front.Commit(context.Background())
	r.begin(cfg)
	return r
}

func (r *reloading) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// inForce is what runs.
type inForce struct {
	config  *config.Config
	sources map[string]*engine.Source
	level   slog.Level
	served  map[string]bool // ADDRESS/NAME
}

func (r *reloading) inForce() inForce {
	now := inForce{r.app.config.Load(), map[string]*engine.Source{}, r.level.Level(), map[string]bool{}}
	for _, s := range now.config.Servers {
		if source, err := r.app.engine.Source(s.Name); err == nil {
			now.sources[s.Name] = source
		}
		if s.URL != "" {
			address, _ := proxy.Local(now.config, s)
			now.served[address+"/"+s.Name] = r.serves(address, s)
		}
	}
	return now
}

// serves asks without a key: 403 says that the server is there.
func (r *reloading) serves(address string, s *config.Server) bool {
	bound := r.proxy.Bound(address)
	if len(bound) == 0 {
		return false
	}
	_, url := proxy.Local(r.app.config.Load(), s)
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, strings.Replace(url, address, bound[0], 1), http.NoBody)
	if err != nil {
		r.t.Error(err)
		return false
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(request)
	if err != nil {
		r.t.Error(err)
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusForbidden
}

// wantWhole sees that all of the configuration in force is, and none of another one.
func (r *reloading) wantWhole(what string) {
	r.t.Helper()
	now := r.inForce()
	tokens := 0
	for _, s := range now.config.Servers {
		want := s.OAuth != nil && s.OAuth.Enabled
		if want {
			tokens++
		}
		if has := now.sources[s.Name] != nil; has != want {
			r.t.Errorf("%s: server %s has a source: %t", what, s.Name, has)
		}
	}
	if n := len(r.app.engine.Sources()); n != tokens {
		r.t.Errorf("%s: %d sources for %d servers with tokens", what, n, tokens)
	}
	for name, ok := range now.served {
		if !ok {
			r.t.Errorf("%s: %s is not served", what, name)
		}
	}
	if got := strings.ToLower(now.level.String()); got != now.config.Log.Level {
		r.t.Errorf("%s: the level is %s, not %s", what, got, now.config.Log.Level)
	}
}

// wantSame sees that nothing of it was touched.
func (r *reloading) wantSame(what string, before inForce) {
	r.t.Helper()
	now := r.inForce()
	same := now.config == before.config && now.level == before.level
	for name, s := range before.sources {
		same = same && now.sources[name] == s
	}
	if !same {
		r.t.Errorf("%s: what runs was touched, though it was refused", what)
	}
}

// seedText is a valid configuration with something of everything.
func seedText(state, listen, other string) string {
	return fmt.Sprintf(`log { level = "info" }
store "file" { path = %q }
proxy { listen = %q }
server "plain" {
  url     = "https://plain.example.com/mcp"
  headers = { X-Version = "1", X-Key = env("KEY") }
}
server "tickets" {
  url = "https://tickets.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
    OAUTH_SCOPE         = "read write"
  }
}
server "own" {
  url    = "https://own.example.com/mcp"
  listen = %q
}
server "stdio" {
  command = "uvx"
  args    = ["acme", "--verbose"]
  env     = { LEVEL = "debug" }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
  }
}
`, state, listen, other)
}

// mutate makes some random edits: those of a person now and then, those of a faulty disk otherwise.
func mutate(rng *rand.Rand, text string, values []string) string {
	for range 1 + rng.IntN(2) {
		lines := strings.SplitAfter(text, "\n")
		at, other := rng.IntN(len(lines)), rng.IntN(len(lines))
		switch kind := rng.IntN(12); kind {
		case 0: // a line goes
			lines[at] = ""
		case 1: // a line comes twice
			lines[at] += lines[other]
		case 2: // two change places
			lines[at], lines[other] = lines[other], lines[at]
		case 3: // the end is missing
			lines = []string{text[:rng.IntN(len(text)+1)]}
		case 4: // one byte is another one
			b := []byte(text + "\n")
			b[rng.IntN(len(b))] = byte(rng.IntN(256))
			lines = []string{string(b)}
		case 5: // a server goes
			if blocks := strings.SplitAfter(text, "\n}\n"); len(blocks) > 1 {
				at := rng.IntN(len(blocks))
				lines = slices.Delete(blocks, at, at+1)
			}
		default: // a value becomes another one
			from, to := values[rng.IntN(len(values))], values[rng.IntN(len(values))]
			lines = []string{strings.Replace(text, from, to, 1+rng.IntN(2))}
		}
		text = strings.Join(lines, "")
	}
	return text + "\n"
}

// Random edits of a valid file: each is put in force whole, or nothing that runs is touched.
func TestReloadOfRandomEdits(t *testing.T) {
	rounds := 400
	if os.Getenv("BEARERD_SOAK") != "" {
		rounds = 20_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	listen, other, third := freeAddress(t), freeAddress(t), freeAddress(t)
	good := seedText(filepath.Join(t.TempDir(), "state"), listen, other)
	values := append(regexp.MustCompile(`"[^"]*"`).FindAllString(good, -1), `"debug"`, `"warn"`, `"2"`, `"read"`, `"renamed"`,
		`"tickets"`+" {\nmoved_from = \"own\"", `"`+third+`"`, `"https://other.example.com/mcp"`, `"${", `+"/*", `"unix:/nowhere/s"`, `file("x")`)
	r := newReloading(t, good)
	text, applied, refused := good, 0, 0
	for i := range rounds {
		if rng.IntN(4) == 0 {
			text = good
		}
		edited := mutate(rng, text, values)
		r.write(edited)
		before := r.inForce()
		cfg, diagnostics := config.Load(r.path)
		changes, err := r.replace(t.Context(), cfg, diagnostics)
		what := fmt.Sprintf("edit %d", i)
		r.wantWhole(what)
		switch {
		case err != nil:
			refused++
			r.wantSame(what, before)
		case len(changes) > 0:
			applied++
			text = edited
			if r.app.config.Load() != cfg {
				t.Errorf("%s is not in force", what)
			}
		}
		if t.Failed() {
			t.Fatalf("%s was\n%s", what, edited)
		}
	}
	t.Logf("%d edits were applied, %d refused", applied, refused)
	if applied < rounds/10 || refused < rounds/10 {
		t.Errorf("of %d edits %d were applied and %d refused: this test has seen too little", rounds, applied, refused)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	sockets, err := proxy.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sockets {
		_ = s.Close()
	}
	return sockets[0].Addr().String()
}

// An address that is taken is found before anything is touched.
func TestReloadWithAnAddressThatIsTaken(t *testing.T) {
	listen, other := freeAddress(t), freeAddress(t)
	good := seedText(filepath.Join(t.TempDir(), "state"), listen, other)
	r := newReloading(t, good)
	taken, err := proxy.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, s := range taken {
			_ = s.Close()
		}
	}()
	before := r.inForce()
	edited := strings.ReplaceAll(good, other, taken[0].Addr().String())
	edited = strings.Replace(strings.Replace(edited, `"info"`, `"debug"`, 1), "read write", "read", 1)
	r.write(edited)
	if _, err := r.now(t.Context(), "a test"); err == nil || !strings.Contains(err.Error(), "cannot listen") {
		t.Errorf("the reload says %v", err)
	}
	r.wantSame("an address that is taken", before)
	r.wantWhole("an address that is taken")
	r.write(strings.ReplaceAll(edited, taken[0].Addr().String(), other))
	if _, err := r.now(t.Context(), "a test"); err != nil {
		t.Error(err)
	}
	r.wantWhole("mended")
}

// Of two readings under way at once the newer one stays, whichever is applied last.
func TestReloadDoesNotGoBack(t *testing.T) {
	good := seedText(filepath.Join(t.TempDir(), "state"), freeAddress(t), freeAddress(t))
	r := newReloading(t, good)
	r.write(strings.Replace(good, `X-Version = "1"`, `X-Version = "2"`, 1))
	older, found := r.watcher.Load(t.Context())
	r.write(strings.Replace(good, `X-Version = "1"`, `X-Version = "3"`, 1))
	if _, err := r.now(t.Context(), "a test"); err != nil {
		t.Fatal(err)
	}
	newer := r.app.config.Load()
	if _, err := r.apply(t.Context(), "a test", older, found); err != nil {
		t.Errorf("a reading that is out of date is said to be an error: %v", err)
	}
	if r.app.config.Load() != newer || r.last.Generation != 1 {
		t.Error("a reading that is out of date was put in force")
	}
	r.write("nonsense\n")
	broken, found := r.watcher.Load(t.Context())
	r.write(good)
	if _, err := r.now(t.Context(), "a test"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.apply(t.Context(), "a test", broken, found); err != nil || r.last.Error != "" {
		t.Errorf("an error that is out of date is reported: %v", err)
	}
}

func TestNoReloadWhileStopping(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	text := fmt.Sprintf("store \"file\" { path = %q }\nproxy { listen = %q }\n", state, freeAddress(t))
	r := newReloading(t, text+"server \"a\" { url = \"https://a.example/mcp\" }\n")
	before := r.inForce()
	r.stop()
	r.write(text + "server \"b\" { url = \"https://b.example/mcp\" }\n")
	if _, err := r.now(t.Context(), "test"); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("got %v", err)
	}
	r.wantSame("a reload while stopping", before)
}

func TestATokenIsPassedOnOfWhatIsInForceOnly(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	text := fmt.Sprintf("store \"file\" { path = %q }\nproxy { listen = %q }\n", state, freeAddress(t))
	r := newReloading(t, text+"server \"a\" { url = \"https://a.example/mcp\" }\n")
	r.app.reload = r.reloader
	cfg := r.app.config.Load()
	if !r.app.inForce(cfg, "a", nil) {
		t.Error("nothing has changed")
	}
	other := *cfg
	r.app.config.Store(&other)
	if r.app.inForce(cfg, "a", nil) {
		t.Error("another configuration is in force")
	}
}

func TestRunWarnsOfAProgramThatIsNotThere(t *testing.T) {
	var said strings.Builder
	a := &App{Log: slog.New(slog.NewTextHandler(&said, nil))}
	a.lookForCommand(&config.Server{Name: "there", Command: "sh"})
	a.lookForCommand(&config.Server{Name: "own", Command: "no-such-program", Env: map[string]secrets.Ref{"PATH": secrets.LiteralRef("/x")}})
	if said.Len() > 0 {
		t.Error(said.String())
	}
	a.lookForCommand(&config.Server{Name: "gone", Command: "no-such-program"})
	if !strings.Contains(said.String(), "server=gone") {
		t.Errorf("said %q", said.String())
	}
}
