package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const resource = "https://mcp.example.com/mcp"

// nothing is a stdio server that does nothing; its token is what counts.
const nothing = `command = "true"`

func TestOIDCClientAuthentication(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{
		Clients: []map[string]any{
			oidcClient("basic", "client_secret_basic"), oidcClient("post", "client_secret_post"),
			oidcClient("mtls", "tls_client_auth"), certificateBound(oidcClient("bound", "client_secret_basic")),
		},
		Scopes:    []string{"read", "write"},
		Resources: map[string]oidcResource{resource: {Scope: "read write"}},
	})
	certificate := "OAUTH_USE_MTLS = true\n" + attribute("OAUTH_CLIENT_CERT_PATH", p.ClientCert) + "\n" +
		attribute("OAUTH_CLIENT_KEY_PATH", p.ClientKey)
	h := newHome(t)
	h.configure(
		server("basic", nothing, h.oidcGrant(p, "basic", `OAUTH_SCOPE = "read"`)),
		server("post", nothing, h.oidcGrant(p, "post", "OAUTH_USE_BASIC_AUTH = false", attribute("OAUTH_RESOURCE", resource),
			`OAUTH_SCOPE = "read write"`)),
		server("mtls", nothing, h.grant(p.TokenURL, p.CAFile, "mtls", "", certificate)),
		server("bound", nothing, h.oidcGrant(p, "bound", certificate)),
	)
	d := h.daemon()
	for _, tt := range []struct{ name, auth, resource, scope string }{
		{"basic", "client_secret_basic", "", "read"},
		{"post", "client_secret_post", resource, "read write"},
		{"mtls", "tls_client_auth", "", ""},
		{"bound", "client_secret_basic", "", ""},
	} {
		told := p.Introspect(t, h.token(tt.name))
		if told["active"] != true || told["client_id"] != tt.name {
			t.Errorf("%s: introspection says %v", tt.name, told)
		}
		if got := fmt.Sprint(told["aud"]); tt.resource != "" && got != tt.resource {
			t.Errorf("%s: aud %q", tt.name, got)
		}
		if _, bound := told["cnf"]; bound != (tt.name == "bound") {
			t.Errorf("%s: cnf %v", tt.name, told["cnf"])
		}
		requests := p.Requests(t, p.TokenURL, tt.name)
		if len(requests) != 1 || requests[0].Auth != tt.auth || requests[0].Scope != tt.scope ||
			strings.Join(requests[0].Resource, " ") != tt.resource {
			t.Fatalf("%s: requests %+v", tt.name, requests)
		}
		if id := requests[0].Correlation; len(id) != 36 || !strings.Contains(d.stderr.String(), "correlation_id="+id+" for "+tt.name) {
			t.Errorf("%s: the log does not tell of the request %q", tt.name, id)
		}
	}
}

// A daemon renews a short-lived token again and again, unasked, and none of its callers sees a dead one.
func TestOIDCRenewals(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("short", "client_secret_basic")}, TTL: 8})
	h := newHome(t)
	h.configure(server("short", nothing, h.oidcGrant(p, "short")))
	h.daemon()
	seen := map[string]bool{}
	eventually(t, "three tokens were handed out", func() bool {
		start, token := time.Now(), h.token("short")
		if !p.Active(t, token) && time.Since(start) < 500*time.Millisecond { // else this test was slow, not bearerd
			t.Error("a token was handed out that the authorization server does not accept")
		}
		seen[token] = true
		return len(seen) >= 3 || t.Failed()
	})
	if requests := len(p.Requests(t, p.TokenURL, "short")); requests > len(seen)+1 {
		t.Errorf("%d token requests for %d tokens", requests, len(seen))
	}
	if m := h.metrics("short"); m["token_refreshes"] < 2 || m["token_acquisitions_failure"] != 0 {
		t.Errorf("metrics: %v", m)
	}
}

// revocation is a running authorization server and the block of a client whose tokens can be revoked.
func revocation(t *testing.T, h *home) (*oidcPeer, string) {
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}})
	return p, h.oidcGrant(p, "app", attribute("OAUTH_REVOCATION_URL", p.RevocationURL))
}

func TestOIDCRevoke(t *testing.T) {
	t.Parallel()
	for _, withDaemon := range []bool{true, false} {
		t.Run(fmt.Sprintf("daemon=%t", withDaemon), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			p, grant := revocation(t, h)
			h.configure(server("app", nothing, grant))
			if withDaemon {
				h.daemon()
			}
			first := h.token("app")
			if !p.Active(t, first) {
				t.Fatal("the first token is not active")
			}
			if said := h.ok("revoke", "app"); !strings.Contains(said, "revoked") {
				t.Errorf("revoke says %q", said)
			}
			if p.Active(t, first) {
				t.Error("the revoked token is active")
			}
			if said := h.fails(1, "token", "app", "--show"); !strings.Contains(said, "revoked") || !strings.Contains(said, "bearerd refresh app") {
				t.Errorf("token says %q", said)
			}
			h.ok("refresh", "app")
			if second := h.token("app"); second == first || !p.Active(t, second) {
				t.Error("after refresh there is no new, active token")
			}
		})
	}
}

func TestAcceptance39_RevokeOnShutdown(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p, grant := revocation(t, h)
	h.configure(server("kept", nothing, grant), server("revoked", nothing, "revoke_on_shutdown = true", grant))
	d := h.daemon()
	kept, revoked := h.token("kept"), h.token("revoked")
	d.stop()
	if !p.Active(t, kept) {
		t.Error("the token of the server that does not ask for it was revoked at shutdown")
	}
	if p.Active(t, revoked) {
		t.Error("the token was not revoked at shutdown")
	}
	h.daemon() // no tombstone is left
	if h.token("kept") != kept {
		t.Error("the kept token was not used again")
	}
	if next := h.token("revoked"); next == revoked || !p.Active(t, next) {
		t.Error("after a restart there is no new, active token")
	}
}
