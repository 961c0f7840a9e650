package app

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// Files may be renewed at any time, also while a process is started with a proxy, or with other settings of it.
func TestFilesAreRenewedWhileAProcessStarts(t *testing.T) {
	a := &App{Log: slog.New(slog.DiscardHandler), resolve: &secrets.Resolver{}}
	a.config.Store(&config.Config{Proxy: config.DefaultProxy()})
	c := &child{app: a, name: "s", look: make(chan struct{}, 1)}
	defer c.close()
	var renewals sync.WaitGroup
	defer renewals.Wait()
	for _, path := range []string{"/one", "/two"} {
		renewals.Go(func() { c.renewed(t.Context(), []string{"ca.pem"}) })
		s := &config.Server{Name: "s", Command: "npx", Args: []string{"mcp-remote", "https://mcp.example.com" + path}}
		if _, _, err := c.openProxy(t.Context(), s, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// The proxy that exec opens keeps to the limits of the configuration, and to nothing else of its proxy block.
func TestExecKeepsToTheLimits(t *testing.T) {
	a := &App{Log: slog.New(slog.DiscardHandler), resolve: &secrets.Resolver{}}
	cfg := &config.Config{Proxy: config.DefaultProxy()}
	cfg.Proxy.MaxBodyBytes, cfg.Proxy.ReplayBytes = 4096, 4096
	cfg.Proxy.Listen, cfg.Proxy.Local = "unix:/nonexistent/s", config.Local{LocalAuth: "none", SocketMode: "0666"}
	a.config.Store(cfg)
	c := &child{app: a, name: "s"}
	defer c.close()
	s := &config.Server{Name: "s", Command: "npx", Args: []string{"mcp-remote", "http://127.0.0.1:1/mcp"}}
	url, key, err := c.openProxy(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		size   int
		key    string
		status int
	}{{4096, key.Reveal(), 502}, {4097, key.Reveal(), 413}, {1, "brd_exec.wrong", 403}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(strings.Repeat("x", tt.size)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tt.key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%d bytes: %d, want %d", tt.size, resp.StatusCode, tt.status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
