package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"bearerd/config"
	"bearerd/inject/peer"
)

// What is remembered of keys is bounded, and nothing wrong is.
func TestKnownIsBounded(t *testing.T) {
	k, m := NewKeys(), &known{}
	for i := range 3 * maxSeen {
		client := fmt.Sprintf("c%d", i)
		right := "Bearer " + k.Issue("s", client).Reveal()
		for range 2 {
			if name, root := m.client(k, "s", right); root == nil || name != client {
				t.Fatalf("%s: %q", client, name)
			}
		}
		if _, root := m.client(k, "s", right[:len(right)-1]+"!"); root != nil {
			t.Fatal("a wrong key of a known client is taken")
		}
		if _, root := m.client(k, "s", fmt.Sprintf("Bearer brd_x%d.x", i)); root != nil {
			t.Fatal("a wrong key is taken")
		}
		if n := len(m.seen.Load().keys); n > maxSeen {
			t.Fatalf("%d are remembered", n)
		}
		if _, wrong := m.seen.Load().keys[fmt.Sprintf("x%d", i)]; wrong {
			t.Fatal("a wrong one is remembered")
		}
	}
}

// Between the scheme and a key there may be more than one space (RFC 9110 §11.4), and nothing else.
func TestSpacesBeforeAKey(t *testing.T) {
	k, m := NewKeys(), &known{}
	key := k.Issue("s", "claude").Reveal()
	for shown, want := range map[string]bool{
		"Bearer " + key: true, "Bearer  " + key: true, "bearer    " + key: true, "Bearer\t" + key: false, "Bearer \t" + key: false,
		"Bearer" + key: false, key: false, " Bearer " + key: false, "Bearer " + key + " ": false, "Bearer x" + key: false,
	} {
		if _, root := m.client(k, "s", shown); (root != nil) != want {
			t.Errorf("%q: %t", strings.Replace(shown, key, "KEY", 1), root != nil)
		}
	}
}

// The fast path reads requests into a buffer that it uses again.
func TestKnownKeepsNoBuffer(t *testing.T) {
	k, m := NewKeys(), &known{}
	buffer := []byte("Bearer " + k.Issue("s", "claude").Reveal())
	name, root := m.client(k, "s", unsafe.String(&buffer[0], len(buffer)))
	clear(buffer)
	if again, same := m.client(k, "s", "Bearer "+k.Issue("s", "claude").Reveal()); root == nil || same == nil || name != "claude" || again != "claude" {
		t.Errorf("got %q, then %q", name, again)
	}
}

// Rotations while requests are checked never let a wrong key in nor keep a right one out.
func TestKnownBesideRotations(t *testing.T) {
	store := newShelf()
	k, m := must(LoadKeys(t.Context(), store))(t), &known{}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			wrong := "Bearer " + NewKeys().Issue("s", "c").Reveal()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				client := fmt.Sprintf("c%d", (i+n)%5)
				if _, root := m.client(k, "s", wrong); root != nil {
					t.Error("a wrong key is taken")
					return
				}
				_, _ = m.client(k, "s", "Bearer "+k.Issue("s", client).Reveal())
			}
		})
	}
	for range 50 {
		key := "Bearer " + k.Issue("s", "mine").Reveal()
		must(k.Rotate(t.Context(), store, false))(t)
		if _, root := m.client(k, "s", key); root == nil {
			t.Error("a key of the day before is refused")
		}
	}
	last := "Bearer " + k.Issue("s", "mine").Reveal()
	must(k.Rotate(t.Context(), store, true))(t)
	if _, root := m.client(k, "s", last); root != nil {
		t.Error("a key of before is taken after --now")
	}
	close(stop)
	wg.Wait()
}

