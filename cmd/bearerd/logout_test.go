package main_test

import (
	"strings"
	"testing"
)

func TestLogoutSaysWhatTheProviderKnows(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	for _, c := range []struct {
		sent int
		left bool
		says string
		args []string
	}{
		{0, false, "nothing was held; forgotten", nil},
		{2, false, "revoked at the provider and forgotten here", nil},
		{0, true, "forgotten here; its provider has no revocation endpoint that is known, so the grant lives on there: " +
			"end it in the provider's settings", nil},
		{0, true, "forgotten here; its provider was told nothing, so the grant lives on there: end it in the provider's settings",
			[]string{"--local"}},
		{0, false, "nothing was held; forgotten", []string{"--local"}},
	} {
		d.set(func() { d.sent, d.left = c.sent, c.left })
		if said := h.ok(append([]string{"logout", "s"}, c.args...)...); said != "s: "+c.says+"; `bearerd login s` signs in again" {
			t.Errorf("%+v: it said %q", c, said)
		}
	}
}

// A provider that is gone for good is no reason to keep a grant.
func TestLogoutWithoutItsProvider(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	d.set(func() { d.away, d.left = true, true })
	if said := h.fails(1, "logout", "s"); !strings.Contains(said, "cannot be reached; `bearerd logout s --local` forgets it here") {
		t.Errorf("it said %q", said)
	}
	if said := h.ok("logout", "s", "--local"); !strings.HasPrefix(said, "s: forgotten here; its provider was told nothing") {
		t.Errorf("it said %q", said)
	}
}

// What a login without a revocation endpoint has brought lives on at the provider, and that is said.
func TestLogoutEndToEnd(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		d := newDelegated(t)
		d.as.EditMetadata(func(m map[string]any) {
			if !local {
				delete(m, "revocation_endpoint")
			}
		})
		d.daemon()
		d.approved()
		args, says := []string{"logout", "web"}, "its provider has no revocation endpoint that is known, so the grant lives on there"
		if local {
			args, says = append(args, "--local"), "its provider was told nothing, so the grant lives on there"
		}
		if said := d.ok(args...); !strings.HasPrefix(said, "web: forgotten here; "+says) {
			t.Errorf("logout said %q", said)
		}
		if n := len(d.as.RequestsTo("/revoke")); n != 0 {
			t.Errorf("the provider had %d revocations", n)
		}
		if said := d.ok("logout", "web"); !strings.HasPrefix(said, "web: nothing was held; forgotten; ") {
			t.Errorf("the second logout said %q", said)
		}
		if said := d.fails(1, "token", "web"); !strings.Contains(said, "bearerd login web") {
			t.Errorf("after it, token says %q", said)
		}
	}
}
