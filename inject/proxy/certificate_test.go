package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// boundUpstream takes tokens that are bound to the certificate of the connection alone (RFC 8705 §3).
type boundUpstream struct {
	*httptest.Server
	refused atomic.Int64

	mu    sync.Mutex      // guards what follows
	certs map[string]int  // requests by certificate
	open  map[string]bool // connections by the address of the proxy's end
	of    map[string]string
}

func newBoundUpstream(t *testing.T, f *fixture, h2 bool) *boundUpstream {
	t.Helper()
	u := &boundUpstream{certs: map[string]int{}, open: map[string]bool{}, of: map[string]string{}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		cert := base64.RawURLEncoding.EncodeToString(sum[:])
		u.mu.Lock()
		u.certs[cert]++
		u.of[r.RemoteAddr] = cert
		u.mu.Unlock()
		if !f.as.Holds(r.TLS, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			u.refused.Add(1)
			w.Header().Set("WWW-Authenticate", bearer)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(time.Millisecond) // so that connections are in use when the certificate changes
		_, _ = io.WriteString(w, "ok")
	}))
	s.TLS, s.EnableHTTP2 = f.as.TLS(), h2
	s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.open[c.RemoteAddr().String()] = state != http.StateClosed && state != http.StateHijacked
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	u.Server = s
	return u
}

// connections counts those that are open, by certificate.
func (u *boundUpstream) connections() map[string]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := map[string]int{}
	for address, open := range u.open {
		if cert := u.of[address]; open && cert != "" {
			n[cert]++
		}
	}
	return n
}

func (u *boundUpstream) seen() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.certs)
}

// mutual is a server of the fixture that proves itself by a certificate in dir.
func (f *fixture) mutual(dir, url string) *config.Server {
	f.t.Helper()
	f.as.Register(oauthtest.Client{ID: clientID, Methods: []string{oauthtest.MTLS}, CertSubject: clientID})
	cert, key, err := f.as.WriteClientCert(dir, clientID)
	if err != nil {
		f.t.Fatal(err)
	}
	f.ca = secrets.Ref{Kind: secrets.File, Name: filepath.Join(dir, "ca.pem")}
	if err := f.as.WriteCA(f.ca.Name); err != nil {
		f.t.Fatal(err)
	}
	s := f.server("search", url)
	s.OAuth.ClientSecret, s.OAuth.UseMTLS, s.OAuth.CABundlePath = secrets.Ref{}, true, f.ca
	s.OAuth.ClientCertPath = secrets.Ref{Kind: secrets.File, Name: cert}
	s.OAuth.ClientKeyPath = secrets.Ref{Kind: secrets.File, Name: key}
	return s
}

// eventually waits for what must come about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patient, what)
		}
	}
}

// TestCertificateIsReplacedUnderLoad: a new token for the new certificate, no failure between, and no token on a connection
// of the other certificate.
func TestCertificateIsReplacedUnderLoad(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		f, dir := withServer(t, oauthtest.New), t.TempDir()
		u := newBoundUpstream(t, f, h2)
		f.serve(f.mutual(dir, u.URL))
		f.engine.KeepFresh()
		var failed, sent atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if a := f.post("search"); a.StatusCode != 200 {
						failed.Add(1)
						t.Errorf("%d %s", a.StatusCode, a.body)
					}
					sent.Add(1)
				}
			})
		}
		const rotations = 4
		for i := range rotations + 1 {
			before := sent.Load()
			eventually(t, "50 more requests", func() bool { return sent.Load() > before+50 && u.seen() == i+1 })
			if i == rotations {
				break
			}
			if _, _, err := f.as.WriteClientCert(dir, clientID); err != nil {
				t.Fatal(err)
			}
			f.engine.Mended()
		}
		close(stop)
		wg.Wait()
		if failed.Load() > 0 || u.refused.Load() > 0 {
			t.Errorf("HTTP/2 %v: %d of %d requests failed; %d were refused", h2, failed.Load(), sent.Load(), u.refused.Load())
		}
		if n := f.tokenRequests(); n != rotations+1 {
			t.Errorf("HTTP/2 %v: %d token requests for %d certificates", h2, n, rotations+1)
		}
		if !h2 {
			eventually(t, "connections with one certificate alone", func() bool { return len(u.connections()) == 1 })
		}
	}
}

// TestCertificateOfTheBridgeIsReplaced is the same for Upstream, which nobody but the engine tells.
func TestCertificateOfTheBridgeIsReplaced(t *testing.T) {
	f, dir := withServer(t, oauthtest.New), t.TempDir()
	u := newBoundUpstream(t, f, false)
	s := f.mutual(dir, u.URL)
	cfg := *f.cfg
	cfg.Servers = []*config.Server{s}
	plan := f.engine.Prepare(&cfg)
	up := must(NewUpstream(s, plan.Source("search"), f.resolve, f.proxy.log))(t)
	t.Cleanup(up.Close)
	plan.Commit()
	f.engine.Follow()
	send := func() int {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, u.URL, strings.NewReader(call)))(t)
		resp := must(up.RoundTrip(r))(t)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for range 3 {
		if status := send(); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	if _, _, err := f.as.WriteClientCert(dir, clientID); err != nil {
		t.Fatal(err)
	}
	f.engine.Mended()
	eventually(t, "a request with the new certificate", func() bool {
		if status := send(); status != 200 {
			t.Fatalf("status %d", status)
		}
		return u.seen() == 2
	})
	eventually(t, "connections with one certificate alone", func() bool { return len(u.connections()) == 1 })
	if u.refused.Load() > 0 || f.tokenRequests() != 2 {
		t.Errorf("%d refused, %d token requests", u.refused.Load(), f.tokenRequests())
	}
}
