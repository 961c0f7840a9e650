package vault

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/secrets"
	"bearerd/secrets/vault/vaulttest"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// TestSession keeps a session through renewals, ends and revocations.
func TestSession(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Policy("reader", readAll)
	t.Run("renewed", func(t *testing.T) {
		t.Parallel()
		c := short(t, server, "renewed", map[string]any{"token_ttl": "3s", "token_max_ttl": "1h"})
		until(t, "two renewals", c, 15*time.Second, func(s Status) bool { return s.Renewals >= 2 })
		if s := c.Status(); s.Logins != 1 || !s.Up {
			t.Errorf("the status is %+v, want one login", s)
		}
	})
	t.Run("longest life", func(t *testing.T) {
		t.Parallel()
		c := short(t, server, "longest", map[string]any{"token_ttl": "3s", "token_max_ttl": "4s"})
		s := until(t, "three logins", c, 20*time.Second, func(s Status) bool { return s.Logins >= 3 })
		if s.LoginFailures > 0 || !s.Up {
			t.Errorf("the status is %+v", s)
		}
	})
	t.Run("not renewable", func(t *testing.T) {
		t.Parallel()
		c := short(t, server, "batches", map[string]any{"token_ttl": "3s", "token_type": "batch"})
		until(t, "two logins", c, 15*time.Second, func(s Status) bool { return s.Logins >= 2 && s.Renewals == 0 && s.Up })
	})
	t.Run("revoked", func(t *testing.T) {
		t.Parallel()
		c := short(t, server, "revoked", map[string]any{"token_ttl": "1h"})
		revoke(t, c)
		until(t, "a login", c, 8*time.Second, func(s Status) bool { return s.Logins == 2 && s.Up })
	})
	t.Run("revoked and used", func(t *testing.T) {
		t.Parallel()
		c := short(t, server, "used", map[string]any{"token_ttl": "1h"})
		revoke(t, c)
		_, err := c.Read(t.Context(), "absent", "f")
		wantErr(t, err, secrets.ErrNotFound, `"absent"`, "kv put")
		if s := c.Status(); s.Logins != 2 || !s.Up {
			t.Errorf("the status is %+v, want a second login", s)
		}
	})
	t.Run("given token revoked", func(t *testing.T) {
		t.Parallel()
		c, _ := open(t, given(server.Addr, server.Token("1h", "reader")), nil)
		up := run(t, c)
		await(t, "the first up", up, 5*time.Second)
		revoke(t, c)
		s := until(t, "a refused login", c, 8*time.Second, func(s Status) bool { return !s.Up && s.LoginFailures >= 2 })
		if !contains(s.Error, "token: it has expired") {
			t.Errorf("the status says %q", s.Error)
		}
	})
}

// short runs a client that has logged in with an AppRole.
func short(t *testing.T, server *vaulttest.Server, name string, settings map[string]any) *Client {
	settings["token_policies"] = "reader"
	roleID := role(t, server, name, settings)
	c, _ := open(t, approle(server, roleID, secretID(server, name)), nil)
	await(t, "the first up", run(t, c), 5*time.Second)
	return c
}

func revoke(t *testing.T, c *Client) {
	t.Helper()
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if _, err := s.vault.WriteWithContext(t.Context(), "auth/token/revoke-self", nil); err != nil {
		t.Fatal(err)
	}
}

func TestOneLoginForManyCallers(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Policy("reader", readAll)
	server.Do("PUT", "secret/data/a", map[string]any{"data": map[string]any{"f": "canary-value"}})
	tap := vaulttest.Front(t, server)
	roleID := role(t, server, "many", map[string]any{"token_policies": "reader"})
	conn := approle(server, roleID, secretID(server, "many"))
	conn.Address = tap.Addr
	c, _ := open(t, conn, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { mustRead(t, c) })
	}
	wg.Wait()
	if n := tap.Count("PUT", "/v1/auth/approle/login"); n != 1 {
		t.Errorf("%d logins, want one", n)
	}
}

