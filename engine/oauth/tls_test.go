package oauth_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// withCert turns mTLS on, with files of a new folder.
func withCert(t *testing.T, s *oauthtest.Server, c *config.OAuth, subject string) {
	t.Helper()
	cert, key, err := s.WriteClientCert(t.TempDir(), subject)
	if err != nil {
		t.Fatal(err)
	}
	c.UseMTLS, c.ClientCertPath, c.ClientKeyPath = true, fileRef(cert), fileRef(key)
}

func TestAcceptance32_MissingCertificateSendsNothing(t *testing.T) {
	s, c := newServer(t)
	withCert(t, s, c, "bearerd-test")
	absent := filepath.Join(t.TempDir(), "absent.pem")
	for what, path := range map[string]*secrets.Ref{
		"Client certificate": &c.ClientCertPath, "Client key": &c.ClientKeyPath, "CA bundle": &c.CABundlePath,
	} {
		kept := *path
		*path = fileRef(absent)
		if _, err := tlsConfig(t, c); err == nil || err.Error() != what+" not found: "+absent {
			t.Errorf("error %v", err)
		}
		e := mustFail(t, c, "OAuth token request not sent: "+what+" not found: "+absent)
		if e.Final || !e.Unsent {
			t.Errorf("%+v", *e)
		}
		*path = kept
	}
	if len(s.Requests()) != 0 {
		t.Error("a request was sent")
	}
}

func tlsConfig(t *testing.T, c *config.OAuth) (*tls.Config, error) {
	t.Helper()
	return oauth.TLSConfig(t.Context(), c, &secrets.Resolver{})
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
	cert, key, ca := c.ClientCertPath.Name, c.ClientKeyPath.Name, c.CABundlePath.Name
	otherKey := other.ClientKeyPath.Name
	for _, test := range []struct{ cert, key, ca, want string }{
		{cert, key, junk, "CA bundle cannot be read: " + junk + ": it holds no PEM certificate"},
		{cert, otherKey, ca, "Client certificate cannot be read: " + cert + " with key " + otherKey + ": tls: private key does not match public key"},
		{junk, key, ca, "Client certificate cannot be read: " + junk + " with key " + key + ": tls: failed to find any PEM data in certificate input"},
	} {
		broken := *c
		broken.ClientCertPath, broken.ClientKeyPath = fileRef(test.cert), fileRef(test.key)
		broken.CABundlePath = fileRef(test.ca)
		if _, err := tlsConfig(t, &broken); err == nil || err.Error() != test.want {
			t.Errorf("error\n got %v\nwant %s", err, test.want)
		}
	}
}

