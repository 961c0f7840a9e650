package main_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets/sealed"
)

// chained is a chain of refresh tokens at the authorization server, of the server "r".
type chained struct {
	v        *vaulted
	supplied string
	block    string // its oauth_config
}

// chain starts one; the supplied token is in Vault.
func (v *vaulted) chain(t *testing.T) *chained {
	t.Helper()
	v.as.Register(oauthtest.Client{ID: "chained", Secret: "canary-of-chained"})
	c := &chained{v: v, supplied: v.as.Grant("chained")}
	v.private(c.supplied)
	v.put("mcp/chained", map[string]any{"refresh_token": c.supplied})
	c.block = v.grant(v.as.TokenURL(), "ca.pem", "chained", "canary-of-chained", `OAUTH_GRANT_TYPE = "refresh_token"`,
		`OAUTH_REFRESH_TOKEN = vault("mcp/chained", "refresh_token")`)
	return c
}

// kept is the part of a record that these tests look at.
type kept struct {
	Refresh  string          `json:"refresh_token"`
	Access   string          `json:"access_token"`
	Rotation int             `json:"rotation"`
	Lease    json.RawMessage `json:"lease"`
}

// inVault is the record of a server in Vault.
func (v *vaulted) inVault(server string) (k kept, err error) {
	answer, err := v.vault.DoErr("GET", "secret/data/bearerd/grant/"+server, nil)
	if err != nil {
		return k, err
	}
	data, _ := answer["data"].(map[string]any)
	fields, _ := data["data"].(map[string]any)
	value, _ := fields["value"].(string)
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal(b, &k)
}

// inFolder is the same in the state folder; copies are "copy/NAME".
func (h *home) inFolder(t *testing.T, key string) (k kept, found bool) {
	t.Helper()
	store, err := sealed.Open(h.path("state"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := store.Get(t.Context(), key)
	if err != nil {
		return k, false
	}
	if err := json.Unmarshal(b, &k); err != nil {
		t.Error(err)
	}
	return k, true
}

// problem says what is wrong with the record in Vault after so many rotations; "": it holds the newest refresh token.
func (c *chained) problem(rotations int) string {
	state, _ := c.v.as.Chain(c.supplied)
	k, err := c.v.inVault("r")
	c.v.private(k.Refresh, k.Access)
	switch {
	case err != nil:
		return err.Error()
	case state.Revoked:
		return "the chain is revoked"
	case state.Rotations != rotations:
		return fmt.Sprintf("%d rotations, want %d", state.Rotations, rotations)
	case k.Refresh != state.Current:
		return "the record has not the newest refresh token"
	case len(k.Lease) > 0:
		return "the lease was not given back"
	}
	return ""
}

func (c *chained) right(t *testing.T, rotations int) {
	t.Helper()
	if p := c.problem(rotations); p != "" {
		t.Error(p)
	}
	if n := c.v.as.Reused(); n != 0 {
		t.Errorf("a refresh token was spent twice, %d times", n)
	}
}

// What is kept on the host of a chain in Vault holds no refresh token, and is of no use for a renewal while Vault is away.
func TestVaultChain(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	c := v.chain(t)
	v.configure(v.block, shared, server("r", nothing, c.block))
	d := v.daemon()
	v.token("r")
	v.ok("refresh", "r")
	token := v.token("r")
	c.right(t, 2)
	if k, ok := v.inFolder(t, "copy/r"); !ok || k.Refresh != "" || k.Access != token {
		t.Errorf("the copy: there is one: %t, with a refresh token: %t, with the token in use: %t", ok, k.Refresh != "", k.Access == token)
	}
	d.stop()
	v.vault.Kill()
	v.daemon()
	if v.token("r") != token {
		t.Error("while Vault is away the copy is not served")
	}
	if said := v.fails(1, "refresh", "r"); !strings.Contains(said, "no refresh token is spent") && !strings.Contains(said, "cannot be reached") {
		t.Errorf("refresh says %q", said)
	}
	v.vault.Restart()
	within(t, 45*time.Second, "Vault is back", func() bool { return v.ready(t) == "200 ready" })
	c.right(t, 2)
	v.ok("refresh", "r")
	c.right(t, 3)
	v.leaksNowhere(t)
}

// A dead refresh token is a case for a person, who is told what to do; the new one works at once.
func TestChainDeadAndSuppliedAnew(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"vault", "file"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			v := startVaulted(t)
			c := v.chain(t)
			block := strings.Replace(c.block, `vault("mcp/chained", "refresh_token")`, `secret("chained")`, 1)
			blocks := []string{v.block, server("r", nothing, block)}
			if store == "vault" {
				blocks = append(blocks, shared)
			}
			v.configure(blocks...)
			v.daemon()
			eventually(t, "it is missing", func() bool {
				return strings.Contains(v.said.String(), "No token for r: OAUTH_REFRESH_TOKEN cannot be read")
			})
			v.supply(t, "chained", c.supplied)
			eventually(t, "the first token", func() bool { return v.ready(t) == "200 ready" })
			first := v.token("r")
			v.as.Revoke(c.supplied)
			said := v.fails(1, "refresh", "r")
			if want := `put a new one where OAUTH_REFRESH_TOKEN refers to, secret("chained")`; !strings.Contains(said, want) {
				t.Errorf("refresh says %q", said)
			}
			v.ok("invalidate", "r")
			v.fails(1, "token", "r", "--show")
			if s := v.reported().Servers[0].Token; s.State != "needs_reauth" || !strings.Contains(s.Remedy, `secret("chained")`) {
				t.Errorf("status: %+v", s)
			}
			again := v.as.Grant("chained")
			v.private(again)
			start := time.Now()
			v.supply(t, "chained", again)
			eventually(t, "the new one works", func() bool { return v.ready(t) == "200 ready" })
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if v.token("r") == first {
				t.Error("the token is the old one")
			}
			if state, _ := v.as.Chain(again); state.Rotations != 1 || state.Revoked || v.as.Reused() != 0 {
				t.Errorf("the new chain: %d rotations, %d reused", state.Rotations, v.as.Reused())
			}
		})
	}
}

