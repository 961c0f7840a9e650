package main_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// While Vault is sealed, killed or hangs, the token that is held is served; nothing is restarted when it is back.
func TestVaultOutagesWhileServing(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	token := v.token("s")
	for _, fault := range []struct {
		name      string
		down, up  func()
		sealed    bool
		cannotAsk string
	}{
		{"sealed", v.vault.Seal, v.vault.Unseal, true, "is sealed"},
		{"killed", v.vault.Kill, v.vault.Restart, false, "cannot be reached"},
	} {
		fault.down()
		within(t, 15*time.Second, fault.name+": /readyz says degraded", func() bool { return v.ready(t) == "200 degraded" })
		if r := v.reported(); r.Vault.Sealed != fault.sealed || r.Vault.Up || r.Servers[0].Token.Status != "valid" {
			t.Errorf("%s: status: %+v", fault.name, r)
		}
		if v.token("s") != token {
			t.Errorf("%s: the token is another one", fault.name)
		}
		if said := v.fails(1, "refresh", "s"); !strings.Contains(said, fault.cannotAsk) || !strings.Contains(said, "stays in service") {
			t.Errorf("%s: refresh says %q", fault.name, said)
		}
		fault.up()
		within(t, 45*time.Second, fault.name+": all is well again", func() bool { return v.ready(t) == "200 ready" })
		v.ok("refresh", "s")
		token = v.token("s")
	}
	if strings.Count(d.stderr.String(), "bearerd is ready") != 1 {
		t.Error("the daemon was restarted")
	}
}

// A revoked token of our own is noticed within seconds, and bearerd logs in again; a policy that is taken away is named,
// and no login is tried.
func TestVaultTokenRevokedAndPolicyTakenAway(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	v.token("s")
	before := v.logins(t)
	v.vault.Do("PUT", "sys/leases/revoke-prefix/auth/approle", map[string]any{})
	within(t, 15*time.Second, "the revoked token is noticed", func() bool { return v.logins(t) == before+1 })
	v.ok("refresh", "s")

	v.vault.Policy("bearerd", strings.Replace(allowed, "secret/data/mcp/*", "secret/data/other", 1))
	said := v.fails(1, "refresh", "s")
	if !strings.Contains(said, `path "secret/data/mcp/app" { capabilities = ["read"] }`) {
		t.Errorf("without the policy refresh says %q", said)
	}
	if strings.Contains(said, "once it is mended") {
		t.Errorf("the remedy is wrong: %q", said)
	}
	v.vault.Policy("bearerd", strings.Replace(allowed, "secret/data/bearerd/*", "secret/data/other", 1))
	v.ok("refresh", "s") // it needs the secret alone
	eventually(t, "the store is named", func() bool {
		return strings.Contains(d.stderr.String(), "store_denied") && strings.Contains(d.stderr.String(), "secret/data/bearerd/grant/s")
	})
	if got := v.ready(t); got != "200 degraded" {
		t.Errorf("/readyz says %q", got)
	}
	v.vault.Policy("bearerd", allowed)
	v.ok("refresh", "s")
	within(t, 45*time.Second, "all is well again", func() bool { return v.ready(t) == "200 ready" })
	if n := v.logins(t); n != before+1 {
		t.Errorf("%d logins for a policy that was taken away", n-before-1)
	}
}

// With 10 s before each answer of Vault tokens are served and renewed, a chain of refresh tokens too.
func TestVaultLatency(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute and a half")
	}
	t.Parallel()
	v := startVaulted(t)
	c := v.chain(t)
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()), server("r", nothing, c.block))
	v.daemon()
	v.token("s")
	v.token("r")
	v.tap.Delay(10 * time.Second)
	start := time.Now()
	v.token("s")
	v.token("r")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the tokens that are held took %s", took)
	}
	refreshed := make(chan result, 2)
	for _, name := range []string{"s", "r"} {
		go func() { refreshed <- v.run("refresh", name) }()
	}
	for range 2 {
		if r := <-refreshed; r.code != 0 {
			t.Errorf("refresh: %s", r.stderr)
		}
	}
	t.Logf("both are renewed after %s", time.Since(start))
	if got := v.ready(t); got != "200 ready" {
		t.Errorf("/readyz says %q", got)
	}
	v.tap.Delay(0)
	c.right(t, 2)
}

