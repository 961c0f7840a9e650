package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"

	"bearerd/config"
	"bearerd/secrets"
)

// What is read, as an error names it.
const (
	caBundle   = "CA bundle"
	clientCert = "Client certificate"
	clientKey  = "Client key"
)

// TLSConfig is the one builder for the token endpoint and for upstream: TLS 1.2 at least, the CA bundle instead of the
// system's roots, and with OAUTH_USE_MTLS the client certificate (RFC 8705). What is missing or broken is an error; one of
// a store or Vault wraps its cause. c may be nil.
//
// The CA bundle is read once: call again to see a new one. The certificate is read again in a handshake, when its files
// have changed or when it came from elsewhere over a minute ago.
func TLSConfig(ctx context.Context, c *config.OAuth, r *secrets.Resolver) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c == nil {
		return conf, nil
	}
	if !c.CABundlePath.IsZero() {
		pool, err := readBundle(ctx, c.CABundlePath, r)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	if !c.UseMTLS {
		return conf, nil
	}
	pair := NewKeyPair(c, r)
	if _, err := pair.Current(ctx); err != nil {
		return nil, err
	}
	conf.GetClientCertificate = func(cri *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return pair.Current(cri.Context())
	}
	return conf, nil
}

// Present has conf present this very certificate, whatever authorities the other side names.
func Present(conf *tls.Config, c *tls.Certificate) {
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c, nil }
}

// tlsConfig is TLSConfig with the certificate that the token is to be bound to, if that is known.
func (t *Target) tlsConfig(ctx context.Context, r *secrets.Resolver) (*tls.Config, error) {
	if t.Certificate == nil {
		return TLSConfig(ctx, t.OAuth, r)
	}
	rest := *t.OAuth
	rest.UseMTLS = false
	conf, err := TLSConfig(ctx, &rest, r)
	if err != nil {
		return nil, err
	}
	Present(conf, t.Certificate)
	return conf, nil
}

func readBundle(ctx context.Context, ref secrets.Ref, r *secrets.Resolver) (*x509.CertPool, error) {
	pem, err := readPEM(ctx, caBundle, ref, r)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &materialError{caBundle, place(ref), errors.New("it holds no PEM certificate")}
	}
	return pool, nil
}

// readPEM reads a file of any size, as bundles of all public authorities are larger than a secret may be.
func readPEM(ctx context.Context, what string, ref secrets.Ref, r *secrets.Resolver) ([]byte, error) {
	if ref.Kind == secrets.File {
		pem, err := os.ReadFile(ref.Name)
		if err != nil {
			return nil, &materialError{what, ref.Name, err}
		}
		return pem, nil
	}
	text, err := r.ResolveText(ctx, ref)
	if err != nil {
		return nil, &materialError{what, "", err} // it names the reference
	}
	return []byte(text.Reveal()), nil
}

// place is the path of a file, or the reference as the configuration has it.
func place(ref secrets.Ref) string {
	if ref.Kind == secrets.File {
		return ref.Name
	}
	return ref.String()
}

// materialError is a certificate or a key that cannot be used. It has the documented text where a file is missing, and
// never a part of what was read.
type materialError struct {
	what, place string // place is "" where err names it
	err         error
}

func (e *materialError) Error() string {
	if e.place == "" {
		return e.what + " cannot be read: " + e.err.Error()
	}
	if errors.Is(e.err, fs.ErrNotExist) {
		return e.what + " not found: " + e.place
	}
	cause := e.err
	if p, ok := errors.AsType[*fs.PathError](e.err); ok {
		cause = p.Err // its text would repeat the path
	}
	return e.what + " cannot be read: " + e.place + ": " + cause.Error()
}

func (e *materialError) Unwrap() error { return e.err }
