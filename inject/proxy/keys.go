package proxy

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"bearerd/secrets"
)

// rootKey is where the root of the local keys is kept: in the local store, which never leaves the host.
const rootKey = "local/proxy-root"

// Keys issues and checks what local callers show the proxy: a key for each server and client, derived from a root, so
// that nothing has to be kept for each of them and one server's key opens no other.
type Keys struct{ root secrets.Secret }

// LoadKeys reads the root from the local store and makes it at first use.
func LoadKeys(ctx context.Context, local secrets.Store) (Keys, error) {
	for {
		root, _, err := local.Get(ctx, rootKey)
		if err == nil {
			return Keys{secrets.New(string(root))}, nil
		}
		if !errors.Is(err, secrets.ErrNotFound) {
			return Keys{}, fmt.Errorf("reading the root of the local keys: %w", err)
		}
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails (crypto/rand)
		if _, err := local.Put(ctx, rootKey, fresh, ""); err != nil && !errors.Is(err, secrets.ErrConflict) {
			return Keys{}, fmt.Errorf("keeping the root of the local keys: %w", err)
		}
	}
}

// NewKeys makes keys that live as long as the process.
func NewKeys() Keys {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh)
	return Keys{secrets.New(string(fresh))}
}

// Issue derives the key of a client, whose name holds no dot and at most 64 characters, for a server.
func (k Keys) Issue(server, client string) secrets.Secret {
	mac := hmac.New(sha256.New, []byte(k.root.Reveal()))
	_, _ = fmt.Fprintf(mac, "%s\x00%s", strings.ToLower(server), client)
	return secrets.New("brd_" + client + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// client checks an Authorization value and tells whose key it is.
func (k Keys) client(server, authorization string) (client string, ok bool) {
	scheme, key, _ := strings.Cut(authorization, " ")
	name, _, found := strings.Cut(strings.TrimPrefix(key, "brd_"), ".")
	if !found || len(name) > 64 || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return name, k.Issue(server, name).Equal(secrets.New(key))
}
