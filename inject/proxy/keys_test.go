package proxy

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

func localStore(t *testing.T, dir string) secrets.Store {
	t.Helper()
	return must(sealed.Open(dir, nil, slog.New(slog.DiscardHandler)))(t)
}

func TestKeysAreDerivedFromTheRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	k := must(LoadKeys(t.Context(), localStore(t, dir)))(t)
	key := k.Issue("search", "claude").Reveal()
	if !regexp.MustCompile(`^brd_claude\.[A-Za-z0-9_-]{43}$`).MatchString(key) {
		t.Error("the key has another form")
	}
	again := must(LoadKeys(t.Context(), localStore(t, dir)))(t) // as after a restart
	if again.Issue("search", "claude").Reveal() != key || again.Issue("SEARCH", "claude").Reveal() != key {
		t.Error("the same root gives another key")
	}
	other := must(LoadKeys(t.Context(), localStore(t, filepath.Join(t.TempDir(), "state"))))(t)
	seen := map[string]string{key: "search claude"}
	for name, s := range map[string]secrets.Secret{
		"other server": k.Issue("search2", "claude"), "other client": k.Issue("search", "claude2"),
		"moved border": k.Issue("searchc", "laude"), "other root": other.Issue("search", "claude"),
		"process": NewKeys().Issue("search", "claude"), "process again": NewKeys().Issue("search", "claude"),
	} {
		if first, ok := seen[s.Reveal()]; ok {
			t.Errorf("%s has the key of %s", name, first)
		}
		seen[s.Reveal()] = name
	}
}

func TestLoadKeysAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	localStore(t, dir)
	const n = 8
	var wg sync.WaitGroup
	loaded := make(chan string, n)
	for range n {
		store := localStore(t, dir)
		wg.Go(func() {
			k, err := LoadKeys(t.Context(), store)
			if err != nil {
				t.Error(err)
			}
			loaded <- k.Issue("search", "claude").Reveal()
		})
	}
	wg.Wait()
	first := <-loaded
	for range n - 1 {
		if <-loaded != first {
			t.Fatal("two loaded different roots")
		}
	}
}

var errDisk = errors.New("no disk")

// noPut is an empty store that takes nothing; noGet gives nothing either.
type (
	noPut struct{ secrets.Store }
	noGet struct{ noPut }
)

func (noPut) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", secrets.ErrNotFound
}

func (noPut) Put(context.Context, string, []byte, secrets.Revision) (secrets.Revision, error) {
	return "", errDisk
}

func (noGet) Get(context.Context, string) ([]byte, secrets.Revision, error) { return nil, "", errDisk }

func TestLoadKeysFails(t *testing.T) {
	for name, store := range map[string]secrets.Store{"reading": noGet{}, "keeping": noPut{}} {
		if _, err := LoadKeys(t.Context(), store); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
