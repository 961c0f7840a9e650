//go:build unix

package stdio

import (
	"slices"
	"strings"
	"testing"
)

func TestAcceptance45_ContainersGetTheNames(t *testing.T) {
	for _, c := range []struct{ command, args, want string }{
		{"docker", "run -i --rm img", "run -e A -e B -i --rm img"},
		{"podman", "run img run", "run -e A -e B img run"},
		{"/usr/bin/docker", "container run img", "container run -e A -e B img"},
		{"docker", "--context far -D --log-level=debug run img", "--context far -D --log-level=debug run -e A -e B img"},
		{"docker", "-H unix:///run run img", "-H unix:///run run -e A -e B img"},
		{"docker", "exec box run", "exec box run"},
		{"docker", "mcp gateway run", "mcp gateway run"},
		{"docker", "container", "container"},
		{"docker", "--context", "--context"},
		{"docker", "", ""},
		{"docker-compose", "run svc", "run svc"},
		{"uvx", "run", "run"},
	} {
		args := strings.Fields(c.args)
		before := slices.Clone(args)
		got := passIntoContainer(c.command, args, []string{"A", "B"})
		if !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s %s: got %q, want %q", c.command, c.args, got, c.want)
		}
		if !slices.Equal(args, before) {
			t.Errorf("%s %s: the configuration's own arguments have changed", c.command, c.args)
		}
	}
}

func TestAcceptance45_AContainerSeesTheToken(t *testing.T) {
	s := server(program(t, "docker"), "run", "-i", "img")
	l, err := ByEnv(s, token, does("report"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, s, l, -1)
	if i := slices.Index(got.Args, "OAUTH_ACCESS_TOKEN"); i < 1 || got.Args[i-1] != "-e" {
		t.Errorf("no -e OAUTH_ACCESS_TOKEN in %q", got.Args)
	}
	if strings.Contains(strings.Join(got.Args, " "), canary) {
		t.Errorf("the token is in the arguments %q", got.Args)
	}
	if !slices.Contains(got.Env, "OAUTH_ACCESS_TOKEN="+canary) {
		t.Errorf("docker's own environment lacks the token: %q", got.Env)
	}
}
