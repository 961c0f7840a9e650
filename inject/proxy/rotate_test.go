package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/secrets"
)

// accepts reports whether a key opens a server, at a guard that has seen nothing.
func accepts(k Keys, server, key string) bool {
	_, root := (&known{}).client(k, server, "Bearer "+key)
	return root != nil
}

// shelf is a store in memory.
type shelf struct {
	secrets.Store
	values map[string]string
	revs   map[string]int
	broken map[string]error // by key: what Put and Delete answer
}

func newShelf() *shelf {
	return &shelf{values: map[string]string{}, revs: map[string]int{}, broken: map[string]error{}}
}

func (s *shelf) Get(_ context.Context, key string) ([]byte, secrets.Revision, error) {
	v, ok := s.values[key]
	if !ok {
		return nil, "", secrets.ErrNotFound
	}
	return []byte(v), secrets.Revision(strings.Repeat("r", s.revs[key])), nil
}

func (s *shelf) Put(ctx context.Context, key string, value []byte, rev secrets.Revision) (secrets.Revision, error) {
	if err := s.broken[key]; err != nil {
		return "", err
	}
	if _, present, _ := s.Get(ctx, key); present != rev {
		return "", secrets.ErrConflict
	}
	s.values[key] = string(value)
	s.revs[key]++
	return secrets.Revision(strings.Repeat("r", s.revs[key])), nil
}

func (s *shelf) Delete(_ context.Context, key string) error {
	if err := s.broken[key]; err != nil {
		return err
	}
	delete(s.values, key)
	return nil
}

// A rotation leaves the keys before for a day, in this process and after a restart, and --now does not.
func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf()
		k := must(LoadKeys(t.Context(), store))(t)
		copied, first := k, k.Issue("s", "c").Reveal()
		done := must(k.Rotate(t.Context(), store, false))(t)
		if until := time.Until(done.Until); done.Dropped || until != 24*time.Hour {
			t.Errorf("got %+v", done)
		}
		second := k.Issue("s", "c").Reveal()
		restarted := func() Keys { return must(LoadKeys(t.Context(), store))(t) }
		want := func(when string, keys map[string]bool) {
			t.Helper()
			for key, right := range keys {
				for name, k := range map[string]Keys{"here": k, "a copy": copied, "restarted": restarted()} {
					if accepts(k, "s", key) != right {
						t.Errorf("%s, %s: a key is taken: %t", when, name, !right)
					}
				}
			}
		}
		if second == first || restarted().Issue("s", "c").Reveal() != second {
			t.Error("the new key is not that of the new root")
		}
		want("after a rotation", map[string]bool{first: true, second: true})
		time.Sleep(24*time.Hour - time.Second)
		want("in its last second", map[string]bool{first: true, second: true})
		time.Sleep(time.Second)
		want("after a day", map[string]bool{first: false, second: true})

		if done := must(k.Rotate(t.Context(), store, false))(t); done.Dropped {
			t.Error("keys are said to be dropped whose day had ended")
		}
		third := k.Issue("s", "c").Reveal()
		time.Sleep(time.Hour)
		if done := must(k.Rotate(t.Context(), store, false))(t); !done.Dropped {
			t.Error("a second rotation within a day does not say so")
		}
		fourth := k.Issue("s", "c").Reveal()
		want("after two within a day", map[string]bool{second: false, third: true, fourth: true})
		if done := must(k.Rotate(t.Context(), store, true))(t); !done.Until.IsZero() || !done.Dropped {
			t.Errorf("got %+v", done)
		}
		want("at once", map[string]bool{third: false, fourth: false, k.Issue("s", "c").Reveal(): true})
		if len(store.values) != 1 {
			t.Errorf("a root of before is still kept")
		}
	})
}

// The root of a bearerd that could not rotate is 32 bytes, and stays so.
func TestRootIsKeptAsBefore(t *testing.T) {
	store := newShelf()
	root := bytes.Repeat([]byte{7}, 32)
	must(store.Put(t.Context(), rootKey, root, ""))(t)
	k := must(LoadKeys(t.Context(), store))(t)
	if key := k.Issue("search", "claude").Reveal(); key != "brd_claude.7JoPn1njKfu6GQsZ1-EOZPb5cp4R1WXznwacMEBEM5M" {
		t.Errorf("its keys are others now: %s", key)
	}
	must(k.Rotate(t.Context(), store, false))(t)
	if len(store.values[rootKey]) != 32 || store.values[rootKey] == string(root) {
		t.Errorf("the root has %d bytes", len(store.values[rootKey]))
	}
}