// TestFaults seals, kills and slows a real Vault.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	tap := vaulttest.Front(t, server)
	c, _ := open(t, given(tap.Addr, server.RootToken), nil)
	up := run(t, c)
	await(t, "the first up", up, 5*time.Second)
	store := c.Store("secret", "faults")
	rev, err := store.Put(t.Context(), "k", []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}

	server.Seal()
	_, _, err = store.Get(t.Context(), "k")
	wantErr(t, err, secrets.ErrUnavailable, "is sealed")
	until(t, "sealed", c, 8*time.Second, func(s Status) bool { return s.Sealed && !s.Up })
	server.Unseal()
	await(t, "up after unsealing", up, 10*time.Second)

	server.Kill()
	_, err = store.Put(t.Context(), "k", []byte("two"), rev)
	wantErr(t, err, secrets.ErrUnavailable, "cannot be reached")
	until(t, "down", c, 8*time.Second, func(s Status) bool { return !s.Up && !s.Sealed })
	server.Restart()
	await(t, "up after a restart", up, 10*time.Second)
	if value, _, err := store.Get(t.Context(), "k"); err != nil || string(value) != "one" {
		t.Errorf("after a restart: %q, %v", value, err)
	}

	tap.DropAnswers(func(r *http.Request) bool { return contains(r.URL.Path, "/data/faults/k") && r.Method == "PUT" }, 1)
	got, err := store.Put(t.Context(), "k", []byte("three"), rev)
	wantErr(t, err, secrets.ErrUnavailable)
	value, now, err := store.Get(t.Context(), "k")
	if got != "" || err != nil || string(value) != "three" || now == rev {
		t.Errorf("after a dropped answer: %q, %q, %v", value, now, err)
	}
	_, err = store.Put(t.Context(), "k", []byte("four"), rev)
	wantErr(t, err, secrets.ErrConflict)
	testSlow(t, tap, c, store)
	if s := c.Status(); s.Logins != 1 {
		t.Errorf("the status is %+v, want one login", s)
	}
}

func testSlow(t *testing.T, tap *vaulttest.Tap, c *Client, store *Store) {
	tap.Delay(10 * time.Second)
	begin := time.Now()
	if _, _, err := store.Get(t.Context(), "k"); err != nil || time.Since(begin) < 10*time.Second {
		t.Errorf("with 10 s of latency, after %s: %v", time.Since(begin), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := store.Get(ctx, "k")
	wantErr(t, err, secrets.ErrUnavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller's deadline: %v", err)
	}
	if s := c.Status(); !s.Up {
		t.Errorf("a slow Vault is not up: %+v", s)
	}
	tap.Delay(0)
	for range 3 {
		if err := c.Verify(t.Context(), "secret"); err != nil {
			t.Error(err)
		}
	}
}

func TestPolicyTakenAway(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	tap := vaulttest.Front(t, server)
	all := `path "secret/data/bearerd/*" { capabilities = ["create", "read", "update"] }
		path "secret/metadata/bearerd/*" { capabilities = ["create", "read", "update", "delete", "list"] }`
	server.Policy("store", all)
	roleID := role(t, server, "policy", map[string]any{"token_policies": "store"})
	conn := approle(server, roleID, secretID(server, "policy"))
	conn.Address = tap.Addr
	c, seen := open(t, conn, nil)
	seen.add("canary-one", "canary-two")
	store := c.Store("secret", "bearerd")
	rev, err := store.Put(t.Context(), "grant/x", []byte("canary-one"), "")
	if err != nil {
		t.Fatal(err)
	}
	metadata := server.Do("GET", "secret/metadata/bearerd/grant/x", nil)["data"].(map[string]any)
	if metadata["max_versions"] != 2.0 || metadata["cas_required"] != true {
		t.Errorf("the metadata is %v", metadata)
	}

	server.Policy("store", readAll)
	_, err = store.Put(t.Context(), "grant/x", []byte("canary-two"), rev)
	wantErr(t, err, secrets.ErrDenied, `path "secret/data/bearerd/grant/x" { capabilities = ["create", "update"] }`)
	seen.check(err.Error())
	server.Policy("store", `path "secret/metadata/else/*" { capabilities = ["list"] }`)
	_, _, err = store.Get(t.Context(), "grant/x")
	wantErr(t, err, secrets.ErrDenied, `path "secret/data/bearerd/grant/x" { capabilities = ["read"] }`)
	_, err = store.List(t.Context(), "grant/")
	wantErr(t, err, secrets.ErrDenied, `path "secret/metadata/bearerd/grant/" { capabilities = ["list"] }`)
	err = store.Delete(t.Context(), "grant/x")
	wantErr(t, err, secrets.ErrDenied, `path "secret/metadata/bearerd/grant/x" { capabilities = ["delete"] }`)
	if n := tap.Count("PUT", "/v1/auth/approle/login"); n != 1 {
		t.Errorf("%d logins, want one", n)
	}
	if s := c.Status(); !s.Up {
		t.Errorf("a policy is no outage: %+v", s)
	}

	server.Policy("store", `path "secret/data/bearerd/*" { capabilities = ["create", "read", "update"] }`)
	for _, key := range []string{"grant/y", "grant/z"} {
		if _, err := store.Put(t.Context(), key, []byte("canary-one"), ""); err != nil {
			t.Errorf("without a policy for metadata: %v", err)
		}
	}
	if n := strings.Count(seen.log.String(), "max_versions"); n != 1 {
		t.Errorf("%d warnings about max_versions, want one", n)
	}
}
