package oauthtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is a CA in memory, with the certificate of the server that it signed.
type authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	server tls.Certificate
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := template("oauthtest CA")
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	leaf := template("127.0.0.1")
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames = []string{"localhost"}
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	a.server.Certificate, a.server.PrivateKey, err = a.sign(leaf)
	return a, err
}

func template(commonName string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // crypto/rand does not fail
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), // testing/synctest begins a day later
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func (a *authority) sign(tmpl *x509.Certificate) (chain [][]byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	return [][]byte{der}, key, err
}

// serverTLS asks for a client certificate and takes only those of this CA; a client without one gets in as well.
func (a *authority) serverTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{a.server},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    pool,
	}
}

// TLS is the server's side of its TLS, for other listeners of a test that are to be trusted alike.
func (s *Server) TLS() *tls.Config { return s.tls.Clone() }

// CAPEM is the certificate of the CA that signed the server's.
func (s *Server) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ca.cert.Raw})
}

// WriteCA writes CAPEM to a file.
func (s *Server) WriteCA(path string) error { return replace(path, s.CAPEM(), 0o644) }

// WriteClientCert writes client.pem and client-key.pem (0600) into dir: a new key and a certificate of the CA for
// commonName. Called again, it rotates them.
func (s *Server) WriteClientCert(dir, commonName string) (certPath, keyPath string, err error) {
	tmpl := template(commonName)
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	chain, key, err := s.ca.sign(tmpl)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certPath, keyPath = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client-key.pem")
	if err := replace(keyPath, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return "", "", err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[0]})
	return certPath, keyPath, replace(certPath, cert, 0o644)
}

// thumbprint is the x5t#S256 of a certificate (RFC 8705 §3.1).
func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Holds reports whether a connection may use a token: the token is live, and bound to the client certificate that the
// connection presented (RFC 8705 §3).
func (s *Server) Holds(conn *tls.ConnectionState, token string) bool {
	g, ok := s.Introspect(token)
	return ok && conn != nil && len(conn.PeerCertificates) > 0 && g.Thumbprint == thumbprint(conn.PeerCertificates[0])
}

// replace writes beside the file and renames, as tools that rotate certificates do.
func replace(path string, content []byte, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", content, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
