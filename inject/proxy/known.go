package proxy

import (
	"maps"
	"strings"
	"sync/atomic"

	"bearerd/secrets"
)

// known remembers the keys of a server that callers have shown: each request has one, and deriving it takes longer than all
// else that is checked. It forgets when the roots are others.
type known struct {
	seen atomic.Pointer[seen]
}

// seen is what was derived from roots. It is never changed, but replaced.
type seen struct {
	of   *roots
	keys map[string]candidates // by client
}

// maxSeen is how many clients of a server are remembered.
const maxSeen = 64

// candidates are the keys that one client of a server may show.
type candidates struct {
	client          string
	present, before secrets.Secret // before is taken as long as the roots are graced
}

// client checks an Authorization value and tells whose key it is. The time that it takes tells nothing of the right keys, nor
// from which root the one that was shown comes.
func (m *known) client(keys Keys, server, authorization string) (client string, ok bool) {
	scheme, key, _ := strings.Cut(authorization, " ")
	key = strings.TrimLeft(key, " ") // RFC 9110 §11.4: one or more of them
	name, _, found := strings.Cut(strings.TrimPrefix(key, "brd_"), ".")
	if !found || len(name) > 64 || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	r, last := keys.ring.roots.Load(), m.seen.Load()
	if last == nil || last.of != r {
		last = &seen{of: r}
	}
	c, remembered := last.keys[name]
	if !remembered {
		c = r.candidates(server, name)
	}
	right := equal(key, c.present.Reveal())
	if r.graced() {
		right |= equal(key, c.before.Reveal())
	}
	if right != 1 {
		return "", false
	}
	if !remembered {
		m.remember(last, c)
	}
	return c.client, true
}

func (r *roots) candidates(server, client string) candidates {
	client = strings.Clone(client) // it may lie in a buffer
	c := candidates{client: client, present: keyOf(r.present, server, client)}
	if !r.before.IsZero() {
		c.before = keyOf(r.before, server, client)
	}
	return c
}

// remember adds to what was seen. Two at once may lose one of theirs, which is then derived again.
func (m *known) remember(last *seen, c candidates) {
	next := &seen{of: last.of, keys: map[string]candidates{c.client: c}}
	if len(last.keys) < maxSeen {
		maps.Copy(next.keys, last.keys)
	}
	m.seen.Store(next)
}
