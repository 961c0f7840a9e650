package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// examples/api/guide.sh goes from the first request to the last; a script with curl approves in the person's place.
func TestGuideScript(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("../../examples/api/guide.sh")
	if err != nil {
		t.Fatal(err)
	}
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, startEverythingHTTP(t))
	g := startGoverned(t, p, server("hand", nothing))
	g.write("approve", fmt.Sprintf("#!/bin/sh\nexec curl -q -sSfL -o page -c jar -b jar --cacert %q \"$1\"\n", p.CAFile))
	if err := os.Chmod(g.path("approve"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(g.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, g.path("bin/bearerd")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", script)
	cmd.Dir = g.dir
	for _, v := range g.env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			v = "PATH=" + g.path("bin") + ":" + path
		}
		cmd.Env = append(cmd.Env, v)
	}
	cmd.Env = append(cmd.Env, "BEARERD_URL=http://"+g.admin, "MCP_URL="+mcp.URL, "OAUTH_SCOPE=read write", "APPROVE="+g.path("approve"))
	var out, said buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &said)
	}
	for _, want := range []string{"tool: echo\n", "refreshed: ", `"status":"authorized"`, "revoked: OAuth token revoked successfully"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("stdout has no %q:\n%s%s", want, &out, &said)
		}
	}
	g.private(mcp.tokens()...)
	for _, leak := range findLeaks(map[string]string{"guide.sh": out.String() + said.String()}, g.privates()) {
		t.Error(leak)
	}
	for _, token := range mcp.tokens() {
		if p.Introspect(t, token)["active"] == true {
			t.Error("a token lives on")
		}
	}
	if left, _ := filepath.Glob(g.path("made/*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