// The answers to a write are lost after Vault has applied it: the claim, the commit, or both. The record has the newest
// refresh token nevertheless, and none was spent twice.
func TestVaultAnswersLost(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	c := v.chain(t)
	v.configure(v.block, shared, server("r", nothing, c.block), server("s", nothing, v.grantInVault()))
	v.daemon()
	v.token("r")
	v.token("s")
	rotations := 1
	c.right(t, rotations)
	record := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/secret/data/bearerd/") }
	write := func(r *http.Request) bool { return r.Method == http.MethodPut && record(r) }
	spent := func() bool { // the new refresh token is on its way
		state, _ := v.as.Chain(c.supplied)
		return state.Rotations == rotations
	}
	for name, fault := range map[string]struct {
		match func(*http.Request) bool
		n     int // answers
	}{
		"claim":            {write, 1},
		"commit":           {func(r *http.Request) bool { return write(r) && spent() }, 1},
		"claim and commit": {write, 2},
		"claim, read back": {afterFirst(write, record), 3},
		"commit and reads": {func(r *http.Request) bool { return record(r) && spent() }, 9},
	} {
		before := v.tap.Dropped()
		rotations++
		v.tap.DropAnswers(fault.match, fault.n)
		v.ok("refresh", "r")
		within(t, 45*time.Second, name+": the record is right", func() bool { return c.problem(rotations) == "" })
		if n := v.tap.Dropped() - before; n == 0 || n < fault.n && name != "commit and reads" {
			t.Errorf("%s: %d answers were lost, want %d", name, n, fault.n)
		}
		v.tap.DropAnswers(nil, 0)
		c.right(t, rotations)
		eventually(t, name+": all is well again", func() bool { return v.ready(t) == "200 ready" })
	}
	v.tap.DropAnswers(write, 1)
	v.ok("refresh", "s") // without a lease
	v.tap.DropAnswers(nil, 0)
	if got := v.ready(t); got != "200 ready" {
		t.Errorf("/readyz says %q", got)
	}
}

// Vault is gone when the answer to a refresh token comes, and bearerd is killed before it is back: the journal on disk has
// the only refresh token, and brings it into the record at the next start.
func TestVaultGoneBeforeTheCommit(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	c := v.chain(t)
	v.configure(v.block, shared, server("r", nothing, c.block))
	d := v.daemon()
	v.token("r")
	v.as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		v.tap.Refuse(true)
		next.ServeHTTP(w, r)
	})
	v.ok("refresh", "r")
	token := v.token("r")
	if r := v.reported().Servers[0].Token; !r.Uncommitted {
		t.Errorf("status: %+v", r)
	}
	if said := v.ok("status"); !strings.Contains(said, "not yet in the store; keep the folder") {
		t.Errorf("status says %q", said)
	}
	if got := v.ready(t); got != "200 degraded" {
		t.Errorf("/readyz says %q", got)
	}
	d.signal(syscall.SIGKILL)
	<-d.done
	v.daemon()
	if v.token("r") != token || !v.reported().Servers[0].Token.Uncommitted {
		t.Error("the token of the journal is not served, or status does not say where it is")
	}
	v.tap.Refuse(false)
	within(t, 45*time.Second, "the record is right", func() bool { return c.problem(2) == "" })
	eventually(t, "all is well again", func() bool { return v.ready(t) == "200 ready" })
	c.right(t, 2)
	v.ok("refresh", "r")
	c.right(t, 3)
	if leaks := findLeaks(v.files(), v.privates()); len(leaks) > 0 {
		t.Error(leaks)
	}
}

// afterFirst accepts what first does, and from then on what then does.
func afterFirst(first, then func(*http.Request) bool) func(*http.Request) bool {
	begun := false
	return func(r *http.Request) bool {
		begun = begun || first(r)
		return begun && then(r)
	}
}
