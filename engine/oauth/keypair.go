package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"os"
	"sync"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	pairAge       = time.Minute     // after which a pair that is not of two files is read again
	rereadTimeout = 5 * time.Second // below the time that a handshake has, in which the pair before serves as well
)

// KeyPair is a client certificate and its key (RFC 8705), read again when they may have changed. It is safe for many
// goroutines.
type KeyPair struct {
	cert, key secrets.Ref
	resolve   *secrets.Resolver

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	stamps [2]stamp  // of the files that pair was read from
	next   time.Time // when to read again what is in no file
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// NewKeyPair is the pair of a configuration; nothing is read yet. It is nil without OAUTH_USE_MTLS.
func NewKeyPair(c *config.OAuth, r *secrets.Resolver) *KeyPair {
	if !c.UseMTLS {
		return nil
	}
	return &KeyPair{cert: c.ClientCertPath, key: c.ClientKeyPath, resolve: r}
}

// Same reports whether p is the pair that c names.
func (p *KeyPair) Same(c *config.OAuth) bool {
	if p == nil || !c.UseMTLS {
		return p == nil && !c.UseMTLS
	}
	return p.cert.Identity() == c.ClientCertPath.Identity() && p.key.Identity() == c.ClientKeyPath.Identity()
}

// Thumbprint is the x5t#S256 that tokens are bound to (RFC 8705 §3.1); "" for nil.
func Thumbprint(c *tls.Certificate) string {
	if c == nil || len(c.Certificate) == 0 {
		return ""
	}
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Reread has the next call of Current read what is in no file, whatever its age.
func (p *KeyPair) Reread() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.Time{}
}

// Forget has the next call of Current read everything, and fail where that fails.
func (p *KeyPair) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pair = nil
}

// Current reads the pair again when it may have changed. While the new one cannot be used, as in the middle of a rotation
// or when Vault is down, the pair read before stays in use; a missing file is always an error.
func (p *KeyPair) Current(ctx context.Context) (*tls.Certificate, error) {
	stamps, err := p.stat()
	if err != nil {
		return nil, err
	}
	kept, fresh := p.begin(stamps)
	if fresh {
		return kept, nil
	}
	if kept != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rereadTimeout)
		defer cancel()
	}
	pair, err := p.read(ctx)
	if err != nil && kept != nil {
		return kept, nil
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pair, p.stamps = pair, stamps
	return pair, nil
}

// begin gives the pair that is held, and whether it is good as it is. If not, the caller reads it again; handshakes
// that come meanwhile do not wait for a store.
func (p *KeyPair) begin(stamps [2]stamp) (kept *tls.Certificate, fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	stale := p.remote() && now.After(p.next)
	if p.pair != nil && stamps == p.stamps && !stale {
		return p.pair, true
	}
	p.next = now.Add(pairAge)
	return p.pair, false
}

func (p *KeyPair) remote() bool { return p.cert.Kind != secrets.File || p.key.Kind != secrets.File }

func (p *KeyPair) read(ctx context.Context) (*tls.Certificate, error) {
	cert, err := readPEM(ctx, clientCert, p.cert, p.resolve)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(ctx, clientKey, p.key, p.resolve)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, &materialError{clientCert, place(p.cert) + " with key " + place(p.key), err}
	}
	return &pair, nil
}

// stat looks at those of the two that are files.
func (p *KeyPair) stat() (stamps [2]stamp, err error) {
	for i, f := range []struct {
		what string
		ref  secrets.Ref
	}{
		{clientCert, p.cert}, {clientKey, p.key},
	} {
		if f.ref.Kind != secrets.File {
			continue
		}
		info, err := os.Stat(f.ref.Name)
		if err != nil {
			return stamps, &materialError{f.what, f.ref.Name, err}
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}
