package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bearerd/cmd/internal/app"
	"bearerd/config"
	"bearerd/engine"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// columns gives the texts between back quotes of the rows whose first cell begins with prefix: first cells and second ones.
func rows(text, prefix string) (first, second []string) {
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) > 3 && strings.HasPrefix(strings.TrimSpace(cells[1]), "`"+prefix) {
			first = append(first, strings.Trim(strings.TrimSpace(cells[1]), "`"))
			second = append(second, strings.TrimSpace(cells[2]))
		}
	}
	return first, second
}

func TestEveryCommandIsDocumented(t *testing.T) {
	uses, flags := rows(read(t, "../../docs/commands.md"), "bearerd ")
	var visit func(*cobra.Command)
	found := 0
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if c.HasSubCommands() {
			return
		}
		found++
		path := strings.TrimSuffix(c.CommandPath(), c.Name()) + c.Use
		i := slices.Index(uses, path)
		if i < 0 {
			t.Errorf("docs/commands.md has no row for `%s`", path)
			return
		}
		var names []string
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { names = append(names, "`--"+f.Name+"`") })
		want := regexp.MustCompile("`--[a-z-]+`").FindAllString(flags[i], -1)
		slices.Sort(want)
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("`%s` has the flags %v, docs/commands.md says %v", path, names, want)
		}
	}
	visit(root(-1))
	if found != len(uses) {
		t.Errorf("%d commands, %d rows in docs/commands.md", found, len(uses))
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	text := read(t, "../../docs/metrics.md")
	documented, _ := rows(text, "bearerd_")
	descs := make(chan *prometheus.Desc, 1000)
	withVault(t).API(0).Registry.Describe(descs)
	close(descs)
	var have []string
	for d := range descs {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())[1]
		if strings.HasPrefix(name, "bearerd_") {
			have = append(have, name)
		}
	}
	slices.Sort(have)
	slices.Sort(documented)
	if !slices.Equal(have, documented) {
		t.Errorf("the registry has\n%v, docs/metrics.md\n%v", have, documented)
	}
}

// withVault is an app that has everything which has metrics. Nothing is asked of anybody.
func withVault(t *testing.T) *app.App {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.hcl") // a checkout may be writable by its group
	if err := os.WriteFile(path, []byte(read(t, "../../examples/vault-approle/bearerd.hcl")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diagnostics := config.Load(path)
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	cfg.Store.Path = filepath.Join(t.TempDir(), "state")
	a, err := app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// The states of a token, the words for the store and the reasons of failures that a person meets are explained.
func TestEveryWordIsDocumented(t *testing.T) {
	states, _ := rows(read(t, "../../docs/commands.md"), "")
	for _, s := range []engine.State{engine.Pending, engine.Authorized, engine.Refreshing, engine.NeedsReauth, engine.Failed, engine.Revoked} {
		if !slices.Contains(states, string(s)) {
			t.Errorf("docs/commands.md has no row for the state %s", s)
		}
	}
	for word := range storeWords {
		if !slices.Contains(states, word) {
			t.Errorf("docs/commands.md has no row for %s", word)
		}
	}
}

func TestREADMEShowsTheFirstExample(t *testing.T) {
	_, shown, _ := strings.Cut(read(t, "../../README.md"), "```hcl\n")
	shown, _, _ = strings.Cut(shown, "```")
	if shown == "" || !strings.HasSuffix(read(t, "../../examples/first.hcl"), shown) {
		t.Error("the configuration in README.md is not that of examples/first.hcl")
	}
}
