package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/secrets"
)

// Keys issues and checks what local callers show the proxy: a key for each server and client, derived from a root, so
// that nothing has to be kept for each of them and one server's key opens no other. Copies are the same keys.
type Keys struct{ ring *ring }

// ring holds the roots that are in force.
type ring struct {
	mu    sync.Mutex // held by Rotate
	roots atomic.Pointer[roots]
	marks secrets.Secret // what marks are derived from: no key, as long as the process, and no rotation changes it
}

// roots are what keys are derived from. They are never changed, but replaced.
type roots struct {
	present secrets.Secret
	before  secrets.Secret // zero: the keys before are not taken
	until   time.Time      // of before
	since   time.Time      // when they took the place of others; zero: as this process began
}

func newKeys(r *roots) Keys {
	k := Keys{&ring{marks: newRoot()}}
	k.ring.roots.Store(r)
	return k
}

// NewKeys makes keys that live as long as the process.
func NewKeys() Keys { return newKeys(&roots{present: newRoot()}) }

func newRoot() secrets.Secret {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails (crypto/rand)
	return secrets.New(string(fresh))
}

// KeyPrefix is what local keys begin with, and no other secret.
const KeyPrefix = "brd_"

// Issue derives the key of a client, whose name holds no dot and at most 64 characters, for a server.
func (k Keys) Issue(server, client string) secrets.Secret {
	return keyOf(k.ring.roots.Load().present, server, client)
}

func keyOf(root secrets.Secret, server, client string) secrets.Secret {
	sum := sign(root, strings.ToLower(server), client)
	return secrets.New(KeyPrefix + client + "." + base64.RawURLEncoding.EncodeToString(sum))
}

// sign is the MAC of words of which none but the last can hold a NUL.
func sign(root secrets.Secret, words ...string) []byte {
	mac := hmac.New(sha256.New, []byte(root.Reveal()))
	_, _ = io.WriteString(mac, strings.Join(words, "\x00"))
	return mac.Sum(nil)
}

// mark is what the proxy puts into an address of a server that it hands out itself, so that it knows it again: the path, at
// that origin. The session that the address belongs to ends with the process, and so does the mark.
func (k Keys) mark(server, origin, path string) string {
	return base64.RawURLEncoding.EncodeToString(sign(k.ring.marks, strings.ToLower(server), origin, path)[:16])
}

// graced reports whether the keys before are still taken.
func (r *roots) graced() bool { return !r.before.IsZero() && time.Now().Before(r.until) }

// take reports whether keys of a root are taken.
func (k Keys) take(root *secrets.Secret) bool {
	r := k.ring.roots.Load()
	return root == &r.present || equal(root.Reveal(), r.present.Reveal()) == 1 ||
		r.graced() && equal(root.Reveal(), r.before.Reveal()) == 1
}

// cuts reports whether what a root has opened is to be cut. Calls that are about to be answered may be, for a second.
func (k Keys) cuts(root *secrets.Secret) bool {
	return !k.take(root) && time.Since(k.ring.roots.Load().since) > time.Second
}

// equal compares in constant time: 1 if both are the same.
func equal(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }
