package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever makes the parser or the evaluation recurse is refused before, in files of the size that is read.
func TestRecursionIsRefused(t *testing.T) {
	home(t)
	fill := func(unit string) string { return strings.Repeat(unit, 250_000/len(unit)) }
	for name, expr := range map[string]string{
		"not": fill("!") + "true", "not on lines": "(" + fill("!\n") + "true)", "minus": fill("-") + "1",
		"conditional": fill("true?1:") + "1", "sum": fill("1+") + "1", "product": fill("1*") + "1",
		"or": fill("true||") + "true", "and": fill("true&&") + "true", "equal": fill("1==") + "1",
		"compare": fill("1<") + "1", "index": "[1]" + fill("[0]"), "splat": "[1]" + fill("[*]"),
		"attribute splat": "[1]" + fill(".*"), "traversal": "a" + fill(".b"), "brackets": fill("["), "calls": fill("env("),
		"sums of brackets": fill("(1)+") + "1", "templates": fill(`"${`),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, write(t, "c.hcl", "log {\n  level = "+expr+"\n}\n"), "nested deeper than 64 levels")
			quoted, err := json.Marshal("${" + expr + "}")
			if err != nil {
				t.Fatal(err)
			}
			if len(quoted) < maxFile-100 {
				wantError(t, write(t, "c.json", `{"log": {"level": `+string(quoted)+`}}`), "nested deeper than 64 levels")
			}
		})
	}
}

// What is long but flat is read.
func TestFlatIsNotNested(t *testing.T) {
	home(t)
	args := strings.Repeat("\"-a.b!\", [], -1, \n", 200)
	wantError(t, write(t, "c.hcl", "server \"s\" {\n  command = \"a\"\n  args = ["+args+"]\n}\n"),
		"args must be a list of strings")
	text := strings.Repeat("server \"s\" {\n  command = \"a\"\n  args = [\"x\"] # why\n}\n", 1)
	for i := range 200 {
		text += fmt.Sprintf("server \"s%d\" {\n  command = \"a\"\n  args = [\"x\"] # why\n}\n", i)
	}
	if cfg, diags := Load(write(t, "c.hcl", text)); cfg == nil || len(cfg.Servers) != 201 {
		t.Error(diags)
	}
}

// Nested loops would need more memory than there is.
func TestLoopsAreRefusedBeforeEvaluation(t *testing.T) {
	home(t)
	loop := "[1,2,3,4,5,6,7,8,9]"
	for range 20 {
		loop = "[for a in [1,2,3,4,5,6,7,8,9] : " + loop + "]"
	}
	const want = "for expressions are not accepted here"
	wantError(t, write(t, "c.hcl", "log {\n  level = "+loop+"\n}\n"), want)
	wantError(t, write(t, "c.hcl", "log {\n  level = <<E\n${"+loop+"}\nE\n}\n"), want)
	wantError(t, write(t, "c.json", `{"log": {"level": "${`+loop+`}"}}`), want)
	wantError(t, write(t, "c.json", `{"log": {"${`+loop+`}": "info"}}`), want)
}

// One finding for each repeated server or address, not one for each pair.
func TestRepetitionsAreLinear(t *testing.T) {
	home(t)
	const n = 1000
	_, diags := Load(write(t, "c.hcl", strings.Repeat("server \"a\" {\n  command = \"b\"\n}\n", n)))
	if got := messages(diags, Error); len(got) != n-1 || got[0] != `server "a" is declared twice` {
		t.Errorf("%d findings", len(got))
	}
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "server \"s%d\" {\n  url = \"https://x.example\"\n  listen = \"127.0.0.1:80\"\n}\n", i)
	}
	_, diags = Load(write(t, "c.hcl", text.String()))
	if got := messages(diags, Error); len(got) != 499 {
		t.Errorf("%d findings", len(got))
	}
	_, diags = Load(write(t, "c.json", `{"server": {`+strings.Repeat(`"1":{},`, 2000)+`"z":{}}}`))
	if len(diags) == 0 {
		t.Error("nothing was said")
	}
	if lines := strings.Count(diags.Error(), "error: "); lines != maxPrinted || !strings.Contains(diags.Error(), "… and ") {
		t.Errorf("%d findings are printed", lines)
	}
}

// Of many findings the errors are printed first.
func TestErrorsArePrintedBeforeWarnings(t *testing.T) {
	var d Diagnostics
	for range maxPrinted + 5 {
		d = append(d, Diagnostic{Severity: Warning, Message: "w"})
	}
	d = append(d, Diagnostic{Severity: Error, Message: "the error"})
	if text := d.Error(); !strings.Contains(text, "the error") || !strings.HasSuffix(text, "… and 6 more") {
		t.Error(text)
	}
}