// A rotation that cannot be kept, or that a crash cuts short, changes no key.
func TestRotateFails(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		for _, key := range []string{rootKey, beforeKey} {
			store := newShelf()
			k := must(LoadKeys(t.Context(), store))(t)
			first := k.Issue("s", "c").Reveal()
			store.broken[key] = errDisk
			if _, err := k.Rotate(t.Context(), store, atOnce); !errors.Is(err, errDisk) {
				t.Errorf("%s: %v", key, err)
			}
			for _, k := range []Keys{k, must(LoadKeys(t.Context(), store))(t)} {
				if k.Issue("s", "c").Reveal() != first || !accepts(k, "s", first) {
					t.Errorf("%s: the key has changed", key)
				}
			}
			clear(store.broken)
			if done := must(k.Rotate(t.Context(), store, atOnce))(t); done.Dropped || accepts(k, "s", first) == atOnce {
				t.Errorf("%s: again: %+v", key, done)
			}
		}
	}
}

// Two processes that rotate one store at once end with the same keys as those who load them then.
func TestRotateBesideAnother(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	one, two := localStore(t, dir), localStore(t, dir)
	k := must(LoadKeys(t.Context(), one))(t)
	other := must(LoadKeys(t.Context(), two))(t)
	must(other.Rotate(t.Context(), two, false))(t)
	between := other.Issue("s", "c").Reveal()
	if done := must(k.Rotate(t.Context(), one, false))(t); !done.Dropped {
		t.Error("the keys before that of the other are dropped, and it is not said")
	}
	if !accepts(k, "s", between) || !accepts(must(LoadKeys(t.Context(), two))(t), "s", between) {
		t.Error("the key that the other has made is not taken")
	}
}

// A guard forgets the keys that it has seen when they are rotated.
func TestRotationReachesTheProxy(t *testing.T) {
	for _, fast := range []bool{true, false} {
		f := newFixture(t)
		f.cfg.Proxy.FastPath = fast
		store := newShelf()
		must(store.Put(t.Context(), rootKey, []byte(f.keys.ring.roots.Load().present.Reveal()), ""))(t)
		f.serve(f.server("search", upstream(t, say("ok")).URL))
		ask := func(key secrets.Secret, want int) {
			t.Helper()
			req := f.request(http.MethodPost, "search", call)
			req.Header.Set("Authorization", "Bearer "+key.Reveal())
			if a := f.do(req); a.StatusCode != want {
				t.Errorf("fast path %t: %d, want %d: %s", fast, a.StatusCode, want, a.body)
			}
		}
		first := f.keys.Issue("search", "t")
		ask(first, 200)
		must(f.keys.Rotate(t.Context(), store, false))(t)
		second := f.keys.Issue("search", "t")
		ask(first, 200)
		ask(second, 200)
		must(f.keys.Rotate(t.Context(), store, true))(t)
		ask(first, 403)
		ask(second, 403)
		ask(f.keys.Issue("search", "t"), 200)
	}
}

// A mark is of one server's path at one origin, and of this process. It is no key, and a rotation leaves it as it is.
func TestMark(t *testing.T) {
	store := newShelf()
	k := must(LoadKeys(t.Context(), store))(t)
	const at = "http://upstream.example:80"
	mark := k.mark("search", at, "/messages")
	if len(mark) != 22 || k.mark("Search", at, "/messages") != mark {
		t.Errorf("a right mark of %d characters is not taken", len(mark))
	}
	for name, other := range map[string]string{
		"other server": k.mark("searc", at, "/messages"), "other path": k.mark("search", at, "/message"),
		"other host": k.mark("search", "http://upstream.example.org:80", "/messages"), "other port": k.mark("search", "http://upstream.example:8", "/messages"),
		"other scheme": k.mark("search", "https://upstream.example:80", "/messages"), "moved border": k.mark("search", at+"/", "messages"),
		"other keys": NewKeys().mark("search", at, "/messages"),
	} {
		if other == mark {
			t.Errorf("%s: it is the same", name)
		}
	}
	if strings.Contains(k.Issue("search", at+"\x00/messages").Reveal(), mark[:20]) {
		t.Error("a mark shows a key")
	}
	for _, atOnce := range []bool{false, false, true} {
		must(k.Rotate(t.Context(), store, atOnce))(t)
		if k.mark("search", at, "/messages") != mark {
			t.Error("a rotation has changed a mark, which is no key")
		}
	}
}

