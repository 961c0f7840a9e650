//go:build unix

package stdio

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

const canary = "tok-canary-7f3a"

var token = secrets.New(canary)

func vars(pairs ...string) map[string]secrets.Secret {
	m := map[string]secrets.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = secrets.New(pairs[i+1])
	}
	return m
}

func TestByEnvGivesTheDocumentedVariables(t *testing.T) {
	s := server(program(t, "child"))
	l, err := ByEnv(s, token, vars(childVar, "report", "MODE", "fast"), []string{
		"PATH=/bin", "HOME=/h", "LC_ALL=C", "XDG_RUNTIME_DIR=/run/u", "https_proxy=http://p", "HTTPS_PROXY=http://P",
		"NODE_EXTRA_CA_CERTS=/ca", "NOTIFY_SOCKET=/n", "CREDENTIALS_DIRECTORY=/c", "LISTEN_FDS=3", "WATCHDOG_USEC=1",
		"VAULT_TOKEN=v", "BEARERD_CONFIG=/b", "CLIENT_SECRET=s", "LC=x", "PATHS=x",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"AUTHORIZATION=Bearer " + canary, "CHILD=report", "ENKRYPT_ACCESS_TOKEN=" + canary, "HOME=/h",
		"HTTPS_PROXY=http://P", "HTTP_HEADER_AUTHORIZATION=Bearer " + canary, "HTTP_HEADER_Authorization=Bearer " + canary,
		"LC_ALL=C", "MODE=fast", "NODE_EXTRA_CA_CERTS=/ca", "OAUTH_ACCESS_TOKEN=" + canary, "OAUTH_TOKEN_TYPE=Bearer",
		"PATH=/bin", "XDG_RUNTIME_DIR=/run/u", "https_proxy=http://p",
	}
	if got := run(t, s, l, -1).Env; !slices.Equal(got, want) {
		t.Errorf("the child's environment:\n%q\nwant\n%q", got, want)
	}
}

func TestByEnvWithInjectEnvAndPassEnv(t *testing.T) {
	s := server("srv")
	s.InjectEnv = []string{"GITHUB_TOKEN", "GH_TOKEN"}
	s.PassEnv = []string{"VAULT_ADDR", "ABSENT"}
	l, err := ByEnv(s, token, nil, []string{"VAULT_ADDR=https://v", "VAULT_TOKEN=v", "GH_TOKEN=old"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"GH_TOKEN=" + canary, "GITHUB_TOKEN=" + canary, "VAULT_ADDR=https://v"}
	if got := environment(l); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestByEnvDeclaredValueReplacesAnInheritedOne(t *testing.T) {
	l, err := ByEnv(server("srv"), token, vars("PATH", "/opt/bin"), []string{"PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.env["PATH"].Reveal(); got != "/opt/bin" {
		t.Errorf("PATH is %q", got)
	}
}

func TestByEnvWithoutOAuthInjectsNothing(t *testing.T) {
	for name, oauth := range map[string]*config.OAuth{"no oauth_config": nil, "enabled = false": {}} {
		s := server("docker", "run", "img")
		s.OAuth = oauth
		l, err := ByEnv(s, secrets.Secret{}, vars("AUTHORIZATION", "mine"), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := environment(l); !slices.Equal(got, []string{"AUTHORIZATION=mine"}) || !slices.Equal(l.args, s.Args) {
			t.Errorf("%s: got %q %q", name, got, l.args)
		}
	}
}

func TestAcceptance43_AnInjectedNameIsDeclaredOrPassed(t *testing.T) {
	declared := server("srv")
	passed := server("srv")
	passed.PassEnv = []string{"OAUTH_ACCESS_TOKEN"}
	named := server("srv")
	named.InjectEnv = []string{"GH_TOKEN"}
	remote := server("mcp-remote", "https://mcp.example.com")
	for name, get := range map[string]func() (*Launch, error){
		"AUTHORIZATION":      func() (*Launch, error) { return ByEnv(declared, token, vars("AUTHORIZATION", "x"), nil) },
		"OAUTH_ACCESS_TOKEN": func() (*Launch, error) { return ByEnv(passed, token, nil, nil) },
		"GH_TOKEN":           func() (*Launch, error) { return ByEnv(named, token, vars("GH_TOKEN", ""), nil) },
		headerVar:            func() (*Launch, error) { return ByArguments(remote, local, token, vars(headerVar, "x"), nil) },
	} {
		_, err := get()
		want := `server "search": ` + name + ` carries the token: remove it from env and pass_env`
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A child is started with a Launch only, and without a usable token there is none.
func TestAcceptance47_NoTokenNoChild(t *testing.T) {
	for name, c := range map[string]struct{ token, want string }{
		"absent":       {"", "there is no token"},
		"too long":     {canary + strings.Repeat("x", 200<<10), "the token is 200 KiB long"},
		"with NUL":     {canary + "\x00", "control character"},
		"with newline": {canary + "\nX-Other: 1", "control character"},
	} {
		for delivery, get := range map[string]func(*config.Server, secrets.Secret) (*Launch, error){
			"env": func(s *config.Server, tok secrets.Secret) (*Launch, error) { return ByEnv(s, tok, nil, nil) },
			"arguments": func(s *config.Server, tok secrets.Secret) (*Launch, error) {
				return ByArguments(s, local, tok, nil, nil)
			},
		} {
			l, err := get(server("mcp-remote", "https://mcp.example.com"), secrets.New(c.token))
			if l != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"search"`) {
				t.Errorf("%s, %s: got %v, %v, want an error with %q", name, delivery, l, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s, %s: the token is in the error", name, delivery)
			}
		}
	}
}

func TestTheLongestTokenReachesTheChild(t *testing.T) {
	s := server(program(t, "child"))
	s.InjectEnv = []string{"LONG"}
	long := strings.Repeat("x", maxValue)
	l, err := ByEnv(s, secrets.New(long), does("report"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, s, l, -1).Env; !slices.Contains(got, "LONG="+long) {
		t.Error("the token did not arrive")
	}
}

func TestDeclaredValueThatCannotBePassed(t *testing.T) {
	for _, value := range []string{strings.Repeat("x", maxValue+1), "a\x00b"} {
		if _, err := ByEnv(server("srv"), token, vars("BIG", value), nil); err == nil || !strings.Contains(err.Error(), "BIG") {
			t.Errorf("got %v", err)
		}
	}
}

func TestLaunchAndProcessPrintNoToken(t *testing.T) {
	s := server(program(t, "child"))
	l, err := ByEnv(s, token, does("echo"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, s, l, -1)
	for _, text := range []string{fmt.Sprintf("%+v %#v", l, l), fmt.Sprintf("%+v %+v", c.Process, *c.cmd)} {
		if strings.Contains(text, canary) {
			t.Errorf("the token is in %s", text)
		}
	}
	_ = c.in.Close()
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
