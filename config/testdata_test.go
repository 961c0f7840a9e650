package config

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bearerd/secrets"
)

// write puts text into a folder of the test, since a checkout's modes depend on the umask of who made it.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// home is a home directory with a short path: a socket has to fit into the state folder below it.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("HOME", dir)
	t.Setenv("XDG_STATE_HOME", "")
	for _, name := range vaultVariables {
		t.Setenv(name, "")
	}
	return dir
}

// vaultVariables fill in what a vault block leaves out.
var vaultVariables = []string{
	"VAULT_ADDR", "VAULT_NAMESPACE", "VAULT_CACERT", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY",
	"VAULT_TLS_SERVER_NAME", "VAULT_TOKEN",
}

func messages(d Diagnostics, sev Severity) []string {
	var m []string
	for _, x := range d {
		if x.Severity == sev {
			m = append(m, x.Message)
		}
	}
	slices.Sort(m)
	return m
}

func readAll(t *testing.T, pattern string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files at %s: %v", pattern, err)
	}
	all := map[string]string{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(p)] = string(b)
	}
	return all
}

var expectation = regexp.MustCompile(`(?m)^(?:#|//) (?:want|warn): (.*)$`)

func expected(text string) []string {
	var want []string
	for _, m := range expectation.FindAllStringSubmatch(text, -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	return want
}

func TestBadConfigurations(t *testing.T) {
	home(t)
	for name, text := range readAll(t, "../testdata/config/bad/*") {
		t.Run(name, func(t *testing.T) {
			cfg, diags := Load(write(t, name, text))
			want := expected(text)
			if got := messages(diags, Error); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q\n%v", got, want, diags)
			}
			if cfg != nil {
				t.Error("a configuration with errors was returned")
			}
			for _, d := range diags {
				if d.Remedy == "" {
					t.Errorf("no remedy: %q", d.Message)
				}
			}
		})
	}
}

func TestGoodConfigurations(t *testing.T) {
	home(t)
	for name, text := range readAll(t, "../testdata/config/good/*") {
		t.Run(name, func(t *testing.T) {
			cfg, diags := Load(write(t, name, text))
			if cfg == nil {
				t.Fatal(diags)
			}
			if got, want := messages(diags, Warning), expected(text); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// The fields of the guide and ours are those of OAuth.
func TestDocumentedFields(t *testing.T) {
	b, err := os.ReadFile("../testdata/config/documented-fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, line)
		}
	}
	if len(want) != 23 {
		t.Errorf("the guide documents %d fields", len(want))
	}
	want = append(want, "OAUTH_REFRESH_TOKEN", "OAUTH_SERVER_URL", "OAUTH_PRIVATE_KEY_PATH", "OAUTH_PRIVATE_KEY_ID")
	want = append(want, delegatedOnly...)
	slices.Sort(want)
	if got := OAuthFieldNames(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// attributeNames are those of each block, from the tags.
func attributeNames() map[string][]string {
	names := map[string][]string{}
	for block, v := range map[string]any{
		"log": Log{}, `store "file"`: Store{}, `store "vault"`: Shared{}, "vault": secrets.Connection{},
		`auth "METHOD"`: secrets.Auth{}, "proxy": Proxy{}, "admin": Admin{}, "use": Use{}, `server "NAME"`: Server{},
		"oauth_config": OAuth{},
	} {
		names[block] = slices.Sorted(maps.Keys(fields(reflect.TypeOf(v))))
	}
	return names
}
