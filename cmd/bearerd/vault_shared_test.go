package main_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keys lists what Vault has below secret/, recursively.
func (v *vaulted) keys(folder string) (found []string) {
	v.t.Helper()
	answer, err := v.vault.DoErr("LIST", "secret/metadata/"+folder, nil)
	if err != nil && strings.Contains(err.Error(), "404") {
		return nil
	}
	if err != nil {
		v.t.Fatal(err)
	}
	data, _ := answer["data"].(map[string]any)
	names, _ := data["keys"].([]any)
	for _, n := range names {
		if name := fmt.Sprint(n); strings.HasSuffix(name, "/") {
			found = append(found, v.keys(folder+name)...)
		} else {
			found = append(found, folder+name)
		}
	}
	return found
}

// Two hosts share one token; what belongs to a host stays there, and no secret is anywhere in clear.
func TestVaultSharedStore(t *testing.T) {
	t.Parallel()
	one := startVaulted(t)
	two := one.host(t)
	for _, h := range []*vaulted{one, two} {
		h.configure(h.block, shared, server("s", nothing, h.grantInVault()))
	}
	first := one.daemon()
	token := one.token("s")
	two.private(token)
	two.daemon()
	if two.token("s") != token || requestsWith(one.as, "app") != 1 {
		t.Errorf("%d token requests; the hosts have the same token: %t", requestsWith(one.as, "app"), two.token("s") == token)
	}
	two.ok("refresh", "s")
	renewed := two.token("s")
	one.private(renewed)
	first.stop()
	one.daemon()
	if one.token("s") != renewed || requestsWith(one.as, "app") != 2 {
		t.Error("after a restart the other host's token is not in use")
	}
	for range 3 {
		one.ok("refresh", "s")
		two.private(one.token("s"))
	}
	if got, want := one.keys(""), []string{"bearerd/grant/s", "mcp/app"}; !slices.Equal(got, want) {
		t.Errorf("Vault has %q, want %q", got, want)
	}
	meta := one.data("GET", "secret/metadata/bearerd/grant/s", nil)
	versions, _ := meta["versions"].(map[string]any)
	if meta["max_versions"] != 2.0 || meta["cas_required"] != true || len(versions) > 2 {
		t.Errorf("max_versions %v, cas_required %v, %d versions", meta["max_versions"], meta["cas_required"], len(versions))
	}
	for _, h := range []*vaulted{one, two} {
		h.leaksNowhere(t)
	}
}

// leaksNowhere looks for canaries in the state folder, in command lines, in what commands say and in the metrics.
func (v *vaulted) leaksNowhere(t *testing.T) {
	t.Helper()
	places := v.files()
	for pid, argv := range v.processes() {
		places["/proc/"+strconv.Itoa(pid)+"/cmdline"] = argv
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"metrics"}, {"secret", "list"}, {"check", "--json"}, {"token", v.reported().Servers[0].Name}} {
		r := v.run(args...)
		places[strings.Join(args, " ")] = r.stdout + r.stderr
	}
	places["/metrics"] = v.metricsPage()
	for _, leak := range findLeaks(places, v.privates()) {
		t.Error(leak)
	}
}

// secret set, list and rm work on either store, with and without a daemon.
func TestVaultSecretCommands(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-set", "canary-set-again")
	grant := strings.Replace(v.grantInVault(), `vault("mcp/app", "client_secret")`, `secret("as/app")`, 1)
	v.configure(v.block, shared, server("s", nothing, grant))
	for _, daemon := range []bool{false, true} {
		if daemon {
			v.daemon()
			eventually(t, "the daemon has failed", func() bool { return strings.Contains(v.said.String(), `secret(\"as/app\"): not in the store`) })
		}
		if r := v.feed("canary-set\n", "secret", "set", "as/app"); r.code != 0 {
			t.Fatal(r.stderr)
		}
		if r := v.feed("canary-of-app\n", "secret", "set", "as/app"); r.code != 0 {
			t.Fatal(r.stderr)
		}
		if said := v.ok("secret", "list"); said != "as/app" {
			t.Errorf("secret list says %q", said)
		}
		v.token("s")
		if got := v.keys("bearerd/secret/"); !slices.Equal(got, []string{"bearerd/secret/as/app"}) {
			t.Errorf("Vault has %q", got)
		}
		v.ok("secret", "rm", "as/app")
		v.ok("invalidate", "s")
		if left := v.keys("bearerd/secret/"); left != nil {
			t.Errorf("Vault still has %q", left)
		}
		v.fails(1, "secret", "rm", "as/app")
	}
	// Beside a connection alone, the same values are in the state folder.
	other := v.host(t)
	other.private("canary-local")
	other.configure(other.block, server("s", nothing, other.grantInVault()))
	if r := other.feed("canary-local", "secret", "set", "local"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	if said := other.ok("secret", "list"); said != "local" {
		t.Errorf("secret list says %q", said)
	}
	other.token("s")
	if got := other.keys("bearerd/secret/"); got != nil {
		t.Errorf("Vault has %q", got)
	}
	if leaks := findLeaks(other.files(), other.privates()); len(leaks) > 0 {
		t.Error(leaks)
	}
}

// A record that another bearerd keeps under the same name for another credential is its own affair: nobody uses its
// token, and neither takes away the other's.
func TestVaultSharedNameOfAnotherCredential(t *testing.T) {
	t.Parallel()
	one := startVaulted(t)
	two := one.host(t)
	one.configure(one.block, shared, server("s", nothing, one.grantInVault(`OAUTH_SCOPE = "a"`)))
	two.configure(two.block, shared, server("s", nothing, two.grantInVault(`OAUTH_SCOPE = "b"`)))
	one.daemon()
	two.daemon()
	for h, scope := range map[*vaulted]string{one: "a", two: "b"} {
		if g, _ := one.as.Introspect(h.token("s")); g.Scope != scope {
			t.Errorf("the token has the scope %q, want %q", g.Scope, scope)
		}
	}
}