func TestDiagnosticJSON(t *testing.T) {
	b, err := json.Marshal(Diagnostic{Severity: Warning, File: "f", Line: 1, Column: 2, Message: "m", Remedy: "r"})
	const want = `{"severity":"warning","file":"f","line":1,"column":2,"message":"m","remedy":"r"}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
}

// The digest follows every setting but the text of a literal secret.
func TestDigest(t *testing.T) {
	home(t)
	digest := func(lines ...string) string {
		t.Helper()
		cfg, diags := Load(write(t, "c.hcl", oauthServer(lines...)))
		if cfg == nil {
			t.Fatal(diags)
		}
		return cfg.Digest()
	}
	first := digest()
	if len(first) != 12 || digest() != first {
		t.Errorf("got %q, then %q", first, digest())
	}
	if digest(`OAUTH_SCOPE="x"`) == first || digest(`OAUTH_CLIENT_SECRET=env("T")`) == first {
		t.Error("another configuration has the same digest")
	}
	if digest(`OAUTH_CLIENT_SECRET="one"`) != digest(`OAUTH_CLIENT_SECRET="two"`) {
		t.Error("a literal secret is a part of the digest")
	}
}

func TestCertificatesAreParsed(t *testing.T) {
	home(t)
	a, b := makePair(t), makePair(t)
	cert, key, other := write(t, "a.pem", string(a.cert)), write(t, "k.pem", string(a.key)), write(t, "b.pem", string(b.key))
	junk := write(t, "junk.pem", "-----BEGIN CANARY-----\nY2FuYXJ5\n-----END CANARY-----\n")
	empty := write(t, "empty.pem", "")
	for _, c := range []struct{ cert, key, bundle, want string }{
		{cert, key, cert, ""},
		{junk, key, cert, "Client certificate holds no PEM certificate: " + junk},
		{cert, junk, cert, "Client key holds no PEM private key that can be used: " + junk},
		{cert, empty, cert, "Client key holds no PEM private key that can be used: " + empty},
		{cert, other, cert, "Client key does not belong to the client certificate: " + other},
		{cert, key, junk, "CA bundle holds no PEM certificate: " + junk},
		{cert, key, key, "CA bundle holds no PEM certificate: " + key},
	} {
		diags := errorsOf(t, oauthServer("OAUTH_USE_MTLS=true", `OAUTH_CLIENT_CERT_PATH="`+c.cert+`"`,
			`OAUTH_CLIENT_KEY_PATH="`+c.key+`"`, `OAUTH_CA_BUNDLE_PATH="`+c.bundle+`"`))
		if got := strings.Join(messages(diags, Error), ", "); got != c.want || strings.Contains(diags.Error(), "CANARY") {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A folder in which others can replace the configuration is refused as a file is.
func TestFoldersOfOthers(t *testing.T) {
	home(t)
	path := write(t, "c.hcl", plain)
	dir := filepath.Dir(path)
	link := filepath.Join(t.TempDir(), "link.hcl")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode                 os.FileMode
		file, folder, linked bool // loads
	}{
		{0o755, true, true, true},
		{0o775, true, false, true},
		{0o777, false, false, false},
		{0o777 | os.ModeSticky, true, true, true},
	} {
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		for p, want := range map[string]bool{path: c.file, dir: c.folder, link: c.linked} {
			if cfg, diags := Load(p); (cfg != nil) != want {
				t.Errorf("%s with mode %v: %v", p, c.mode, diags)
			}
		}
	}
	if err := os.Chmod(filepath.Dir(link), 0o777); err != nil {
		t.Fatal(err)
	}
	wantError(t, link, "the folder "+filepath.Dir(link)+" can be written by group or others (mode 0777)")
}

func TestFoldersAndLinksOfOtherUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	home(t)
	path := write(t, "c.hcl", plain)
	link := filepath.Join(t.TempDir(), "link.hcl")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	const who = " belongs to user 65534, not to the user who runs bearerd or to root"
	if err := os.Lchown(link, 65534, -1); err != nil {
		t.Fatal(err)
	}
	wantError(t, link, "the link"+who)
	if err := os.Chown(filepath.Dir(path), 65534, -1); err != nil {
		t.Fatal(err)
	}
	wantError(t, path, "the folder "+filepath.Dir(path)+who)
	wantError(t, filepath.Dir(path), "the folder "+filepath.Dir(path)+who)
}

// A link does not hide that the token would overwrite what is needed.
func TestTokenFileThroughALink(t *testing.T) {
	dir := home(t)
	if err := os.MkdirAll(dir+"/.local/state/bearerd", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/.local/state/bearerd", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(oauthServer(), `url = "https://mcp.example.com/mcp"`,
		"command = \"uvx\"\n  token_file = \"~/link/identity.txt\"", 1)
	if got := messages(errorsOf(t, text), Error); !slices.Equal(got, []string{"token_file lies in the state folder"}) {
		t.Errorf("got %q", got)
	}
}
