package clients

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const samples = "../../../testdata/import"

var update = flag.Bool("update", false, "write the golden files anew")

// TestSamples reads every sample and holds what it says against testdata/FORMAT-NAME.golden.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob(samples + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, path := range files {
		folder := filepath.Base(filepath.Dir(path))
		count[folder]++
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			file := sample(t, path)
			if len(file.Servers) < 100 { // of 200 the number is enough
				golden(t, folder+"-"+filepath.Base(path), describe(file))
			}
		})
	}
	for _, f := range Formats() {
		if count[f.Name] < 4 {
			t.Errorf("%s has %d samples, want 4 at least", f.Name, count[f.Name])
		}
	}
}

func sample(t *testing.T, path string) *File {
	t.Helper()
	format, err := Named(filepath.Base(filepath.Dir(path)))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Read(path, data, format)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(file.Lost, "\n")
	for _, s := range file.Servers {
		said += strings.Join(s.Lost, "\n")
	}
	if strings.Contains(said, "CANARY") {
		t.Errorf("Lost holds a value: %s", said)
	}
	return file
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what was read:\n%s", path, got)
	}
}

// describe is a file in words that a person can check.
func describe(f *File) string {
	var b strings.Builder
	for _, lost := range f.Lost {
		fmt.Fprintf(&b, "lost: %s\n", lost)
	}
	for _, s := range f.Servers {
		fmt.Fprintf(&b, "%q at %q\n", s.Name, s.At)
		line := func(name string, value any) {
			if v := reflect.ValueOf(value); v.IsValid() && !v.IsZero() && (v.Kind() == reflect.Bool || v.Len() > 0) {
				fmt.Fprintf(&b, "  %s: %s\n", name, show(value))
			}
		}
		line("command", s.Command)
		line("args", s.Args)
		line("env", s.Env)
		line("env_file", s.EnvFile)
		line("pass_env", s.PassEnv)
		line("dir", s.Dir)
		line("url", s.URL)
		line("sse", s.SSE)
		line("headers", s.Headers)
		line("oauth", s.OAuth)
		line("off", s.Off)
		line("lost", s.Lost)
		line("said", s.Said)
	}
	return b.String()
}

func show(value any) string {
	switch v := value.(type) {
	case Text:
		var b strings.Builder
		for _, p := range v {
			b.WriteString(showPart(p))
		}
		return fmt.Sprintf("%q", b.String())
	case []Text:
		var all []string
		for _, text := range v {
			all = append(all, show(text))
		}
		return strings.Join(all, " ")
	case map[string]Text:
		all := map[string]any{}
		for name, text := range v {
			all[name] = text
		}
		return show(all)
	case map[string]any:
		var all []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, fmt.Sprintf("\n    %s = %s", name, show(v[name])))
		}
		return strings.Join(all, "")
	}
	return fmt.Sprintf("%v", value)
}

func showPart(p Part) string {
	switch {
	case p.Default != nil:
		return "«variable " + p.Variable + ", else " + *p.Default + "»"
	case p.Variable != "":
		return "«variable " + p.Variable + "»"
	case p.Input != nil:
		return fmt.Sprintf("«input %+v»", *p.Input)
	case p.Path != "":
		return "«file " + p.Path + "»"
	case p.Other != "":
		return "«client's " + p.Other + "»"
	}
	return p.Literal
}

// TestPartsAreOneThing holds what Part promises: exactly one of its fields is set.
func TestPartsAreOneThing(t *testing.T) {
	for _, expand := range []func(string) Text{literal, shellBraces, editorBraces, fileBraces, dollars, reference} {
		for _, text := range []string{"", "$", "${", "${}", "a${b", "${A}", "${A:-}", "x${env:A}${env:B}", "${file:}", "$A$b$", "${${A}}", "env.", "env.A"} {
			for _, p := range expand(text) {
				set := 0
				for _, is := range []bool{p.Literal != "", p.Variable != "", p.Input != nil, p.Path != "", p.Other != ""} {
					if is {
						set++
					}
				}
				if set != 1 {
					t.Errorf("%q has a part with %d things: %+v", text, set, p)
				}
			}
		}
	}
}

// TestOAuthIsWhatTheConfigurationKnows holds that every field of an oauth_config is carried over with its own type.
func TestOAuthIsWhatTheConfigurationKnows(t *testing.T) {
	file := sample(t, samples+"/secure-mcp-gateway/complete.jsonc")
	oauth := file.Servers[0].OAuth
	for name, want := range map[string]any{
		"enabled": true, "is_remote": true, "OAUTH_USE_MTLS": false, "OAUTH_TOKEN_EXPIRY_BUFFER": json.Number("300"),
		"OAUTH_CLIENT_ID": literal("your-client-id"), "OAUTH_CUSTOM_HEADERS": map[string]Text{
			"X-Custom-Header": literal("value"), "X-Api-Key": literal("CANARY-header")},
	} {
		if !reflect.DeepEqual(oauth[name], want) {
			t.Errorf("%s = %#v, want %#v", name, oauth[name], want)
		}
	}
	if len(oauth) != 23 {
		t.Errorf("%d fields are carried over, want all 23 of the guide", len(oauth))
	}
	if file.Servers[0].Lost != nil {
		t.Errorf("lost %v", file.Servers[0].Lost)
	}
}

func TestTwoHundredServers(t *testing.T) {
	file := sample(t, samples+"/claude-desktop/two-hundred.json")
	if len(file.Servers) != 200 || len(file.Lost) != 0 {
		t.Errorf("%d servers, lost %v", len(file.Servers), file.Lost)
	}
}