// goodCallers are let through, each by another of the guard's ways.
func goodCallers(tb testing.TB) map[string]struct {
	guard  *guard
	caller caller
} {
	tb.Helper()
	k, store := NewKeys(), newShelf()
	rotated := NewKeys()
	_, _ = store.Put(tb.Context(), rootKey, []byte(rotated.ring.roots.Load().present.Reveal()), "")
	before := "Bearer " + rotated.Issue("search", "claude").Reveal()
	if _, err := rotated.Rotate(tb.Context(), store, false); err != nil {
		tb.Fatal(err)
	}
	key := "Bearer " + k.Issue("search", "claude").Reveal()
	keyed := config.Local{LocalAuth: "key", AllowHosts: []string{"mcp.internal"}, AllowOrigins: []string{"https://app.example.com"}}
	remote := config.Local{LocalAuth: "key", AllowRemote: true}
	group := config.Local{SocketMode: "0660", SocketGroup: "61238"}
	return map[string]struct {
		guard  *guard
		caller caller
	}{
		"key":            {&guard{server: "search", keys: k, local: keyed}, caller{host: "127.0.0.1:7411", authorization: key}},
		"localhost":      {&guard{server: "search", keys: k, local: keyed}, caller{host: "localhost", authorization: key}},
		"IPv6":           {&guard{server: "search", keys: k, local: keyed}, caller{host: "[::1]:7411", authorization: key}},
		"listed origin":  {&guard{server: "search", keys: k, local: keyed}, caller{host: "localhost:7411", origins: []string{"https://app.example.com"}, authorization: key}},
		"remote":         {&guard{server: "search", keys: k, local: remote}, caller{host: "192.0.2.1:7411", authorization: key}},
		"key of before":  {&guard{server: "search", keys: rotated, local: keyed}, caller{host: "127.0.0.1:7411", authorization: before}},
		"none":           {&guard{server: "search", keys: k, local: config.Local{LocalAuth: "none"}}, caller{host: "127.0.0.1:7411"}},
		"socket, root":   {&guard{server: "search", unix: true}, caller{host: "any", peer: &peer.User{}}},
		"socket, group":  {&guard{server: "search", unix: true, local: group}, caller{host: "any", peer: &peer.User{UID: 61_237, GID: 61_238}}},
		"socket, others": {&guard{server: "search", unix: true, local: config.Local{SocketMode: "0666"}}, caller{peer: &peer.User{UID: 61_237}}},
	}
}

func TestGuardAllocatesNothing(t *testing.T) {
	for name, c := range goodCallers(t) {
		check := func() {
			if _, why := c.guard.refusal(c.caller); why != "" {
				t.Fatalf("%s: %s", name, why)
			}
		}
		check()
		if n := testing.AllocsPerRun(100, check); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	g := goodCallers(t)["key"]
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:7411/search", strings.NewReader(call))
	r.Header.Set("Authorization", g.caller.authorization)
	if _, why := g.guard.refusal(callerOf(r)); why != "" {
		t.Fatal(why)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = g.guard.refusal(callerOf(r)) }); n != 0 {
		t.Errorf("of net/http: %v allocations", n)
	}
}

func BenchmarkGuard(b *testing.B) {
	for name, c := range goodCallers(b) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := c.guard.refusal(c.caller); why != "" {
					b.Fatal(why)
				}
			}
		})
	}
	b.Run("wrong_key", func(b *testing.B) {
		b.ReportAllocs()
		g := goodCallers(b)["key"]
		g.caller.authorization = "Bearer " + NewKeys().Issue("search", "other").Reveal()
		for b.Loop() {
			_, _ = g.guard.refusal(g.caller)
		}
	})
}

// Of a unix socket the kernel tells who calls.
func TestCallersOfASocket(t *testing.T) {
	user := func(uid, gid int) *peer.User { return &peer.User{UID: uid, GID: gid} }
	for name, c := range map[string]struct {
		local  config.Local
		caller *peer.User
		why    string // what the refusal says; "": let through
	}{
		"root":                         {config.Local{}, user(0, 0), ""},
		"another":                      {config.Local{SocketMode: "0600"}, user(61_237, 61_238), "set socket_group"},
		"another, of root's group":     {config.Local{SocketMode: "0660"}, user(61_237, 0), "set socket_group"},
		"a member":                     {config.Local{SocketMode: "0660", SocketGroup: "61238"}, user(61_237, 61_238), ""},
		"no member":                    {config.Local{SocketMode: "0660", SocketGroup: "61238"}, user(61_238, 61_237), "add the user to 61238"},
		"of a group that is not":       {config.Local{SocketMode: "0660", SocketGroup: "no-such-group"}, user(61_237, 61_238), "no-such-group"},
		"everybody":                    {config.Local{SocketMode: "0666"}, user(61_237, 61_238), ""},
		"everybody may read":           {config.Local{SocketMode: "0664"}, user(61_237, 61_238), "set socket_group"},
		"not known":                    {config.Local{}, nil, "does not tell"},
		"not known, where all may":     {config.Local{SocketMode: "0666"}, nil, "does not tell"},
		"a group's number as a user's": {config.Local{SocketGroup: "61238"}, user(61_238, 1), "add the user"},
	} {
		g := guard{server: "s", unix: true, local: c.local}
		client, why := g.refusal(caller{host: "any.name", peer: c.caller})
		if client != "socket" && c.why == "" || (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s: %q, %q", name, client, why)
		}
	}
}