func (h *home) supply(t *testing.T, name, value string) {
	t.Helper()
	if r := h.feed(value+"\n", "secret", "set", name); r.code != 0 {
		t.Fatal(r.stderr)
	}
}

// exec and run share the chain, on either store: the child gets the token that the daemon holds, and may be the one that
// renews it.
func TestChainWithRunAndExec(t *testing.T) {
	t.Parallel()
	for _, store := range []string{"vault", "file"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			v := startVaulted(t)
			c := v.chain(t)
			blocks := []string{v.block, server("r", `command = "sh"`, `args = ["-c", "echo $OAUTH_ACCESS_TOKEN"]`, c.block)}
			if store == "vault" {
				blocks = append(blocks, shared)
			}
			v.configure(blocks...)
			first := v.ok("exec", "r")
			v.private(first)
			d := v.daemon()
			if v.token("r") != first || v.ok("exec", "r") != first {
				t.Error("run has another token than exec")
			}
			v.ok("refresh", "r")
			second := v.token("r")
			if second == first || v.ok("exec", "r") != second {
				t.Error("after a refresh exec has another token than run")
			}
			d.stop()
			v.ok("refresh", "r") // without the daemon
			v.daemon()
			third := v.token("r")
			if third == second {
				t.Error("run has the token of before")
			}
			state, _ := v.as.Chain(c.supplied)
			if state.Rotations != 3 || state.Revoked || v.as.Reused() != 0 {
				t.Errorf("%d rotations, revoked: %t", state.Rotations, state.Revoked)
			}
			k, _ := v.inFolder(t, "grant/r")
			if store == "vault" {
				k, _ = v.inVault("r")
			}
			v.private(k.Refresh)
			if k.Refresh != state.Current {
				t.Error("the record has not the newest refresh token")
			}
			if leaks := findLeaks(v.files(), v.privates()); len(leaks) > 0 {
				t.Error(leaks)
			}
		})
	}
}

// Two servers with one refresh token would revoke each other's grant.
func TestChainOfTwoServers(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	c := v.chain(t)
	v.put("mcp/copy", map[string]any{"refresh_token": c.supplied})
	other := strings.Replace(c.block, "mcp/chained", "mcp/copy", 1)
	v.configure(v.block, server("r", nothing, c.block), server("q", nothing, other))
	if r := v.run("check"); r.code != 1 || !strings.Contains(r.stderr, `server "r": OAUTH_REFRESH_TOKEN has the value of that of server "q"`) {
		t.Errorf("check: exit code %d, %s", r.code, r.stderr)
	}
	v.daemon()
	eventually(t, "one of them is refused", func() bool { return strings.Contains(v.ok("status"), "needs_reauth") })
	said := v.ok("status")
	if !strings.Contains(said, "its refresh token is the one of server") || strings.Count(said, "needs_reauth") != 1 {
		t.Errorf("status says %q", said)
	}
	if state, _ := v.as.Chain(c.supplied); state.Rotations != 1 || state.Revoked || v.as.Reused() != 0 {
		t.Errorf("%+v", state.Rotations)
	}
	v.configure(v.block, server("r", nothing, c.block), server("q", nothing, c.block))
	if said := v.fails(1, "check"); !strings.Contains(said, "OAUTH_REFRESH_TOKEN") {
		t.Errorf("check of the same reference says %q", said)
	}
}

// A copy of a state folder spends no refresh token until somebody says that it is the only one.
func TestChainInACopiedFolder(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, _ := h.authServer()
	as.Register(oauthtest.Client{ID: "chained", Secret: "canary-of-chained"})
	supplied := as.Grant("chained")
	h.private(supplied)
	h.configure(server("r", nothing, h.grant(as.TokenURL(), "ca.pem", "chained", "canary-of-chained",
		`OAUTH_GRANT_TYPE = "refresh_token"`, `OAUTH_REFRESH_TOKEN = secret("chained")`)))
	h.supply(t, "chained", supplied)
	token := h.token("r")
	h.copyFolder(t)
	h.daemon()
	if h.token("r") != token {
		t.Error("the token of the copied folder is not served while it is valid")
	}
	said := h.fails(1, "refresh", "r")
	if !strings.Contains(said, "is a copy of another one") || !strings.Contains(said, "bearerd store adopt") {
		t.Errorf("refresh says %q", said)
	}
	if state, _ := as.Chain(supplied); state.Rotations != 1 {
		t.Errorf("%d rotations", state.Rotations)
	}
	if said := h.ok("store", "adopt"); said != "r" {
		t.Errorf("store adopt says %q", said)
	}
	h.ok("refresh", "r")
	if state, _ := as.Chain(supplied); state.Rotations != 2 || state.Revoked || h.token("r") == token {
		t.Errorf("after store adopt: %d rotations", state.Rotations)
	}
}

// copyFolder puts a copy of the state folder in its place, as a restored backup would.
func (h *home) copyFolder(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", h.path("state"), h.path("copy")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := errors.Join(os.RemoveAll(h.path("state")), os.Rename(h.path("copy"), h.path("state"))); err != nil {
		t.Fatal(err)
	}
}
