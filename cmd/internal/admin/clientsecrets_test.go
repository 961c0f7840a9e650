package admin

import (
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// Whatever field of a server refers to a secret is found.
func TestRefersToEveryField(t *testing.T) {
	ref := secrets.Ref{Kind: secrets.Stored, Name: "server/a/x"}
	found := 0
	for _, of := range []reflect.Type{reflect.TypeFor[config.Server](), reflect.TypeFor[config.OAuth]()} {
		for f := range of.Fields() {
			s := &config.Server{OAuth: &config.OAuth{}}
			at := reflect.ValueOf(s).Elem()
			if of == reflect.TypeFor[config.OAuth]() {
				at = reflect.ValueOf(s.OAuth).Elem()
			}
			switch f.Type {
			case reflect.TypeFor[secrets.Ref]():
				at.FieldByIndex(f.Index).Set(reflect.ValueOf(ref))
			case reflect.TypeFor[map[string]secrets.Ref]():
				at.FieldByIndex(f.Index).Set(reflect.ValueOf(map[string]secrets.Ref{"k": ref}))
			default:
				continue
			}
			if found++; !refersTo(s, ref.Name) || refersTo(s, "server/a/y") {
				t.Errorf("%s of %s is not looked at", f.Name, of)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d fields were tried", found)
	}
}

// A secret that a server written by hand uses is neither written over nor removed, whatever its name.
func TestASecretThatAnotherServerUses(t *testing.T) {
	hand := config.DefaultServer("mine")
	hand.URL, hand.LocalAuth = "https://mcp.example.com/mcp", "key"
	hand.Headers = map[string]secrets.Ref{"X-Key": ownRef("tracker", "header/X-Key")}
	h := newHouse(t)
	next := *h.cfg.Load()
	next.Servers = []*config.Server{hand}
	h.cfg.Store(&next)
	key := secrets.StoreKey(config.OwnSecret("tracker", "header/X-Key"))
	if err := h.put(t.Context(), key, []byte("mine")); err != nil {
		t.Fatal(err)
	}
	wantMine := func() {
		t.Helper()
		if value, _, err := h.store.Get(t.Context(), key); err != nil || string(value) != "mine" {
			t.Fatalf("the secret is gone or another: %q %v", value, err)
		}
	}
	plain := map[string]any{"name": "tracker", "connection_string": "https://mcp.example.com/mcp"}
	keyed := map[string]any{"name": "tracker", "connection_string": "https://mcp.example.com/mcp", "headers": map[string]string{"X-Key": "canary-x"}}
	h.hide("canary-x")
	h.problem(http.StatusConflict, "", `server "mine" uses the secret server/tracker/header/X-Key`, http.MethodPost, clients, keyed)
	wantMine()
	want[Success](h, http.StatusOK, http.MethodPost, clients, plain)
	wantMine()
	h.problem(http.StatusConflict, "", `server "mine"`, http.MethodPut, clients+"/tracker", map[string]any{"headers": keyed["headers"]})
	want[Success](h, http.StatusOK, http.MethodDelete, clients+"/tracker", nil)
	wantMine()
}

// Who holds the values of secrets is told of each change.
func TestAChangedSecretIsTold(t *testing.T) {
	h := newHouse(t)
	var told atomic.Int32
	h.Mended = func() { told.Add(1); h.Engine.Mended() }
	wantTold := func(what string, more bool) {
		t.Helper()
		if n := told.Swap(0); (n > 0) != more {
			t.Errorf("%s: told %d times", what, n)
		}
	}
	want[Success](h, http.StatusOK, http.MethodPost, clients, map[string]any{
		"name": "keyed", "connection_string": h.rs.URL(), "headers": map[string]string{"X-A": "canary-a"}})
	wantTold("POST", true)
	want[Success](h, http.StatusOK, http.MethodPut, clients+"/keyed", map[string]any{"headers": map[string]string{"X-A": "canary-b"}})
	wantTold("PUT", true)
	want[Success](h, http.StatusOK, http.MethodPut, clients+"/keyed", map[string]any{"tools_to_execute": nil})
	wantTold("PUT without a secret", false)
	h.refuse.Store(&errURL)
	h.send(http.MethodPut, clients+"/keyed", map[string]any{"headers": map[string]string{"X-A": "canary-c"}})
	wantTold("a PUT that is taken back", true)
	if status, _ := h.send(http.MethodPut, "/api/secrets/x", "value"); status != http.StatusNoContent {
		t.Errorf("%d", status)
	}
	wantTold("PUT of a secret", true)
	if status, _ := h.send(http.MethodDelete, "/api/secrets/x", nil); status != http.StatusNoContent {
		t.Errorf("%d", status)
	}
	wantTold("DELETE of a secret", true)
	h.hide("canary-a", "canary-b", "canary-c")
}
