package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// startConnectProxy is a forward proxy that knows one host, whose name nobody else can resolve. It tells what it was asked for.
func startConnectProxy(t *testing.T, host, target string) (url string, asked <-chan string) {
	t.Helper()
	seen := make(chan string, 10)
	var tunnels sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Method + " " + r.Host + " " + r.Header.Get("Authorization")
		up, err := net.Dial("tcp", target)
		if r.Method != http.MethodConnect || r.Host != host || err != nil {
			http.Error(w, "not here", http.StatusForbidden)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		for _, pair := range [][2]net.Conn{{up, down}, {down, up}} {
			tunnels.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
			})
		}
	}))
	t.Cleanup(func() {
		s.Close()
		tunnels.Wait()
	})
	return s.URL, seen
}

// HTTPS_PROXY leads to upstream, and sees no token.
func TestProxyThroughAForwardProxy(t *testing.T) {
	t.Parallel()
	const name = "mcp.example.test"
	dir := t.TempDir()
	ca := issue(t, dir+"/ca.pem", dir+"/ca.key", nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "a private CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	issue(t, dir+"/server.pem", dir+"/server.key", ca, &x509.Certificate{
		DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	pair, err := tls.LoadX509KeyPair(dir+"/server.pem", dir+"/server.key")
	if err != nil {
		t.Fatal(err)
	}
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != name || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			http.Error(w, "not for here", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{}}`)
	}))
	up.TLS, up.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{pair}}, true
	up.StartTLS()
	address, asked := startConnectProxy(t, name+":443", up.Listener.Addr().String())
	h := newHome(t, "HTTPS_PROXY="+address)
	t.Cleanup(up.Close) // after the daemon, which keeps a connection
	_, grant := h.authServer()
	bundle, err := os.ReadFile(h.path("ca.pem"))
	private, perr := os.ReadFile(dir + "/ca.pem")
	if err != nil || perr != nil {
		t.Fatal(err, perr)
	}
	h.write("ca.pem", string(bundle)+string(private))
	h.configure(server("web", attribute("url", "https://"+name+"/mcp"), grant))
	d := h.daemon()
	if status, _, message := call(t, h.clientConfig("web", modernWire)); status != http.StatusOK || message != "" {
		t.Errorf("%d %s", status, message)
	}
	if got := <-asked; got != "CONNECT "+name+":443 " {
		t.Errorf("the forward proxy was asked for %q", got)
	}
	d.stop()
}
