package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/secrets"
)

// rewrite changes a record as one who knows other members does.
func rewrite(t testing.TB, m *memory, key string, change func(map[string]any)) {
	t.Helper()
	b, rev, err := m.Get(t.Context(), key)
	var all map[string]any
	if err != nil || json.Unmarshal(b, &all) != nil {
		t.Fatalf("%s: %v", key, err)
	}
	change(all)
	b, _ = json.Marshal(all)
	if _, err := m.Put(t.Context(), key, b, rev); err != nil {
		t.Fatal(err)
	}
}

func TestARecordOfANewerVersionIsNotWrittenOver(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"as it is":               func(map[string]any) {},
		"of another fingerprint": func(all map[string]any) { all["fingerprint"] = "computed otherwise since then" },
		"with another type":      func(all map[string]any) { all["lease"] = "none" },
		"with huge counts":       func(all map[string]any) { all["rotation"] = uint64(math.MaxUint64) },
	} {
		for _, rename := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", renamed ", rename), func(t *testing.T) {
				as := authorizationServer(t)
				first := as.Grant("id")
				synctest.Test(t, func(t *testing.T) {
					m := newMemory()
					b := startWith(t, m, locks(), rotating(as, "a", first))
					b.token(t, "a")
					b.Close()
					rewrite(t, m, "grant/a", func(all map[string]any) {
						all["schema"], all["of_the_future"] = schema+1, "keep me"
						change(all)
					})
					before, _, _ := m.Get(t.Context(), "grant/a")
					next, s := "a", rotating(as, "a", first)
					if rename {
						next, s = "new", renamed(s, "a", "new")
					}
					b = startWith(t, m, locks(), s)
					if _, err := b.source(t, next).Refresh(t.Context()); err == nil {
						t.Error("it was renewed")
					}
					if after, _, _ := m.Get(t.Context(), "grant/a"); string(after) != string(before) {
						t.Errorf("it is %s now", after)
					}
					wantAlive(t, as, first)
					wantAsked(t, as, 1)
					b.Close()
				})
			})
		}
	}
}

func TestCountsAtTheEndOfTheirRange(t *testing.T) {
	as := authorizationServer(t)
	for _, n := range []uint64{mostCounted - 1, mostCounted, math.MaxUint64 - 1, math.MaxUint64} {
		m := newMemory()
		b := startWith(t, m, locks(), server(as, "a"))
		b.token(t, "a")
		edit(t, m, "grant/a", func(r *record) { r.Generation = n })
		before := asked(as, "/token")
		b.renew(t, "a")
		b.renew(t, "a")
		if sent := asked(as, "/token") - before; sent != 2 {
			t.Errorf("generation %d: two refreshes sent %d requests", n, sent)
		}
	}
	r := record{Rotation: mostCounted - 1}
	b, _ := json.Marshal(r)
	if r, ok := decode(b); !ok || !(&record{Rotation: r.Rotation + 1}).newer(&r) {
		t.Error("after the last rotation that is read, no journal is newer")
	}
}

func TestAConflictForEverIsNoStorm(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		h := &hooked{newMemory(), func(_ context.Context, op, key string) error {
			if op == "put" && key == "grant/a" {
				puts.Add(1)
				return secrets.ErrConflict
			}
			return nil
		}}
		b := hostOn(t, h, newMemory(), "a", server(as, "a"))
		if d := took(func() { b.token(t, "a") }); d > time.Second {
			t.Errorf("the token that came was served after %v", d)
		}
		if n := puts.Load(); n > maxTries {
			t.Errorf("%d writes", n)
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

// A chain asks nobody without its lease, and looks for it without haste.
func TestAConflictForEverSpendsNothing(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		h := &hooked{newMemory(), func(_ context.Context, op, key string) error {
			if op == "put" && key == "grant/a" {
				puts.Add(1)
				return secrets.ErrConflict
			}
			return nil
		}}
		b := hostOn(t, h, newMemory(), "a", rotating(as, "a", first))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.source(t, "a").Token(ctx); err == nil {
			t.Error("there is a token")
		}
		if n := puts.Load(); n > int64(time.Minute/leasePoll) {
			t.Errorf("%d writes in a minute", n)
		}
		wantAsked(t, as, 0)
		b.Close()
	})
}

// odd values of a member of a record.
var odd = []any{nil, -1, 0, 1e300, "x", "", true, []any{}, map[string]any{}, math.MaxInt64, uint64(math.MaxUint64),
	"9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", map[string]any{"owner": 1}, map[string]any{"owner": "o", "life_ms": -5},
	map[string]any{"life_ms": math.MaxInt64}}

func TestNoOddRecordStormsOrSpendsTwice(t *testing.T) {
	as := authorizationServer(t)
	for _, field := range []string{"schema", "server", "fingerprint", "generation", "revoked", "access_token", "refresh_token", "scope",
		"issued_at", "expires_at", "backoff_until", "nonce", "chain", "rotation", "origin", "dead", "moved_to", "place", "lease", "pending"} {
		for _, v := range odd {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				first := as.Grant("id")
				b := startWith(t, m, locks(), rotating(as, "a", first))
				b.token(t, "a")
				b.Close()
				rewrite(t, m, "grant/a", func(all map[string]any) { all[field] = v })
				before := len(as.Requests())
				b = startWith(t, m, locks(), rotating(as, "a", first))
				_, _ = b.source(t, "a").Token(t.Context())
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Minute)
				_, _ = b.source(t, "a").Refresh(ctx)
				cancel()
				if n := len(as.Requests()) - before; n > 6 {
					t.Errorf("%s = %v: %d requests", field, v, n)
				}
				if as.Reused() > 0 {
					t.Fatalf("%s = %v: a refresh token was spent twice", field, v)
				}
				b.Close()
			})
		}
	}
}

// Others may write the store: a token that no header could hold is none, whoever delivers it.
func TestATokenThatNoHeaderCanHold(t *testing.T) {
	for _, odd := range []string{"a\r\nX-Smuggled: 1", "a b", "a\x00", "ü", "a\x7f"} {
		r := &record{AccessToken: odd, Issued: time.Now(), Expires: time.Now().Add(time.Hour)}
		if r.token(0) != nil {
			t.Errorf("%q is taken", odd)
		}
		if r.AccessToken = "a.b-c_d~e+f/g="; r.token(0) == nil {
			t.Error("a good one is not")
		}
	}
}
