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

// client checks an Authorization value and tells whose key it is, and from which root; nil: it is none. The time that it takes
// tells nothing of the right keys.
func (m *known) client(keys Keys, server, authorization string) (client string, root *secrets.Secret) {
	scheme, key, _ := strings.Cut(authorization, " ")
	key = strings.TrimLeft(key, " ") // RFC 9110 §11.4: one or more of them
	name, _, found := strings.Cut(strings.TrimPrefix(key, KeyPrefix), ".")
	if !found || len(name) > 64 || !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	r, last := keys.ring.roots.Load(), m.seen.Load()
	if last == nil || last.of != r {
		last = &seen{of: r}
	}
	c, remembered := last.keys[name]
	if !remembered {
		c = r.candidates(server, name)
	}
	present, before := equal(key, c.present.Reveal()), 0
	if r.graced() {
		before = equal(key, c.before.Reveal())
	}
	if present|before != 1 {
		return "", nil
	}
	if !remembered {
		m.remember(last, c)
	}
	if present == 1 {
		return c.client, &r.present
	}
	return c.client, &r.before
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
