package main_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A child that has the client's pipes keeps its environment: that a value in it has changed in Vault is logged and shown in status, with and
// without a daemon, until the child ends.
func TestVaultOutdatedChild(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-held", "canary-changed")
	v.put("mcp/env", map[string]any{"key": "canary-held"})
	v.configure(v.block, server("s", `command = "cat"`, `on_rotate = "none"`, `env = { KEY = vault("mcp/env", "key"), FIXED = "x" }`))
	child := v.start("exec", "s")
	eventually(t, "the child runs", func() bool { return strings.Contains(child.stderr.String(), `"started"`) })
	v.put("mcp/env", map[string]any{"key": "canary-changed"})
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !strings.Contains(child.stderr.String(), "have changed: restart its client"); <-tick.C {
		if time.Since(start) > 90*time.Second {
			t.Fatal("after 90 s the change is not logged")
		}
	}
	pid := child.cmd.Process.Pid
	for _, daemon := range []bool{false, true} {
		if daemon {
			v.daemon()
		}
		r := v.reported().Outdated
		if len(r) != 1 || r[0].Server != "s" || r[0].PID != pid || !slices.Equal(r[0].Env, []string{"KEY"}) {
			t.Errorf("status: %+v", r)
		}
		if said := v.ok("status"); !strings.Contains(said, "was started with values that have changed since: KEY") {
			t.Errorf("status says %q", said)
		}
	}
	child.stdin.Close()
	if code := child.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if r := v.reported().Outdated; len(r) != 0 {
		t.Errorf("after the child's end status has %+v", r)
	}
}
