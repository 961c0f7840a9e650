// Package secretstest is the conformance suite that every secrets.Store passes. It is imported by tests only.
package secretstest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"bearerd/secrets"
)

// Run checks one implementation. open returns an empty store each time it is called; what it needs to clean up it
// leaves to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) secrets.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, secrets.Store)
	}{
		{"create", create},
		{"conflict", conflict},
		{"concurrent", concurrent},
		{"values", values},
		{"too large", tooLarge},
		{"no aliasing", noAliasing},
		{"absent", absent},
		{"delete", deletes},
		{"deleted revision", deletedRevision},
		{"list", list},
		{"odd keys", oddKeys},
		{"cancelled", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func create(t *testing.T, s secrets.Store) {
	rev := put(t, s, "grant/a", "one", "")
	if got := get(t, s, "grant/a", "one"); got != rev {
		t.Errorf("Get returned the revision %q, Put %q", got, rev)
	}
	next := put(t, s, "grant/a", "two", rev)
	if next == rev {
		t.Errorf("two writes have the revision %q", rev)
	}
	if same := put(t, s, "grant/a", "two", next); same == next {
		t.Errorf("writing an equal value again kept the revision %q", same)
	}
	get(t, s, "grant/a", "two")
}

func conflict(t *testing.T, s secrets.Store) {
	first := put(t, s, "k", "one", "")
	refused := func(why, key string, ifRev secrets.Revision) {
		t.Helper()
		rev, err := s.Put(t.Context(), key, []byte("lost"), ifRev)
		if !errors.Is(err, secrets.ErrConflict) || rev != "" {
			t.Errorf("Put %s: revision %q and error %v, want none and ErrConflict", why, rev, err)
		}
	}
	refused("over an existing value", "k", "")
	refused("with a revision of an absent value", "other", first)
	put(t, s, "k", "two", first)
	refused("with a stale revision", "k", first)
	get(t, s, "k", "two")
	if _, _, err := s.Get(t.Context(), "other"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Get after a refused Put: %v, want ErrNotFound", err)
	}
}

// concurrent lets goroutines increment one counter: a lost update leaves it too low.
func concurrent(t *testing.T, s secrets.Store) {
	const workers, each = 8, 5
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if err := Increment(t.Context(), s, "counter"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	get(t, s, "counter", strconv.Itoa(workers*each))
}

// Increment adds one to the decimal number under key, an absent one counting as 0, and tries again after a conflict.
func Increment(ctx context.Context, s secrets.Store, key string) error {
	for {
		value, rev, err := s.Get(ctx, key)
		if err != nil && !errors.Is(err, secrets.ErrNotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(value))
		_, err = s.Put(ctx, key, []byte(strconv.Itoa(n+1)), rev)
		if !errors.Is(err, secrets.ErrConflict) {
			return err
		}
	}
}

func values(t *testing.T, s secrets.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, value := range map[string]string{
		"binary":  string(all),
		"nul":     "\x00",
		"lines":   "a\r\nb\n",
		"empty":   "",
		"json":    `{"a":"<&>\u2028"}`,
		"largest": string(bytes.Repeat(all, 256)[:secrets.MaxValue-1]),
	} {
		put(t, s, name, value, "")
		get(t, s, name, value)
	}
}

func tooLarge(t *testing.T, s secrets.Store) {
	rev := put(t, s, "k", "kept", "")
	for _, key := range []string{"k", "new"} {
		ifRev := rev
		if key == "new" {
			ifRev = ""
		}
		got, err := s.Put(t.Context(), key, make([]byte, secrets.MaxValue), ifRev)
		if err == nil || got != "" || errors.Is(err, secrets.ErrConflict) || errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("Put of 64 KiB to %q: revision %q and error %v, want an error of its own", key, got, err)
		}
	}
	if got := get(t, s, "k", "kept"); got != rev {
		t.Errorf("a refused Put changed the revision")
	}
}

func noAliasing(t *testing.T, s secrets.Store) {
	in := []byte("one")
	if _, err := s.Put(t.Context(), "k", in, ""); err != nil {
		t.Fatal(err)
	}
	in[0] = 'X'
	out, _, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	out[1] = 'X'
	get(t, s, "k", "one")
}

func absent(t *testing.T, s secrets.Store) {
	value, rev, err := s.Get(t.Context(), "nothing/here")
	if !errors.Is(err, secrets.ErrNotFound) || value != nil || rev != "" {
		t.Errorf("Get = %q, %q, %v, want nothing and ErrNotFound", value, rev, err)
	}
	keys, err := s.List(t.Context(), "")
	if err != nil || len(keys) != 0 {
		t.Errorf("List of an empty store = %q, %v", keys, err)
	}
}

func deletes(t *testing.T, s secrets.Store) {
	if err := s.Delete(t.Context(), "a/b"); err != nil {
		t.Errorf("Delete of an absent key: %v", err)
	}
	rev := put(t, s, "a/b", "one", "")
	put(t, s, "a/b", "two", rev)
	put(t, s, "a/c", "stays", "")
	for range 2 {
		if err := s.Delete(t.Context(), "a/b"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if _, _, err := s.Get(t.Context(), "a/b"); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Get after Delete: %v, want ErrNotFound", err)
	}
	wantList(t, s, "", "a/c")
	put(t, s, "a/b", "again", "")
	get(t, s, "a/b", "again")
	get(t, s, "a/c", "stays")
}

// deletedRevision deletes and writes again, so that a revision that counts writes would come twice.
func deletedRevision(t *testing.T, s secrets.Store) {
	stale := put(t, s, "k", "one", "")
	for _, next := range []string{"", "two"} {
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if next != "" {
			put(t, s, "k", next, "")
		}
		if rev, err := s.Put(t.Context(), "k", []byte("lost"), stale); !errors.Is(err, secrets.ErrConflict) || rev != "" {
			t.Errorf("Put with a revision of before Delete: revision %q and error %v, want none and ErrConflict", rev, err)
		}
	}
	get(t, s, "k", "two")
}

func list(t *testing.T, s secrets.Store) {
	for _, key := range []string{"grant/search", "secret/x", "grant/legacy", "grant/a/b/c", "grant/a", "grants"} {
		put(t, s, key, "v", "")
	}
	wantList(t, s, "", "grant/a", "grant/a/b/c", "grant/legacy", "grant/search", "grants", "secret/x")
	wantList(t, s, "grant/", "grant/a", "grant/a/b/c", "grant/legacy", "grant/search")
	wantList(t, s, "grant/a", "grant/a", "grant/a/b/c")
	wantList(t, s, "grant/a/", "grant/a/b/c")
	wantList(t, s, "grant/se", "grant/search")
	wantList(t, s, "nothing/")
}

func oddKeys(t *testing.T, s secrets.Store) {
	longest := string(bytes.Repeat([]byte("long"), 16)) // as the name of a server may be
	keys := []string{"odd/with space", "odd/ünï→", "odd/a.b", "odd/a+b%2Fc", "odd/a=b&c?d#e", "odd/~x", "odd/it's",
		"odd/UPPER", "odd/upper", "odd/-", "odd/" + longest, "odd/.", "odd/..", "odd/a..b", "odd//x",
		"odd/x/", "odd/*", "odd/=20"}
	slices.Sort(keys)
	for _, key := range keys {
		put(t, s, key, "value of "+key, "")
	}
	for _, key := range keys {
		get(t, s, key, "value of "+key)
	}
	wantList(t, s, "odd/", keys...)
	for _, key := range keys {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	wantList(t, s, "")
}

func cancelled(t *testing.T, s secrets.Store) {
	rev := put(t, s, "k", "one", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, getErr := s.Get(ctx, "k")
	_, putErr := s.Put(ctx, "k", []byte("two"), rev)
	_, listErr := s.List(ctx, "")
	for method, err := range map[string]error{"Get": getErr, "Put": putErr, "Delete": s.Delete(ctx, "k"), "List": listErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", method, err)
		}
	}
	if got := get(t, s, "k", "one"); got != rev {
		t.Errorf("a cancelled call changed the value")
	}
}

func put(t *testing.T, s secrets.Store, key, value string, ifRev secrets.Revision) secrets.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), key, []byte(value), ifRev)
	if err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
	if rev == "" {
		t.Fatalf("Put %q: the revision is empty", key)
	}
	return rev
}

func get(t *testing.T, s secrets.Store, key, want string) secrets.Revision {
	t.Helper()
	value, rev, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get %q: %v", key, err)
	}
	if string(value) != want {
		t.Errorf("Get %q: %d bytes that are not the %d bytes put", key, len(value), len(want))
	}
	return rev
}

func wantList(t *testing.T, s secrets.Store, prefix string, want ...string) {
	t.Helper()
	got, err := s.List(t.Context(), prefix)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("List(%q) = %q, %v, want %q", prefix, got, err, want)
	}
}
