//go:build unix

package stdio

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

const local = "http://127.0.0.1:40001/search"

// URL and HEADER stand for what the rewriting gives; everything else is to stay as it is.
var commands = []struct{ name, before, after string }{
	{"npx", "npx -y mcp-remote https://x.test/mcp", "npx -y mcp-remote URL HEADER"},
	{"npx with a version", "npx -y mcp-remote@0.1.2 https://x.test/mcp 3334", "npx -y mcp-remote@0.1.2 URL 3334 HEADER"},
	{"npx with a package flag", "npx -p mcp-remote@1 mcp-remote https://x.test", "npx -p mcp-remote@1 mcp-remote URL HEADER"},
	{"npx with a registry", "npx --registry https://r.test mcp-remote https://x.test",
		"npx --registry https://r.test mcp-remote URL HEADER"},
	{"bunx, another case", "bunx MCP-Remote@0.1 HTTPS://x.test", "bunx MCP-Remote@0.1 URL HEADER"},
	{"pnpm", "pnpm dlx mcp-remote https://x.test --transport http-only",
		"pnpm dlx mcp-remote URL --transport http-only HEADER"},
	{"node", "node /n/node_modules/mcp-remote/dist/proxy.js https://x.test",
		"node /n/node_modules/mcp-remote/dist/proxy.js URL HEADER"},
	{"itself", "mcp-remote https://x.test --resource https://y.test", "mcp-remote URL --resource https://y.test HEADER"},
	{"by path", "/usr/bin/mcp-remote https://x.test", "/usr/bin/mcp-remote URL HEADER"},
	{"container", "docker run -i --network=host node npx mcp-remote https://x.test",
		"docker run -e BEARERD_AUTHORIZATION -i --network=host node npx mcp-remote URL HEADER"},
	{"another program", "acme-bridge --verbose https://x.test/mcp-remote/", "acme-bridge --verbose URL HEADER"},
	{"a user's header", "mcp-remote https://x.test --header X-Team:a", "mcp-remote URL --header X-Team:a HEADER"},
	{"a user's --allow-http", "mcp-remote http://x.test --allow-http", "mcp-remote URL --allow-http HEADER"},
}

func expected(template, url string) []string {
	template = strings.Replace(template, "HEADER", "--header Authorization:${BEARERD_AUTHORIZATION}", 1)
	return strings.Fields(strings.Replace(template, "URL", url, 1))[1:]
}

func TestAcceptance41_ArgumentsPointAtTheProxy(t *testing.T) {
	for _, c := range commands {
		words := strings.Fields(c.before)
		s := server(words[0], words[1:]...)
		if !ViaProxy(s) {
			t.Errorf("%s: ViaProxy is false", c.name)
		}
		l, err := ByArguments(s, local, token, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if want := expected(c.after, local); !slices.Equal(l.args, want) {
			t.Errorf("%s: got %q, want %q", c.name, l.args, want)
		}
		if got := environment(l); !slices.Equal(got, []string{headerVar + "=Bearer " + canary}) {
			t.Errorf("%s: environment %q", c.name, got)
		}
		if !slices.Equal(s.Args, words[1:]) {
			t.Errorf("%s: the configuration's own arguments have changed", c.name)
		}
	}
}

func TestAcceptance44_AllowHTTPOnlyWhereNeeded(t *testing.T) {
	for url, want := range map[string]bool{
		"https://x.test/mcp": false, "http://localhost:1/": false, "http://127.0.0.1:1/": false,
		"http://x.test/mcp": true, "HTTP://x.test": true, "http://[::1]:1/": true, "http://127.0.0.2/": true,
	} {
		s := server("npx", "mcp-remote", url)
		s.Via = "header"
		if ViaProxy(s) {
			t.Error("ViaProxy is true")
		}
		l, err := ByArguments(s, "", token, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"mcp-remote", url, "--header", "Authorization:${BEARERD_AUTHORIZATION}"}
		if want {
			args = append(args, "--allow-http")
		}
		if !slices.Equal(l.args, args) {
			t.Errorf("%s: got %q, want %q", url, l.args, args)
		}
	}
	s := server("mcp-remote", "http://x.test", "--allow-http")
	s.Via = "header"
	l, err := ByArguments(s, "", token, nil, nil)
	if err != nil || strings.Count(strings.Join(l.args, " "), "--allow-http") != 1 {
		t.Errorf("written already: %v, %v", l, err)
	}
}

func TestArgumentsThatCannotBeRewritten(t *testing.T) {
	for words, want := range map[string]string{
		"mcp-remote wss://x.test":                         "no http or https URL",
		"npx --registry https://r.test mcp-remote":        "no http or https URL",
		"acme-bridge":                                     "no http or https URL",
		"docker run -i node npx mcp-remote https://x":     `add "--network=host" to args or set via = "header"`,
		"docker run --network br img mcp-remote http://x": `add "--network=host"`,
	} {
		command := strings.Fields(words)
		_, err := ByArguments(server(command[0], command[1:]...), local, token, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), `server "search": `) {
			t.Errorf("%s: got %v, want %q", words, err, want)
		}
	}
}

