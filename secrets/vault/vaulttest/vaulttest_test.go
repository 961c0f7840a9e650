package vaulttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const record = "secret/data/test"

func value(n int) map[string]any { return map[string]any{"data": map[string]any{"n": n}} }

// version returns the newest version of the record.
func version(s *Server) float64 {
	s.t.Helper()
	data, _ := s.Do("GET", record, nil)["data"].(map[string]any)
	metadata, _ := data["metadata"].(map[string]any)
	v, _ := metadata["version"].(float64)
	return v
}

func TestServer(t *testing.T) {
	s := Start(t)
	s.Do("POST", record, value(1))
	s.Do("POST", "kv1/test", map[string]any{"n": 1})

	s.Seal()
	if _, err := s.DoErr("GET", record, nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("sealed, Vault answers with %v", err)
	}
	s.Unseal()
	s.Do("POST", record, value(2))

	s.Kill()
	if _, err := s.DoErr("GET", record, nil); err == nil {
		t.Error("Vault answers after Kill")
	}
	s.Restart()
	if v := version(s); v != 2 {
		t.Errorf("after Kill and Restart the record has version %v", v)
	}
	s.Restart()
	if v := version(s); v != 2 {
		t.Errorf("after Restart the record has version %v", v)
	}
}

func TestTokenHasItsPolicies(t *testing.T) {
	s := Start(t)
	s.Policy("reader", `path "secret/data/test" { capabilities = ["read"] }`)
	s.Do("POST", record, value(1))
	root := s.RootToken
	s.RootToken = s.Token("1m", "reader")
	s.Do("GET", record, nil)
	if _, err := s.DoErr("POST", record, value(2)); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a reader that writes is answered with %v", err)
	}
	s.RootToken = root
}

func TestTLS(t *testing.T) {
	s := Start(t)
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	asked := false
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
	}}
	resp, err := (&http.Client{Transport: transport}).Get(s.TLSAddr + "/v1/sys/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !asked {
		t.Errorf("status %d, a client certificate was asked for: %t", resp.StatusCode, asked)
	}
}

func TestShortLeavesVaultOut(t *testing.T) {
	was := testing.Short()
	if err := flag.Set("test.short", "true"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("test.short", strconv.FormatBool(was)) }()
	skipped := false
	t.Run("", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Start(t)
	})
	if !skipped {
		t.Error("Start starts a Vault with -short")
	}
}

// write writes the record through the tap, and returns no error when Vault accepted it.
func write(ctx context.Context, s *Server, p *Tap, content string) error {
	req, err := http.NewRequestWithContext(ctx, "PUT", p.Addr+"/v1/"+record, bytes.NewReader([]byte(content)))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", s.RootToken)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func TestTap(t *testing.T) {
	s := Start(t)
	p := Front(t, s)
	const content = `{"data":{"n":1}}`
	put := func(r *http.Request) bool { return r.Method == "PUT" }
	expect := func(what string, err error, cut bool, v float64) {
		t.Helper()
		if (err != nil) != cut || version(s) != v {
			t.Errorf("%s: %v, and the record has version %v, not %v", what, err, version(s), v)
		}
	}
	expect("passed on", write(t.Context(), s, p, content), false, 1)

	p.DropAnswers(put, 1)
	expect("answer dropped", write(t.Context(), s, p, content), true, 2)
	expect("once only", write(t.Context(), s, p, content), false, 3)
	if p.Dropped() != 1 {
		t.Errorf("%d answers were dropped", p.Dropped())
	}

	p.Refuse(true)
	expect("refused", write(t.Context(), s, p, content), true, 3)
	p.Refuse(false)

	p.Delay(300 * time.Millisecond)
	start := time.Now()
	expect("delayed", write(t.Context(), s, p, content), false, 4)
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("the delayed request took %s", took)
	}
	p.Delay(0)

	if n := p.Count("PUT", "/v1/secret/"); n != 4 {
		t.Errorf("%d writes were counted: %v", n, p.Counts())
	}
}

func TestTapHangs(t *testing.T) {
	s := Start(t)
	p := Front(t, s)
	p.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := write(ctx, s, p, `{"data":{"n":1}}`); err == nil {
		t.Error("a hanging request was answered")
	}
	if _, err := s.DoErr("GET", record, nil); err == nil {
		t.Error("a hanging request reached Vault")
	}
	p.Hang(false)
	for range 500 { // it reaches Vault, although its client has left
		if _, err := s.DoErr("GET", record, nil); err == nil {
			return
		}
	}
	t.Error("the request that hung never reached Vault")
}
