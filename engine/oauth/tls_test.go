package oauth_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
)

// withCert turns mTLS on, with files of a new folder.
func withCert(t *testing.T, s *oauthtest.Server, c *config.OAuth, subject string) {
	t.Helper()
	cert, key, err := s.WriteClientCert(t.TempDir(), subject)
	if err != nil {
		t.Fatal(err)
	}
	c.UseMTLS, c.ClientCertPath, c.ClientKeyPath = true, cert, key
}

func TestAcceptance32_MissingCertificateSendsNothing(t *testing.T) {
	s, c := newServer(t)
	withCert(t, s, c, "bearerd-test")
	absent := filepath.Join(t.TempDir(), "absent.pem")
	for what, path := range map[string]*string{
		"Client certificate": &c.ClientCertPath, "Client key": &c.ClientKeyPath, "CA bundle": &c.CABundlePath,
	} {
		kept := *path
		*path = absent
		if _, err := oauth.TLSConfig(c); err == nil || err.Error() != what+" not found: "+absent {
			t.Errorf("error %v", err)
		}
		e := mustFail(t, c, "OAuth token request not sent: "+what+" not found: "+absent+" (correlation_id="+testID+")")
		if e.Final || !e.Unsent {
			t.Errorf("%+v", *e)
		}
		*path = kept
	}
	if len(s.Requests()) != 0 {
		t.Error("a request was sent")
	}
}

func TestBrokenFiles(t *testing.T) {
	s, c := newServer(t)
	withCert(t, s, c, "one")
	other := *c
	withCert(t, s, &other, "two")
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ cert, key, ca, want string }{
		{c.ClientCertPath, c.ClientKeyPath, junk, "CA bundle cannot be read: " + junk + ": it holds no PEM certificate"},
		{c.ClientCertPath, other.ClientKeyPath, c.CABundlePath, "Client certificate cannot be read: " + c.ClientCertPath +
			" with key " + other.ClientKeyPath + ": tls: private key does not match public key"},
		{junk, c.ClientKeyPath, c.CABundlePath, "Client certificate cannot be read: " + junk + " with key " +
			c.ClientKeyPath + ": tls: failed to find any PEM data in certificate input"},
	} {
		broken := *c
		broken.ClientCertPath, broken.ClientKeyPath, broken.CABundlePath = test.cert, test.key, test.ca
		if _, err := oauth.TLSConfig(&broken); err == nil || err.Error() != test.want {
			t.Errorf("error\n got %v\nwant %s", err, test.want)
		}
	}
}

func TestAcceptance34_CABundleWithoutMTLSReplacesTheRoots(t *testing.T) {
	s, c := newServer(t)
	if _, r := mustAsk(t, s, c); r.CertSubject != "" {
		t.Error("a client certificate was sent")
	}
	conf, err := oauth.TLSConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	only := x509.NewCertPool()
	only.AppendCertsFromPEM(s.CAPEM())
	if conf.MinVersion != tls.VersionTLS12 || !conf.RootCAs.Equal(only) {
		t.Errorf("minimum %x, roots %v", conf.MinVersion, conf.RootCAs)
	}
	c.CABundlePath = ""
	if conf, err := oauth.TLSConfig(c); err != nil || conf.RootCAs != nil {
		t.Errorf("roots %v, error %v: want the system's", conf.RootCAs, err)
	}
	mustFail(t, c, "OAuth token request failed: "+host(c)+": TLS: the certificate is signed by an unknown authority "+
		"(set OAUTH_CA_BUNDLE_PATH) (correlation_id="+testID+")")
	if len(s.Requests()) != 1 {
		t.Error("a server that is not trusted got a request")
	}
}

func TestAcceptance35_ServerSeesTheCertificate(t *testing.T) {
	s, c := newServer(t)
	withCert(t, s, c, "bearerd-test")
	_, r := mustAsk(t, s, c)
	if r.CertSubject != "bearerd-test" {
		t.Errorf("certificate of %q", r.CertSubject)
	}
	if _, _, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok {
		t.Error("the secret was not sent beside the certificate")
	}
	c.UseMTLS = false
	if _, r := mustAsk(t, s, c); r.CertSubject != "" {
		t.Error("a certificate was sent without OAUTH_USE_MTLS")
	}
}

func TestAcceptance36_RotatedCertificateIsPickedUp(t *testing.T) {
	s, c := newServer(t)
	withCert(t, s, c, "old")
	upstream := newUpstream(t, s)
	conf, err := oauth.TLSConfig(c) // one that lives on, as upstream's
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	if got := peer(t, client, upstream); got != "old" {
		t.Errorf("upstream sees %q", got)
	}
	if _, _, err := s.WriteClientCert(filepath.Dir(c.ClientCertPath), "new"); err != nil {
		t.Fatal(err)
	}
	if got := peer(t, client, upstream); got != "new" {
		t.Errorf("upstream sees %q after the rotation", got)
	}
	if _, r := mustAsk(t, s, c); r.CertSubject != "new" {
		t.Errorf("the token endpoint sees %q after the rotation", r.CertSubject)
	}

	// Half of a rotation: the pair before stays in use. A certificate that is gone is never replaced by none.
	if err := os.WriteFile(c.ClientCertPath, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := peer(t, client, upstream); got != "new" {
		t.Errorf("upstream sees %q in the middle of a rotation", got)
	}
	if err := os.Remove(c.ClientCertPath); err != nil {
		t.Fatal(err)
	}
	if resp, err := client.Get(upstream); err == nil {
		resp.Body.Close()
		t.Error("a request was sent without the certificate")
	}
}

// newUpstream answers with the name in the client's certificate.
func newUpstream(t *testing.T, s *oauthtest.Server) string {
	t.Helper()
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	h.TLS = s.TLS()
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	h.StartTLS()
	t.Cleanup(h.Close)
	return h.URL
}

func peer(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
