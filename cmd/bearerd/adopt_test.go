package main_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"bearerd/secrets/sealed"
)

// TestAdoptingACopiedFolder copies a state folder with grants, and adopts the copy.
func TestAdoptingACopiedFolder(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure()
	open := func() *sealed.Store {
		t.Helper()
		store, err := sealed.Open(h.path("state"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	const canary = "canary-refresh-token"
	h.private(canary)
	store := open()
	before := store.Place()
	for _, name := range []string{"tickets", "search"} {
		record := `{"schema":2,"server":"` + name + `","place":"` + before + `","refresh_token":"` + canary + `"}`
		if _, err := store.Put(t.Context(), "grant/"+name, []byte(record), ""); err != nil {
			t.Fatal(err)
		}
	}
	if said := h.ok("store", "adopt"); said != "" {
		t.Errorf("where the folder always was, store adopt says %q", said)
	}
	out, err := exec.Command("cp", "-a", h.path("state"), h.path("copy")).CombinedOutput()
	if err = errors.Join(err, os.RemoveAll(h.path("state")), os.Rename(h.path("copy"), h.path("state"))); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if said := strings.Fields(h.ok("store", "adopt")); !slices.Equal(said, []string{"search", "tickets"}) {
		t.Errorf("after the folder was copied store adopt says %q", said)
	}
	after := open()
	b, _, err := after.Get(t.Context(), "grant/tickets")
	if err != nil || after.Place() == before || !strings.Contains(string(b), `"place":"`+after.Place()+`"`) {
		t.Errorf("%v: the place was %s and is %s, the record is %s", err, before, after.Place(), b)
	}
}
