package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"strings"
)

// maxPEM bounds a file of certificates: bundles of all public authorities are a quarter of it.
const maxPEM = 1 << 20 // bytes

// certificates checks the files of mTLS, and the CA bundle, which works without mTLS too. That a CA bundle must be there
// is stricter than the guide, which only warns: without it the system's roots would be trusted instead.
func (c check) certificates() {
	o, b := c.OAuth, c.oauth
	if o.UseMTLS {
		cert := c.pemFile("OAUTH_CLIENT_CERT_PATH", "Client certificate", o.ClientCertPath.Name)
		key := c.pemFile("OAUTH_CLIENT_KEY_PATH", "Client key", o.ClientKeyPath.Name)
		c.private("OAUTH_CLIENT_CERT_PATH", "Client certificate", o.ClientCertPath.Name)
		c.private("OAUTH_CLIENT_KEY_PATH", "Client key", o.ClientKeyPath.Name)
		if cert != nil && key != nil {
			c.keyPair(cert, key)
		}
	}
	if o.CABundlePath.IsZero() {
		return
	}
	bundle := c.pemFile("OAUTH_CA_BUNDLE_PATH", "CA bundle", o.CABundlePath.Name)
	if bundle != nil && !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		c.fail(b, "OAUTH_CA_BUNDLE_PATH", "CA bundle holds no PEM certificate: "+printable(o.CABundlePath.Name),
			"convert it to PEM, or name another file")
	}
}

// pemFile reads a file; nil after it said that there is none.
func (c check) pemFile(name, what, path string) []byte {
	b := c.oauth
	switch {
	case path == "":
		c.fail(b, name, name+" is required when using mTLS", "set "+name)
		return nil
	case !isFile(path):
		c.fail(b, name, what+" not found: "+printable(path), pathRemedy)
		return nil
	}
	f, err := openFile(path)
	if err == nil {
		defer func() { _ = f.Close() }()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxPEM)); err == nil {
			return text // not nil, empty or not
		}
	}
	c.fail(b, name, what+" cannot be read: "+printable(path)+": "+reason(err), pathRemedy)
	return nil
}

func (c check) private(name, what, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		c.warn(c.oauth, name, what+" is readable by others: "+printable(path), "chmod 600 "+printable(path))
	}
}

// keyPair checks that the certificate and the key are such, and belong together. The words of crypto/tls are not passed
// on: some quote the file.
func (c check) keyPair(cert, key []byte) {
	o, b := c.OAuth, c.oauth
	_, err := tls.X509KeyPair(cert, key)
	switch {
	case err == nil:
	case !holdsCertificate(cert):
		c.fail(b, "OAUTH_CLIENT_CERT_PATH", "Client certificate holds no PEM certificate: "+printable(o.ClientCertPath.Name),
			"convert it to PEM, or name another file")
	case strings.Contains(err.Error(), "does not match"):
		c.fail(b, "OAUTH_CLIENT_KEY_PATH", "Client key does not belong to the client certificate: "+printable(o.ClientKeyPath.Name),
			"name the key that the certificate was made for")
	default:
		c.fail(b, "OAUTH_CLIENT_KEY_PATH", "Client key holds no PEM private key that can be used: "+printable(o.ClientKeyPath.Name),
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

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
