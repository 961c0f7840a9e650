package engine

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

func sealedStore(t *testing.T, values map[string]string) secrets.Store {
	t.Helper()
	store, err := sealed.Open(t.TempDir()+"/state", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		if _, err := store.Put(t.Context(), key, []byte(value), ""); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func TestAdopt(t *testing.T) {
	store := sealedStore(t, map[string]string{
		"grant/moved":   `{"schema":2,"server":"moved","generation":12345678901234567890,"later":{"n":1.50},"place":"old","refresh_token":"r"}`,
		"grant/spent":   `{"schema":2,"server":"spent","place":"old","origin":"o"}`, // no token, but the place keeps a new one from being spent
		"grant/here":    `{"schema":2,"server":"here","place":"new","refresh_token":"r"}`,
		"grant/shared":  `{"schema":2,"server":"shared","refresh_token":"r"}`,
		"grant/damaged": `{`,
		"copy/moved":    `{"schema":2,"server":"moved","place":"old","pending":true}`,
		"copy/journal":  `{"schema":2,"server":"journal","place":"old","pending":true}`,
		"secret/other":  `{"place":"old"}`,
	})
	before := map[string]secrets.Revision{}
	for _, key := range []string{"grant/here", "grant/shared", "grant/damaged", "secret/other"} {
		_, before[key], _ = store.Get(t.Context(), key)
	}
	adopted, err := Adopt(t.Context(), store, "new")
	if want := []string{"journal", "moved", "spent"}; err != nil || !slices.Equal(adopted, want) {
		t.Errorf("Adopt = %q, %v, want %q", adopted, err, want)
	}
	for key, rev := range before {
		if _, now, err := store.Get(t.Context(), key); now != rev || err != nil {
			t.Errorf("%s was written, %v", key, err)
		}
	}
	for _, key := range []string{"grant/moved", "grant/spent", "copy/moved", "copy/journal"} {
		b, _, err := store.Get(t.Context(), key)
		var r record
		if err != nil || json.Unmarshal(b, &r) != nil || r.Place != "new" {
			t.Errorf("%s holds %s, %v", key, b, err)
		}
	}
	b, _, _ := store.Get(t.Context(), "grant/moved")
	for _, kept := range []string{`"generation":12345678901234567890`, `"later":{"n":1.50}`, `"refresh_token":"r"`} {
		if !strings.Contains(string(b), kept) {
			t.Errorf("%s is lost in %s", kept, b)
		}
	}
	if adopted, err = Adopt(t.Context(), store, "new"); err != nil || len(adopted) > 0 {
		t.Errorf("Adopt once more = %q, %v", adopted, err)
	}
}

func TestAdoptLeavesNewerRecords(t *testing.T) {
	const newer = `{"schema":99,"server":"s","place":"old","refresh_token":"canary"}`
	store := sealedStore(t, map[string]string{"grant/s": newer})
	adopted, err := Adopt(t.Context(), store, "new")
	if err == nil || !strings.Contains(err.Error(), `"s"`) || !strings.Contains(err.Error(), "upgrade") || strings.Contains(err.Error(), "canary") {
		t.Errorf("Adopt = %q, %v", adopted, err)
	}
	if b, _, _ := store.Get(t.Context(), "grant/s"); string(b) != newer {
		t.Errorf("the record is %s now", b)
	}
}

// rival writes once, just before somebody else does.
type rival struct {
	secrets.Store
	value string
}

func (r *rival) Put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	if first := r.value; first != "" {
		r.value = ""
		if _, err := r.Store.Put(ctx, key, []byte(first), ifRev); err != nil {
			return "", err
		}
	}
	return r.Store.Put(ctx, key, value, ifRev)
}

func TestAdoptLosesNoUpdate(t *testing.T) {
	store := sealedStore(t, map[string]string{"grant/s": `{"schema":2,"place":"old","refresh_token":"one"}`})
	r := &rival{store, `{"schema":2,"place":"old","refresh_token":"two"}`}
	adopted, err := Adopt(t.Context(), r, "new")
	b, _, _ := store.Get(t.Context(), "grant/s")
	var got record
	if err != nil || len(adopted) != 1 || json.Unmarshal(b, &got) != nil || got.Place != "new" || got.Refresh != "two" {
		t.Errorf("Adopt = %q, %v; the record is %s", adopted, err, b)
	}
}
