package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

const examples = "../../examples"

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(examples, pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files at %s: %v", pattern, err)
	}
	return paths
}

// exampleUser has the certificates and keys that examples name.
func exampleUser(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_STATE_HOME", "")
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	cert, key, err := as.WriteClientCert(t.TempDir(), "bearerd")
	if err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{
		".ssh/github-app.pem": cert, ".ssh/github-app-key.pem": key, ".certs/client-key.pem": key,
	} {
		path := filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(read(t, from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// loadExample loads a configuration as it is where it is meant to be: a checkout may be writable by its group.
func loadExample(t *testing.T, name, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, findings := config.Load(path)
	if cfg == nil || len(findings) > 0 {
		t.Fatalf("%s: %v", name, findings)
	}
	return cfg
}

// configMap is the configuration in the manifest for Kubernetes.
func configMap(t *testing.T) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, filepath.Join(examples, "kubernetes/bearerd.yaml")), "bearerd.hcl: |\n")
	text, _, ends := strings.Cut(text, "\n---\n")
	if !found || !ends {
		t.Fatal("the manifest has no configuration")
	}
	return strings.ReplaceAll("\n"+text, "\n    ", "\n")
}

func TestExamplesLoad(t *testing.T) {
	exampleUser(t)
	texts := map[string]string{"kubernetes/bearerd.yaml": configMap(t)}
	for _, path := range append(glob(t, "*.hcl"), glob(t, "*/*.hcl")...) {
		texts[path] = read(t, path)
	}
	for name, text := range texts {
		loadExample(t, name, text)
	}
	if len(texts) < 20 {
		t.Errorf("only %d configurations were found", len(texts))
	}
}

func TestExamplesAreExplained(t *testing.T) {
	index := read(t, filepath.Join(examples, "README.md"))
	dirs, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !strings.Contains(index, "]("+d.Name()+")") && d.Name() != "README.md" {
			t.Errorf("examples/README.md does not link %s", d.Name())
		}
		if !d.IsDir() {
			continue
		}
		text := read(t, filepath.Join(examples, d.Name(), "README.md"))
		if n := strings.Count(text, "\n"); n < 8 || n > 25 {
			t.Errorf("%s/README.md has %d lines, want 8 to 25", d.Name(), n)
		}
		for _, path := range glob(t, d.Name()+"/*") {
			name := filepath.Base(path)
			if name != "README.md" && !strings.Contains(text, "]("+name+")") {
				t.Errorf("%s/README.md does not link %s", d.Name(), name)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

func TestExamplesLinkWhatIsThere(t *testing.T) {
	for _, path := range append(glob(t, "*.md"), glob(t, "*/*.md")...) {
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// Claude Desktop starts what the configuration beside its file has, with nothing but the name.
func TestClaudeDesktopExample(t *testing.T) {
	cfg := loadExample(t, "claude-desktop", read(t, filepath.Join(examples, "claude-desktop/bearerd.hcl")))
	var file struct {
		Servers map[string]struct {
			Command string
			Args    []string
		} `json:"mcpServers"`
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(examples, "claude-desktop/claude_desktop_config.json"))), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Servers) != len(cfg.Servers) {
		t.Errorf("Claude has %d servers, bearerd %d", len(file.Servers), len(cfg.Servers))
	}
	for name, s := range file.Servers {
		if cfg.Server(name) == nil || !slices.Equal(s.Args, []string{"exec", name}) || !filepath.IsAbs(s.Command) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// The container's instructions: nothing of the build but what is copied, and no right that is not needed.
func TestContainerExample(t *testing.T) {
	var last []string // the instructions of the image itself
	text := strings.ReplaceAll(read(t, filepath.Join(examples, "container/Containerfile")), "\\\n", "")
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "ENTRYPOINT", "CMD"}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if !slices.Contains(known, words[0]) {
			t.Errorf("an instruction that is not known: %s", line)
		}
		if words[0] == "COPY" && !strings.HasPrefix(words[1], "--") {
			for _, source := range words[1 : len(words)-1] {
				if _, err := os.Stat(filepath.Join("../..", source)); err != nil {
					t.Error(err)
				}
			}
		}
		if words[0] == "FROM" {
			last = nil
		}
		last = append(last, line)
	}
	for _, want := range []string{"FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/usr/bin/bearerd"]`, `CMD ["run", "--config", "/etc/bearerd"]`} {
		if !slices.Contains(last, want) {
			t.Errorf("the image lacks %s", want)
		}
	}
	cfg := loadExample(t, "container", read(t, filepath.Join(examples, "container/bearerd.hcl")))
	if !slices.Contains(last, `VOLUME ["`+cfg.Store.Path+`"]`) {
		t.Errorf("the state folder %s is on no volume", cfg.Store.Path)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../../go.mod"))[1]
	if !strings.Contains(text, "golang:"+goVersion+" AS build") {
		t.Errorf("it is not built with Go %s", goVersion)
	}
}

var metric = regexp.MustCompile(`\bbearerd_[a-z_]+`)

// What rules and dashboard ask for exists. That docs/metrics.md is right is looked at in docs_test.go.
func TestPrometheusExampleNamesMetrics(t *testing.T) {
	documented, kinds := rows(read(t, "../../docs/metrics.md"), "bearerd_")
	for _, file := range []string{"rules.yml", "rules_test.yml", "dashboard.json"} {
		text := read(t, filepath.Join(examples, "prometheus", file))
		if strings.HasSuffix(file, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is not valid JSON", file)
		}
		names := metric.FindAllString(text, -1)
		if len(names) < 10 {
			t.Errorf("%s: only %d metrics were found", file, len(names))
		}
		for _, name := range names {
			base := strings.TrimSuffix(name, "_bucket")
			if i := slices.Index(documented, base); i < 0 || base != name && kinds[i] != "histogram" {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

// Every alert is expected to fire in a test of its own rules, and one where all is well expects none of them.
func TestPrometheusExampleTestsEveryAlert(t *testing.T) {
	tests := read(t, filepath.Join(examples, "prometheus/rules_test.yml"))
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, filepath.Join(examples, "prometheus/rules.yml")), -1)
	if len(alerts) < 8 {
		t.Fatalf("only %d alerts were found", len(alerts))
	}
	for _, a := range alerts {
		if !strings.Contains(tests, "alertname: "+a[1]+"\n        exp_alerts:\n") {
			t.Errorf("no test has %s fire", a[1])
		}
		if !strings.Contains(tests, "alertname: "+a[1]+" }") {
			t.Errorf("no test has %s be silent", a[1])
		}
	}
}

func TestPrometheusExampleWithPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; it is in Debian's package prometheus")
	}
	for _, args := range [][]string{
		{"check", "rules", "rules.yml"},
		{"test", "rules", "rules_test.yml"},
		{"check", "config", "--syntax-only", "prometheus.yml"},
	} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = filepath.Join(examples, "prometheus")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