// Rotations at once by many processes all succeed, and leave the keys of the last one.
func TestRotateAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	localStore(t, dir)
	var wg sync.WaitGroup
	made := make(chan string, 8)
	for range cap(made) {
		store := localStore(t, dir)
		k := must(LoadKeys(t.Context(), store))(t)
		wg.Go(func() {
			if _, err := k.Rotate(t.Context(), store, false); err != nil {
				t.Error(err)
			}
			made <- k.Issue("s", "c").Reveal()
		})
	}
	wg.Wait()
	close(made)
	last := must(LoadKeys(t.Context(), localStore(t, dir)))(t)
	taken := 0
	for key := range made {
		if accepts(last, "s", key) {
			taken++
		}
	}
	if taken != 2 {
		t.Errorf("%d of the keys made are taken, not those of the last two", taken)
	}
}

// What a key has opened ends when it is not taken any more, and not before.
func TestLostKeyCutsWhatItHasOpened(t *testing.T) {
	for name, kind := range map[string]struct{ fast, h2 bool }{"fast path": {fast: true}, "net/http": {}, "h2c": {h2: true}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.cfg.Proxy.FastPath = kind.fast
			if kind.h2 {
				p := &http.Protocols{}
				p.SetUnencryptedHTTP2(true)
				f.client.Transport = &http.Transport{Protocols: p}
				t.Cleanup(f.client.CloseIdleConnections)
			}
			const event = "data: 1\n\n"
			more, ended := make(chan struct{}), make(chan struct{}, 1)
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				for c := events(w); ; {
					select {
					case <-more:
						_, _ = io.WriteString(w, event)
						_ = c.Flush()
					case <-r.Context().Done():
						ended <- struct{}{}
						return
					}
				}
			})
			store := newShelf()
			f.proxy.keys.ring.roots.Store(must(LoadKeys(t.Context(), store))(t).ring.roots.Load())
			f.serve(plain("search", up.URL))
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			resp := f.open(ctx, http.MethodPost, "search")
			defer resp.Body.Close()
			hear := func() {
				more <- struct{}{}
				must(io.ReadFull(resp.Body, make([]byte, len(event))))(t)
			}
			hear()
			must(f.proxy.keys.Rotate(t.Context(), store, false))(t)
			f.proxy.conns.sweep()
			hear() // within its day
			must(f.proxy.keys.Rotate(t.Context(), store, true))(t)
			if _, err := io.ReadAll(resp.Body); err == nil || ctx.Err() != nil {
				t.Errorf("the stream was not cut: %v", err)
			}
			receive(t, ended, "the end of the request to upstream")
			if again := f.open(t.Context(), http.MethodPost, "search"); again.StatusCode != http.StatusOK {
				t.Errorf("with the new key: %s", again.Status)
			} else {
				_ = again.Body.Close()
			}
		})
	}
}

// Of requests that run beside each other on one connection, those of a lost key are cut.
func TestLostKeyCutsBesideAnotherKey(t *testing.T) {
	f := newFixture(t)
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	f.client.Transport = &http.Transport{Protocols: p}
	ended := make(chan struct{}, 1)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "ok")
			return
		}
		_ = events(w).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	})
	store := newShelf()
	f.proxy.keys.ring.roots.Store(must(LoadKeys(t.Context(), store))(t).ring.roots.Load())
	f.serve(plain("search", up.URL))
	resp := f.open(t.Context(), http.MethodPost, "search")
	defer resp.Body.Close()
	must(f.proxy.keys.Rotate(t.Context(), store, false))(t)
	if a := f.do(f.request(http.MethodGet, "search", "")); a.body != "ok" || f.connections() != 1 {
		t.Fatalf("with the new key: %d %s", a.StatusCode, a.body)
	}
	must(f.proxy.keys.Rotate(t.Context(), store, false))(t) // the first key is refused from now on
	receive(t, ended, "the end of the request of the first key")
}
