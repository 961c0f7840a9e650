package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"strings"

	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// maxPEM bounds a file of certificates: bundles of all public authorities are a quarter of it.
const maxPEM = 1 << 20 // bytes

// pemFile is an attribute that names a file of certificates or a key.
type pemFile struct {
	attr, what, path string
}

// certificates checks the files of mTLS, and the CA bundle, which works without mTLS too. That a CA bundle must be there
// is stricter than the guide, which only warns: without it the system's roots would be trusted instead. What is kept
// elsewhere than in a file is not looked at.
func (c check) certificates() {
	o, b := c.OAuth, c.oauth
	if o.UseMTLS {
		for name, r := range map[string]secrets.Ref{
			"OAUTH_CLIENT_CERT_PATH": o.ClientCertPath, "OAUTH_CLIENT_KEY_PATH": o.ClientKeyPath,
		} {
			if r.IsZero() {
				c.fail(b, name, name+" is required when using mTLS", "set "+name)
			}
		}
		c.clientPair(b,
			pemFile{"OAUTH_CLIENT_CERT_PATH", "Client certificate", onDisk(o.ClientCertPath)},
			pemFile{"OAUTH_CLIENT_KEY_PATH", "Client key", onDisk(o.ClientKeyPath)})
	}
	c.bundle(b, pemFile{"OAUTH_CA_BUNDLE_PATH", "CA bundle", onDisk(o.CABundlePath)})
}

// onDisk is the path of a reference to a file, else "".
func onDisk(r secrets.Ref) string {
	if r.Kind == secrets.File {
		return r.Name
	}
	return ""
}

// clientPair checks a client certificate and its key, as far as they are files.
func (l *loader) clientPair(b *block, cert, key pemFile) {
	certText, keyText := l.readPEM(b, cert), l.readPEM(b, key)
	l.private(b, cert)
	l.private(b, key)
	if certText != nil && keyText != nil {
		l.keyPair(b, cert, key, certText, keyText)
	}
}

func (l *loader) bundle(b *block, f pemFile) {
	text := l.readPEM(b, f)
	if text != nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		l.fail(b, f.attr, f.what+" holds no PEM certificate: "+printable(f.path),
			"convert it to PEM, or name another file")
	}
}

// readPEM reads a file; nil when no file is named, or after it said that there is none.
func (l *loader) readPEM(b *block, f pemFile) []byte {
	if f.path == "" {
		return nil
	}
	if !isFile(f.path) {
		l.fail(b, f.attr, f.what+" not found: "+printable(f.path), pathRemedy)
		return nil
	}
	file, err := openFile(f.path)
	if err == nil {
		defer func() { _ = file.Close() }()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(file, maxPEM)); err == nil {
			return text // not nil, empty or not
		}
	}
	l.fail(b, f.attr, f.what+" cannot be read: "+printable(f.path)+": "+reason(err), pathRemedy)
	return nil
}

func (l *loader) private(b *block, f pemFile) {
	if info, err := os.Stat(f.path); f.path != "" && err == nil && disk.Modes && info.Mode().Perm()&0o077 != 0 {
		l.warn(b, f.attr, f.what+" is readable by others: "+printable(f.path), "chmod 600 "+printable(f.path))
	}
}

// keyPair checks that the certificate and the key are such, and belong together. The words of crypto/tls are not passed
// on: some quote the file.
func (l *loader) keyPair(b *block, cert, key pemFile, certText, keyText []byte) {
	_, err := tls.X509KeyPair(certText, keyText)
	switch {
	case err == nil:
	case !holdsCertificate(certText):
		l.fail(b, cert.attr, cert.what+" holds no PEM certificate: "+printable(cert.path),
			"convert it to PEM, or name another file")
	case strings.Contains(err.Error(), "does not match"):
		l.fail(b, key.attr, key.what+" does not belong to the client certificate: "+printable(key.path),
			"name the key that the certificate was made for")
	default:
		l.fail(b, key.attr, key.what+" holds no PEM private key that can be used: "+printable(key.path),
			"convert it to PEM without a passphrase, or name another file")
	}
}

func holdsCertificate(text []byte) bool {
	for {
		var p *pem.Block
		p, text = pem.Decode(text)
		if p == nil {
			return false
		}
		if p.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(p.Bytes)
			return err == nil
		}
	}
}

// signingKey checks a key to sign with, as far as it is a file.
func (c check) signingKey(f pemFile) {
	text := c.readPEM(c.oauth, f)
	c.private(c.oauth, f)
	if text != nil && !holdsSigningKey(text) {
		c.fail(c.oauth, f.attr, f.what+" holds no PEM private key that can be used: "+printable(f.path),
			"write an RSA, P-256, P-384, P-521 or Ed25519 key as PEM without a passphrase, or name another file")
	}
}

// holdsSigningKey looks at the first key in text.
func holdsSigningKey(text []byte) bool {
	for {
		var p *pem.Block
		if p, text = pem.Decode(text); p == nil {
			return false
		}
		switch p.Type { // others may stand before it, such as EC PARAMETERS
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return signs(p)
		}
	}
}

// signs reports whether a JWS can be signed with a key (RFC 7518 §3.1, RFC 8037).
func signs(p *pem.Block) bool {
	var key any
	var err error
	switch p.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(p.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(p.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(p.Bytes)
	}
	if err != nil {
		return false
	}
	switch k := key.(type) {
	case *rsa.PrivateKey, ed25519.PrivateKey:
		return true
	case *ecdsa.PrivateKey:
		return k.Curve != elliptic.P224()
	}
	return false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
