package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// endpointOf is the local address for messages that a server's event stream names.
func endpointOf(t *testing.T, f *fixture, server string) string {
	t.Helper()
	a := f.do(f.request(http.MethodGet, server, ""))
	_, address, ok := strings.Cut(a.body, "data: /")
	if !ok {
		t.Fatalf("%d, no address: %q", a.StatusCode, a.body)
	}
	return strings.TrimSpace(address)
}

// session is an upstream of the older transport, which counts the messages that it gets.
func session(messages *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			*messages++
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: endpoint\ndata: /m?s=1\n\n"))
	}
}

// message posts to an address for messages with the key of a server.
func message(f *fixture, server, address string) answer {
	r := f.request(http.MethodPost, address, call)
	r.Header.Set("Authorization", "Bearer "+f.keys.Issue(server, "test").Reveal())
	return f.do(r)
}

// An address for messages that the origin before has named is not one of the new origin, and is again once the old one is back.
func TestMarkOfAnotherOrigin(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		before, after := 0, 0
		one, two := upstream(t, session(&before)), upstream(t, session(&after))
		f.serve(f.server("s", one.URL+"/sse"))
		address := endpointOf(t, f, "s")
		f.serve(f.server("s", two.URL+"/sse"))
		if a := message(f, "s", address); a.StatusCode != http.StatusNotFound || after != 0 {
			t.Errorf("%d, the new origin got %d messages of the old one's session", a.StatusCode, after)
		}
		f.serve(f.server("s", one.URL+"/other"))
		if a := message(f, "s", address); a.StatusCode != http.StatusOK || before != 1 {
			t.Errorf("the same origin: %d, %d messages", a.StatusCode, before)
		}
	})
}

// A rotation of the keys ends no session whose callers show none, nor that of a caller who shows the new one.
func TestSessionsOutliveRotations(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		store := newShelf()
		must(store.Put(t.Context(), rootKey, []byte(f.keys.ring.roots.Load().present.Reveal()), ""))(t)
		messages := 0
		up := upstream(t, session(&messages))
		open := f.server("open", up.URL+"/sse")
		open.LocalAuth = "none"
		f.serve(f.server("s", up.URL+"/sse"), open)
		keyed, keyless := endpointOf(t, f, "s"), endpointOf(t, f, "open")
		for range 2 {
			must(f.keys.Rotate(t.Context(), store, true))(t)
		}
		if a := message(f, "s", keyed); a.StatusCode != http.StatusOK {
			t.Errorf("with the new key: %d %s", a.StatusCode, a.body)
		}
		if a := message(f, "open", keyless); a.StatusCode != http.StatusOK || messages != 2 {
			t.Errorf("without a key: %d %s", a.StatusCode, a.body)
		}
	})
}

// What cannot be read is not said to be of another origin.
func TestWhyAnAddressIsNotPassedOn(t *testing.T) {
	for named, want := range map[string]string{
		"/m%zz": "that cannot be read", "1:2": "that cannot be read", "//evil.example/m": "that is not of its own origin",
	} {
		f := newFixture(t)
		rt := addressed(t, f, "/search", "http://upstream.example/sse")
		_, err := rt.localAddress(rt.target, named)
		if log := f.log.String(); err == nil || !strings.Contains(log, want) || !strings.Contains(log, "the stream was ended") {
			t.Errorf("%s: %v, %s", named, err, log)
		}
	}
}
