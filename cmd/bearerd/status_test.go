package main

import (
	"strings"
	"testing"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/engine"
	"bearerd/secrets/vault"
)

// What is wrong with Vault is told once, however many servers it concerns.
func TestStatusTellsTheSameOnce(t *testing.T) {
	t.Parallel()
	const cause = "Vault at https://v is sealed"
	now := time.Now()
	st := admin.Status{PID: 1, Vault: &vault.Status{Address: "https://v", Since: now, Error: cause}}
	for _, name := range []string{"a", "b"} {
		st.Servers = append(st.Servers, admin.Server{Name: name, Delivery: "env",
			Token: &engine.Status{Server: name, State: engine.Authorized, Store: "store_unavailable", StoreError: cause}})
	}
	var said strings.Builder
	printStatus(&said, st, now)
	if strings.Count(said.String(), cause) != 1 || !strings.Contains(said.String(), "Vault at https://v cannot be used, for 0s: ") ||
		strings.Count(said.String(), "what is held is served until it expires\n") != 2 {
		t.Errorf("status says\n%s", said.String())
	}
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "a  ") && strings.Fields(line)[5] != "-" {
			t.Errorf("a stdio server has an address: %q", line)
		}
	}

	st.Vault.Error, st.Servers[0].Token.StoreError = "", "the path secret/data/x"
	said.Reset()
	printStatus(&said, st, now)
	if !strings.Contains(said.String(), "Vault at https://v has not answered yet.") || !strings.Contains(said.String(), ": the path secret/data/x\n") {
		t.Errorf("status says\n%s", said.String())
	}
	if said := vaultLine(st.Vault, now, false); said != "Vault at https://v was not asked." {
		t.Errorf("status says %q", said)
	}
}

// Status says that somebody is asked at this moment.
func TestStatusTellsWhoIsAsked(t *testing.T) {
	t.Parallel()
	st := admin.Status{PID: 1, Servers: []admin.Server{{Name: "a", Token: &engine.Status{Server: "a"}}}}
	for _, asked := range []bool{false, true} {
		st.Servers[0].Token.SigningIn = asked
		var said strings.Builder
		printStatus(&said, st, time.Now())
		if strings.Contains(said.String(), "\na: a person is asked to sign in now\n") != asked {
			t.Errorf("%v: status says\n%s", asked, said.String())
		}
	}
}
