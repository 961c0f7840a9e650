package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"bearerd/secrets"
)

// maxAnswer is the size in bytes that no answer of Vault reaches: a value of 64 KiB, or the list of a large folder.
const maxAnswer = 8 << 20

// wire sends the requests. It trusts what the CA file holds now, so that a new file needs no restart.
type wire struct {
	conn *secrets.Connection

	mu        sync.Mutex // guards what follows
	transport *http.Transport
	caFile    stamp // that transport was made from
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// newWire reads the certificates once, so that a wrong path is an error at the start.
func newWire(c *secrets.Connection) (*wire, error) {
	w := &wire{conn: c}
	w.caFile = w.stat()
	var err error
	if w.transport, err = newTransport(c); err != nil {
		return nil, err
	}
	if c.ClientCertPath != "" {
		_, err = clientCertificate(c)
	}
	return w, err
}

func newTransport(c *secrets.Connection) (*http.Transport, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAPath != "" {
		pem, err := os.ReadFile(c.CAPath)
		if err != nil {
			return nil, fmt.Errorf("ca_path: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_path: %s holds no PEM certificate", c.CAPath)
		}
	}
	if c.ClientCertPath != "" {
		// Whatever CAs the server names: Vault takes certificates of CAs that its listener does not know.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return clientCertificate(c)
		}
	}
	dialer := net.Dialer{Timeout: c.Timeout}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: c.Timeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}, nil
}

// clientCertificate reads the files at each handshake: they are replaced while bearerd runs.
func clientCertificate(c *secrets.Connection) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(c.ClientCertPath, c.ClientKeyPath)
	if err != nil {
		return nil, fmt.Errorf("client_cert_path %s with client_key_path %s: %w", c.ClientCertPath, c.ClientKeyPath, err)
	}
	return &cert, nil
}

// RoundTrip sends one request. A redirect is an error: it would carry the token to another place. What an error says has
// nothing of what was sent.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	secret, err := carried(r)
	if err != nil {
		return nil, err
	}
	resp, err := w.current().RoundTrip(r)
	if err != nil {
		return nil, secret.cleanError(err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close()
		return nil, errors.New("it answers with a redirect, which bearerd does not follow: a standby that does not forward, " +
			"or the address is not Vault's own")
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	if resp.StatusCode >= 400 {
		err = secret.cleanAnswer(resp)
	}
	return resp, err
}

// current is the transport for the CA file as it is now. While that is missing or broken the one before stays.
func (w *wire) current() *http.Transport {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.stat()
	if now == w.caFile {
		return w.transport
	}
	if next, err := newTransport(w.conn); err == nil {
		w.transport.CloseIdleConnections()
		w.transport, w.caFile = next, now
	}
	return w.transport
}

func (w *wire) stat() (s stamp) {
	if w.conn.CAPath != "" {
		if info, err := os.Stat(w.conn.CAPath); err == nil {
			s = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// CloseIdleConnections makes the next request shake hands anew.
func (w *wire) CloseIdleConnections() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transport.CloseIdleConnections()
}

func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
