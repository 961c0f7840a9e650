package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"bearerd/secrets"
)

// adminKey is where the admin key is: in the local store, which never leaves the host. Its prefix, as that of sessions, tells
// scanners of leaks what it is.
const adminKey = "local/admin-key"

// AdminKey reads the key of the REST API and the page from the local store, and makes it at first use.
func AdminKey(ctx context.Context, local secrets.Store) (secrets.Secret, error) {
	for {
		key, _, err := local.Get(ctx, adminKey)
		if err == nil {
			return secrets.New(string(key)), nil
		}
		if !errors.Is(err, secrets.ErrNotFound) {
			return secrets.Secret{}, fmt.Errorf("reading the admin key: %w", err)
		}
		if _, err := local.Put(ctx, adminKey, []byte("brk_"+random()), ""); err != nil && !errors.Is(err, secrets.ErrConflict) {
			return secrets.Secret{}, fmt.Errorf("keeping the admin key: %w", err)
		}
	}
}

// DropKey forgets the admin key: AdminKey makes another.
func DropKey(ctx context.Context, local secrets.Store) error {
	if err := local.Delete(ctx, adminKey); err != nil {
		return fmt.Errorf("removing the admin key: %w", err)
	}
	return nil
}

// digest is what keys are compared by: it has no length that could be told by the time this takes.
type digest [sha256.Size]byte

func digestOf(key string) digest { return sha256.Sum256([]byte(key)) }

func (d digest) equal(o digest) bool { return subtle.ConstantTimeCompare(d[:], o[:]) == 1 }

// shownKey is the key that a request shows (RFC 6750 §2.1); "": none.
func shownKey(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// actor tells on whose behalf a request with this key is made; "": nobody's, the key is wrong.
func (a *API) actor(ctx context.Context, key string, w who) (string, error) {
	d := digestOf(key)
	if !a.Key.IsZero() && d.equal(digestOf(a.Key.Reveal())) {
		return "key admin", nil
	}
	if a.sessions.holds(d) {
		return actorOf(d), nil
	}
	if w != scraper || a.MetricsKey == nil {
		return "", nil
	}
	metrics, err := a.scrapes.key(ctx, a.MetricsKey)
	if err != nil {
		return "", fmt.Errorf("metrics_key: %w", err)
	}
	if !metrics.IsZero() && d.equal(digestOf(metrics.Reveal())) {
		return "key metrics", nil
	}
	return "", nil
}

// How the metrics key is read.
const (
	metricsKeyFor    = time.Second // it is not read again: whoever tries keys must not keep Vault busy
	metricsKeyWithin = 5 * time.Second
)

// metricsKey remembers the metrics key for a moment.
type metricsKey struct {
	mu    sync.Mutex // guards what follows
	value secrets.Secret
	err   error
	read  time.Time
}

// key reads the key. One who asks may go; the others wait for the same answer.
func (m *metricsKey) key(ctx context.Context, read func(context.Context) (secrets.Secret, error)) (secrets.Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.read.IsZero() || time.Since(m.read) >= metricsKeyFor {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), metricsKeyWithin)
		defer cancel()
		m.value, m.err = read(ctx)
		m.read = time.Now()
	}
	return m.value, m.err
}

// How wrong keys are slowed.
const (
	firstWait   = 250 * time.Millisecond // doubles with each further wrong key
	longestWait = 5 * time.Second
	mostFailed  = 5                // more wrong keys than this count no more
	forgotten   = 10 * time.Second // so long after, a wrong key counts no more
	mostWaiting = 64
)

// brake slows those who try keys. Whoever has a right one never meets it.
type brake struct {
	mu      sync.Mutex // guards what follows
	failed  int        // wrong keys that count
	counted time.Time  // when failed was right
	waiting int
}

// hold waits, and reports whether there was room to wait. It ends with ctx.
func (b *brake) hold(ctx context.Context) bool {
	wait, ok := b.enter()
	if !ok {
		return false
	}
	defer b.leave()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return true
}

func (b *brake) enter() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting >= mostWaiting {
		return 0, false
	}
	b.waiting++
	past := time.Since(b.counted) / forgotten
	b.failed = max(0, b.failed-int(min(past, mostFailed)))
	wait = min(firstWait<<b.failed, longestWait)
	b.failed, b.counted = min(b.failed+1, mostFailed), time.Now()
	return wait, true
}

func (b *brake) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
}
