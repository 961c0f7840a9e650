package oauth

import (
	"context"
	"crypto/tls"
	"os"
	"sync"
	"time"

	"bearerd/secrets"
)

const (
	pairAge       = time.Minute     // after which a pair that is not of two files is read again
	rereadTimeout = 5 * time.Second // below the time that a handshake has, in which the pair before serves as well
)

// keyPair is a client certificate and its key.
type keyPair struct {
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

// current reads the pair again when it may have changed. While the new one cannot be used, as in the middle of a rotation
// or when Vault is down, the pair read before stays in use; a missing file is always an error.
func (p *keyPair) current(ctx context.Context) (*tls.Certificate, error) {
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
func (p *keyPair) begin(stamps [2]stamp) (kept *tls.Certificate, fresh bool) {
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

func (p *keyPair) remote() bool { return p.cert.Kind != secrets.File || p.key.Kind != secrets.File }

func (p *keyPair) read(ctx context.Context) (*tls.Certificate, error) {
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
func (p *keyPair) stat() (stamps [2]stamp, err error) {
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
