package oauth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"bearerd/config"
)

// TLSConfig is the one builder for the token endpoint and for upstream: TLS 1.2 at least, the CA bundle instead of the
// system's roots, and with OAUTH_USE_MTLS the client certificate (RFC 8705), which is read again when its files change.
// A missing or broken file is an error. The CA bundle is read once: call again to see a new one. c may be nil.
func TLSConfig(c *config.OAuth) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c == nil {
		return conf, nil
	}
	if !c.CABundlePath.IsZero() {
		pool, err := readBundle(c.CABundlePath.Name)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	if !c.UseMTLS {
		return conf, nil
	}
	pair := &keyPair{certPath: c.ClientCertPath.Name, keyPath: c.ClientKeyPath.Name}
	if _, err := pair.current(); err != nil {
		return nil, err
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.current() }
	return conf, nil
}

func readBundle(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, &fileError{"CA bundle", path, err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &fileError{"CA bundle", path, errors.New("it holds no PEM certificate")}
	}
	return pool, nil
}

// keyPair is a client certificate on disk.
type keyPair struct {
	certPath, keyPath string

	mu     sync.Mutex // guards what follows
	cert   *tls.Certificate
	stamps [2]stamp // of the files that cert was read from
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// current reads the files again when they changed. While they do not fit together, as in the middle of a rotation, the
// pair read before stays in use; a missing file is always an error.
func (p *keyPair) current() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamps, err := p.stat()
	if err != nil {
		return nil, err
	}
	if p.cert != nil && stamps == p.stamps {
		return p.cert, nil
	}
	cert, err := tls.LoadX509KeyPair(p.certPath, p.keyPath)
	if err != nil && p.cert != nil {
		return p.cert, nil
	}
	if err != nil {
		return nil, &fileError{"Client certificate", p.certPath + " with key " + p.keyPath, err}
	}
	p.cert, p.stamps = &cert, stamps
	return p.cert, nil
}

func (p *keyPair) stat() (stamps [2]stamp, err error) {
	for i, f := range []struct{ what, path string }{
		{"Client certificate", p.certPath}, {"Client key", p.keyPath},
	} {
		info, err := os.Stat(f.path)
		if err != nil {
			return stamps, &fileError{f.what, f.path, err}
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// fileError has the documented text where the file is missing.
type fileError struct {
	what, path string
	err        error
}

func (e *fileError) Error() string {
	if errors.Is(e.err, fs.ErrNotExist) {
		return e.what + " not found: " + e.path
	}
	cause := e.err
	if p, ok := errors.AsType[*fs.PathError](e.err); ok {
		cause = p.Err // its text would repeat the path
	}
	return e.what + " cannot be read: " + e.path + ": " + cause.Error()
}

func (e *fileError) Unwrap() error { return e.err }