func TestWithoutOAuthArgumentsStay(t *testing.T) {
	s := server("mcp-remote", "https://x.test", "--header", "Authorization: mine")
	s.OAuth.Enabled = false
	l, err := ByArguments(s, "", secrets.Secret{}, nil, nil)
	if err != nil || !slices.Equal(l.args, s.Args) || len(l.env) != 0 || ViaProxy(s) {
		t.Errorf("got %v, %v", l, err)
	}
}

func TestCurlReadsTheHeaderFromAFile(t *testing.T) {
	runtime := t.TempDir()
	s := server(program(t, "curl"), "-s", "https://x.test/mcp")
	l, err := ByArguments(s, "", token, does("report"), []string{"XDG_RUNTIME_DIR=" + runtime})
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, s, l, -1)
	if len(got.Args) != 5 || !slices.Equal(got.Args[1:4], []string{"-s", "https://x.test/mcp", "--header"}) {
		t.Fatalf("arguments %q", got.Args)
	}
	file := strings.TrimPrefix(got.Args[4], "@")
	if !strings.HasPrefix(file, runtime+"/") || got.Files[file] != "Authorization: Bearer "+canary+"\n" {
		t.Errorf("%s holds %q", file, got.Files[file])
	}
	if strings.Contains(strings.Join(append(got.Args, got.Env...), " "), canary) {
		t.Error("the token is in the arguments or the environment")
	}
	for path, want := range map[string]os.FileMode{file: 0o600, filepath.Dir(file): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(runtime); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCurlWithoutARuntimeFolder(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	l, err := ByArguments(server("curl", "https://x.test"), "", token, nil, []string{"XDG_RUNTIME_DIR=/nonexistent/run"})
	if err != nil || filepath.Dir(l.dir) != tmp {
		t.Fatalf("got %+v, %v", l, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = ByArguments(server("curl", "https://x.test"), "", token, vars("BIG", "\x00"), nil)
	if left, _ := os.ReadDir(tmp); err == nil || len(left) != 0 {
		t.Errorf("a refused launch gave %v and left %v", err, left)
	}
}

// What the guide documents, a literal token in the arguments, would be here for every user of the host.
func TestAcceptance41_NoTokenInTheCommandLinesOfTheTree(t *testing.T) {
	byHeader := server(program(t, "npx"), "-y", "mcp-remote", "https://x.test/mcp")
	byHeader.Via = "header"
	byProxy := server(program(t, "npx"), "-y", "mcp-remote", "https://x.test/mcp")
	byEnv := server(program(t, "docker"), "run", "img")
	byCurl := server(program(t, "curl"), "https://x.test/mcp")
	for _, s := range []*config.Server{byHeader, byProxy, byCurl, byEnv} {
		prepare := func() (*Launch, error) { return ByArguments(s, local, token, does("npx"), nil) }
		if s == byEnv {
			prepare = func() (*Launch, error) { return ByEnv(s, token, does("npx"), nil) }
		}
		l, err := prepare()
		if err != nil {
			t.Fatal(err)
		}
		c := start(t, s, l, -1)
		for _, pid := range []int{c.ready(t), c.ready(t)} {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil {
				t.Skip("needs /proc: ", err)
			}
			if len(line) == 0 || strings.Contains(string(line), canary) {
				t.Errorf("the command line of %d is %q", pid, line)
			}
		}
		_ = c.in.Close()
		if code := c.Wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
