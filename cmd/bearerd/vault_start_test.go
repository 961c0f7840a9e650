package main_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With a sealed copy, a bearerd that starts without Vault serves the token, and says that it is degraded.
func TestVaultDownAtStartWithACopy(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	token := v.token("s")
	d.stop()
	v.vault.Kill()
	v.daemon()
	if v.token("s") != token {
		t.Error("the token of the copy is not served")
	}
	v.ok("exec", "s") // which needs a token
	within(t, 20*time.Second, "/readyz says degraded", func() bool { return v.ready(t) == "200 degraded" })
	r := v.reported()
	if s := r.Servers[0].Token; s.Store != "store_unavailable" || s.Status != "valid" || r.Vault.Up || r.Vault.Error == "" {
		t.Errorf("status: %+v", r)
	}
	if said := v.ok("status"); !strings.Contains(said, "cannot be used") || !strings.Contains(said, "s: store_unavailable: degraded") {
		t.Errorf("status says %q", said)
	}
	v.vault.Restart()
	within(t, 45*time.Second, "everything is in order again", func() bool { return v.ready(t) == "200 ready" })
	if v.token("s") != token || requestsWith(v.as, "app") != 1 {
		t.Error("the token is another one")
	}
}

// Without a copy it waits, and begins when Vault is there.
func TestVaultDownAtStartWithoutACopy(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.vault.Kill()
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	v.daemon()
	said := v.fails(1, "token", "s", "--show")
	if !strings.Contains(said, "cannot be reached") || strings.Contains(said, "HTTP") {
		t.Errorf("token says %q", said)
	}
	if got := v.ready(t); got != "503 waiting" {
		t.Errorf("/readyz says %q", got)
	}
	if s := v.reported().Servers[0].Token; s.State != "pending" || s.Error == "" || s.Remedy == "" {
		t.Errorf("status: %+v", s)
	}
	v.vault.Restart()
	within(t, 45*time.Second, "the first token", func() bool { return v.ready(t) == "200 ready" })
	v.token("s")
}

// A policy that was taken away is no outage: the copy is not served, and the error names the path.
func TestVaultDeniedAtStart(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	token := v.token("s")
	d.stop()
	v.vault.Policy("bearerd", `path "secret/data/other" { capabilities = ["read"] }`)
	d = v.daemon()
	said := v.fails(1, "token", "s", "--show")
	if !strings.Contains(said, `path "secret/data/mcp/app" { capabilities = ["read"] }`) {
		t.Errorf("token says %q", said)
	}
	if said := d.stderr.String(); !strings.Contains(said, `secret/data/bearerd/grant/s`) || !strings.Contains(said, "store_denied") {
		t.Error("the log does not name the path of the record")
	}
	if got := v.ready(t); got != "503 waiting" {
		t.Errorf("/readyz says %q", got)
	}
	if said := v.ok("status"); !strings.Contains(said, "s: store_denied: ") || !strings.Contains(said, "secret/data/bearerd/grant/s") {
		t.Errorf("status says %q", said)
	}
	v.vault.Policy("bearerd", allowed)
	v.ok("refresh", "s")
	if v.token("s") == token {
		t.Error("refresh gave the old token")
	}
	within(t, 45*time.Second, "everything is in order again", func() bool { return v.ready(t) == "200 ready" })
}

// A copy that was served in an outage is not any more once Vault answers that the record may not be read.
func TestVaultDeniesWhatACopyServed(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	token := v.token("s")
	d.stop()
	v.vault.Policy("bearerd", `path "secret/data/other" { capabilities = ["read"] }`)
	v.vault.Kill()
	v.daemon()
	if v.token("s") != token {
		t.Error("the token of the copy is not served")
	}
	v.vault.Restart()
	within(t, 45*time.Second, "the copy is not served", func() bool { return v.ready(t) == "503 waiting" })
	if said := v.fails(1, "token", "s", "--show"); !strings.Contains(said, "does not allow it") {
		t.Errorf("token says %q", said)
	}
}

// A KV v1 engine has no check-and-set: it is refused by name, in each place where a mount may be written.
func TestVaultRefusesKV1(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.vault.Policy("bearerd", allowed+"\npath \"kv1/*\" { capabilities = [\"read\"] }")
	reference := strings.Replace(v.block, "vault {", "vault {\nmount = \"kv1\"", 1)
	for name, block := range map[string]string{"vault": reference, "store": v.block + "store \"vault\" { mount = \"kv1\" }\n"} {
		v.configure(block, server("s", `command = "true"`, `env = { V = vault("app", "x") }`))
		for _, args := range [][]string{{"run"}, {"exec", "s"}} {
			r := v.start(args...)
			select {
			case <-r.done:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: bearerd %s goes on with a KV v1 engine", name, args[0])
			}
			if said := r.stderr.String(); r.wait() != 1 || !strings.Contains(said, `"kv1"`) || !strings.Contains(said, "KV version 1") {
				t.Errorf("%s: bearerd %s says %s", name, args[0], said)
			}
		}
	}
}

// At SIGTERM the Vault token that bearerd logged in for is revoked, and nothing is left. Commands do the same.
func TestVaultTokenIsRevokedAtTheEnd(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	before := len(v.accessors())
	v.configure(v.block, shared, server("s", `command = "cat"`, v.grantInVault()))
	d := v.daemon()
	v.token("s")
	child := v.start("exec", "s")
	eventually(t, "the child runs", func() bool { return strings.Contains(child.stderr.String(), `"started"`) })
	if n := len(v.accessors()) - before; n != 2 {
		t.Errorf("%d tokens of Vault for one run and one exec", n)
	}
	child.signal(syscall.SIGTERM)
	child.wait()
	d.stop()
	v.ok("status") // in this process
	if left := len(v.accessors()) - before; left != 0 {
		t.Errorf("%d tokens of Vault are left", left)
	}
	v.nothingRuns()
	if _, err := os.Lstat(v.path("state/bearerd.sock")); err == nil {
		t.Error("the socket is left")
	}
}

// accessors are those of all tokens that Vault knows.
func (v *vaulted) accessors() []any {
	list, _ := v.data("LIST", "auth/token/accessors", nil)["keys"].([]any)
	return list
}