func TestAcceptance34_CABundleWithoutMTLSReplacesTheRoots(t *testing.T) {
	s, c := newServer(t)
	if _, r := mustAsk(t, s, c); r.CertSubject != "" {
		t.Error("a client certificate was sent")
	}
	conf, err := tlsConfig(t, c)
	if err != nil {
		t.Fatal(err)
	}
	only := x509.NewCertPool()
	only.AppendCertsFromPEM(s.CAPEM())
	if conf.MinVersion != tls.VersionTLS12 || !conf.RootCAs.Equal(only) {
		t.Errorf("minimum %x, roots %v", conf.MinVersion, conf.RootCAs)
	}
	c.CABundlePath = secrets.Ref{}
	if conf, err := tlsConfig(t, c); err != nil || conf.RootCAs != nil {
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
	conf, err := tlsConfig(t, c) // one that lives on, as upstream's
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	if got := peer(t, client, upstream); got != "old" {
		t.Errorf("upstream sees %q", got)
	}
	if _, _, err := s.WriteClientCert(filepath.Dir(c.ClientCertPath.Name), "new"); err != nil {
		t.Fatal(err)
	}
	if got := peer(t, client, upstream); got != "new" {
		t.Errorf("upstream sees %q after the rotation", got)
	}
	if _, r := mustAsk(t, s, c); r.CertSubject != "new" {
		t.Errorf("the token endpoint sees %q after the rotation", r.CertSubject)
	}

	// Half of a rotation: the pair before stays in use. A certificate that is gone is never replaced by none.
	if err := os.WriteFile(c.ClientCertPath.Name, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := peer(t, client, upstream); got != "new" {
		t.Errorf("upstream sees %q in the middle of a rotation", got)
	}
	if err := os.Remove(c.ClientCertPath.Name); err != nil {
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
	return newTLSServer(t, s.TLS(), func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	})
}

func newTLSServer(t *testing.T, conf *tls.Config, handle http.HandlerFunc) string {
	t.Helper()
	h := httptest.NewUnstartedServer(handle)
	h.TLS = conf
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

// vaultOf reads each field of any path from a file of that name. Set err to have it fail.
type vaultOf struct {
	dir   string
	err   error
	reads int
}

func (v *vaultOf) read(_ context.Context, _, field string) (string, error) {
	if v.reads++; v.err != nil {
		return "", v.err
	}
	b, err := os.ReadFile(filepath.Join(v.dir, field))
	return string(b), err
}

func (v *vaultOf) ref(field string) secrets.Ref {
	return secrets.Ref{Kind: secrets.Vault, Name: "mcp/tls", Field: field}
}

// inVault puts the CA, the certificate and the key of c into a Vault.
func inVault(t *testing.T, s *oauthtest.Server, c *config.OAuth, subject string) (*vaultOf, *secrets.Resolver) {
	t.Helper()
	withCert(t, s, c, subject)
	v := &vaultOf{dir: filepath.Dir(c.ClientCertPath.Name)}
	if err := s.WriteCA(filepath.Join(v.dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	c.CABundlePath, c.ClientCertPath, c.ClientKeyPath = v.ref("ca.pem"), v.ref("client.pem"), v.ref("client-key.pem")
	return v, &secrets.Resolver{Vault: v.read}
}

func TestCertificatesOfAVault(t *testing.T) {
	s, c := newServer(t)
	v, r := inVault(t, s, c, "one")
	for _, subject := range []string{"one", "two"} { // each token request reads them
		if _, _, err := s.WriteClientCert(v.dir, subject); err != nil {
			t.Fatal(err)
		}
		v.reads = 0
		if _, err := oauth.ClientCredentials(t.Context(), slog.New(slog.DiscardHandler), target(c), r, testID); err != nil {
			t.Fatal(err)
		}
		requests := s.Requests()
		if got := requests[len(requests)-1].CertSubject; got != subject || v.reads != 3 {
			t.Errorf("the token endpoint sees %q after %d reads, want %q", got, v.reads, subject)
		}
	}
	if err := os.WriteFile(filepath.Join(v.dir, "client-key.pem"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := oauth.TLSConfig(t.Context(), c, r)
	want := `Client certificate cannot be read: vault("mcp/tls", "client.pem") with key vault("mcp/tls", "client-key.pem"): ` +
		"tls: failed to find any PEM data in key input"
	if err == nil || err.Error() != want {
		t.Errorf("error\n got %v\nwant %s", err, want)
	}
	v.err = secrets.ErrDenied
	_, err = oauth.TLSConfig(t.Context(), c, r)
	want = `CA bundle cannot be read: vault("mcp/tls", "ca.pem"): ` + secrets.ErrDenied.Error()
	if !errors.Is(err, secrets.ErrDenied) || err.Error() != want {
		t.Errorf("error\n got %v\nwant %s", err, want)
	}
	c.CABundlePath = secrets.Ref{Kind: secrets.Vault, Name: "mcp/tls", Field: "client-key.pem"}
	v.err = nil
	_, err = oauth.TLSConfig(t.Context(), c, r)
	want = `CA bundle cannot be read: vault("mcp/tls", "client-key.pem"): it holds no PEM certificate`
	if err == nil || err.Error() != want {
		t.Errorf("error\n got %v\nwant %s", err, want)
	}
}
