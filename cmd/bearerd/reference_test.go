package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bearerd/config"
)

var update = flag.Bool("update", false, "write the tables of docs that are made from the code")

// The tables of docs that are made from the code are as the code says, and nothing in the code has no words. `make docs`
// writes them.
func TestReference(t *testing.T) {
	for file, tables := range map[string]map[string]string{
		"commands.md":      {"commands": commandTable(t)},
		"metrics.md":       {"metrics": metricTable(t)},
		"configuration.md": attributeTables(t),
	} {
		path := "../../docs/" + file
		text := read(t, path)
		made := text
		for name, table := range tables {
			made = between(t, made, name, table)
		}
		if n := strings.Count(text, markBegin); n != len(tables) {
			t.Errorf("%s has %d tables that are made from the code, not %d", path, n, len(tables))
		}
		switch {
		case made == text:
		case *update:
			if err := os.WriteFile(path, []byte(made), 0o644); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s is not what the code says: run `make docs`", path)
		}
	}
}

// What is around a table that is made from the code.
const (
	markBegin = "<!-- made from the code by make docs: "
	markEnd   = "<!-- end -->"
)

// between puts a table into its place in a text.
func between(t *testing.T, text, name, table string) string {
	t.Helper()
	before, rest, found := strings.Cut(text, markBegin+name+" -->\n")
	_, after, ended := strings.Cut(rest, markEnd)
	if !found || !ended {
		t.Errorf("there is no place for the table %q: write %s%s --> and %s around it", name, markBegin, name, markEnd)
		return text
	}
	return before + markBegin + name + " -->\n" + table + markEnd + after
}

// table writes rows in Markdown, the first of them as the head.
func table(rows [][]string) string {
	var b strings.Builder
	for i, cells := range rows {
		for n, c := range cells {
			cells[n] = " " + c + " "
			if c == "" {
				cells[n] = " "
			}
		}
		fmt.Fprintf(&b, "|%s|\n", strings.Join(cells, "|"))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
		}
	}
	return b.String()
}

func commandTable(t *testing.T) string {
	top := root(-1)
	list := [][]string{{"Command", "Flags", "What it does"}}
	for _, d := range described {
		c := under(top, d.command)
		if c == nil || d.about == "" {
			t.Errorf("there are words for %q, which is no command, or has none", d.command)
			continue
		}
		var flags []string
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			flags = append(flags, "`--"+f.Name+"`")
			if f.Usage == "" {
				t.Errorf("--%s of %s has no words", f.Name, d.command)
			}
		})
		use := strings.TrimSuffix(c.CommandPath(), c.Name()) + c.Use
		list = append(list, []string{"`" + use + "`", strings.Join(flags, " "), c.Annotations[aboutNote]})
	}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if !c.HasSubCommands() && !c.Hidden && c.Annotations[aboutNote] == "" {
			t.Errorf("%s has no words: add it to words.go", c.CommandPath())
		}
	}
	visit(top)
	return table(list)
}

var description = regexp.MustCompile(`fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)"`)

func metricTable(t *testing.T) string {
	descs := make(chan *prometheus.Desc, 1000)
	a := withVault(t).API(0).Registry
	a.Describe(descs)
	close(descs)
	var list [][]string
	for d := range descs {
		found := description.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("%s is written in another way than this test knows", d)
		}
		if !strings.HasPrefix(found[1], "bearerd_") {
			continue
		}
		if found[2] == "" {
			t.Errorf("%s has no words", found[1])
		}
		meaning := strings.TrimSuffix(found[2], ".")
		if first := meaning[:1]; !strings.HasPrefix(meaning, "Vault") {
			meaning = strings.ToLower(first) + meaning[1:]
		}
		list = append(list, []string{"`" + found[1] + "`", metricType(found[1]), meaning})
	}
	families, err := a.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if is := strings.ToLower(f.GetType().String()); strings.HasPrefix(f.GetName(), "bearerd_") && is != metricType(f.GetName()) {
			t.Errorf("%s is a %s, by its name a %s", f.GetName(), is, metricType(f.GetName()))
		}
	}
	slices.SortFunc(list, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return table(append([][]string{{"Metric", "Type", "Meaning"}}, list...))
}

// metricType is the type of a metric by the end of its name.
func metricType(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_duration_seconds"):
		return "histogram"
	}
	return "gauge"
}

func attributeTables(t *testing.T) map[string]string {
	blocks, err := config.Reference()
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{}
	for _, b := range blocks {
		list := [][]string{{"Name", "Type", "Default", "Meaning"}}
		for _, a := range b.Attributes {
			list = append(list, []string{"`" + a.Name + "`", a.Type, a.Default, a.Meaning})
		}
		tables[b.Name] = table(list)
	}
	return tables
}
