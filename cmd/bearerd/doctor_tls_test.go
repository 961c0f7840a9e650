package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"bearerd/cmd/internal/doctor"
)

// selfSigned is a certificate that signs itself, as PEM with its key.
func selfSigned(t *testing.T, edit func(*x509.Certificate)) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-300 * 24 * time.Hour),
		NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	edit(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// behind puts a server with another certificate before the MCP server, which the home trusts.
func (w *ward) behind(t *testing.T, conf *tls.Config, edit func(*x509.Certificate)) {
	t.Helper()
	cert, key := selfSigned(t, edit)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.mcp.ServeHTTP(rw, r) }))
	conf.Certificates = []tls.Certificate{pair}
	s.TLS, s.Config.ErrorLog = conf, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	if err := os.WriteFile(w.path("ca.pem"), append(w.as.CAPEM(), cert...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.configure(server("s", attribute("url", s.URL+"/mcp"), w.credentials()))
}

func TestDoctorJudgesCertificates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit   func(*x509.Certificate)
		conf   *tls.Config
		result doctor.Result
		words  []string
	}{
		"expired":       {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, &tls.Config{}, doctor.Failed, []string{"has expired on", "renew"}},
		"not yet valid": {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, &tls.Config{}, doctor.Failed, []string{"not valid before", "clock"}},
		"ends soon":     {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(20 * 24 * time.Hour) }, &tls.Config{}, doctor.Warned, []string{"expires on", "renew"}},
		"another host": {func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example.com"} }, &tls.Config{}, doctor.Failed,
			[]string{"not valid for 127.0.0.1", "other.example.com"}},
		"wants ours": {func(*x509.Certificate) {}, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, doctor.Failed, []string{"OAUTH_USE_MTLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.behind(t, c.conf, c.edit)
			w.diagnose().only(t, "upstream", c.result, c.words...)
		})
	}
}

func TestDoctorJudgesClientCertificates(t *testing.T) {
	t.Parallel()
	mtls := []string{"OAUTH_USE_MTLS = true", `OAUTH_CLIENT_CERT_PATH = "client.pem"`, `OAUTH_CLIENT_KEY_PATH = "client-key.pem"`}
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		w := newWard(t)
		cert, key := selfSigned(t, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Hour) })
		w.write("client.pem", string(cert))
		w.write("client-key.pem", string(key))
		w.sets(w.credentials(mtls...))
		w.diagnose().only(t, "client certificate", doctor.Failed, "has expired on", "issued anew")
	})
	t.Run("readable key", func(t *testing.T) {
		t.Parallel()
		w := newWard(t)
		_, key, err := w.as.WriteClientCert(w.dir, "app")
		if err != nil {
			t.Fatal(err)
		}
		w.sets(w.credentials(mtls...))
		w.diagnose().only(t, "configuration", doctor.Warned)
		chmod(t, key, 0o644)
		w.diagnose().only(t, "file modes", doctor.Failed, "OAUTH_CLIENT_KEY_PATH", "chmod go=")
	})
}

func TestDoctorLooksAtVault(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.configure(v.block, shared, server("s", nothing), server("g", `command = "true"`, v.grantInVault()))
	text := func() string { return v.run("doctor", "g").stdout }
	if said := text(); !strings.Contains(said, "✓ vault  ") || !strings.Contains(said, "✓ secrets  g") || !strings.Contains(said, "✓ token  g") {
		t.Errorf("all is right, and yet\n%s", said)
	}
	v.vault.Policy("bearerd", strings.Replace(allowed, "secret/data/mcp/*", "secret/data/other", 1))
	v.diagnose("g").only(t, "secrets", doctor.Failed, "OAUTH_CLIENT_SECRET", `path "secret/data/mcp/app"`, "policy")
	v.vault.Policy("bearerd", strings.Replace(allowed, "secret/data/bearerd/*", "secret/data/other", 1))
	v.diagnose("g").only(t, "vault", doctor.Failed, "secret/data/bearerd/grant/", "polic")
	v.vault.Seal()
	v.diagnose("g").only(t, "vault", doctor.Failed, "is sealed", "vault operator unseal")
	v.vault.Unseal()
	v.vault.Kill()
	v.diagnose("g").only(t, "vault", doctor.Failed, "cannot be reached", "address")
}
