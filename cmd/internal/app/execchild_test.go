package app

import (
	"fmt"
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
		c.settling.Lock()
		_, _, err := c.openProxy(t.Context(), s, nil)
		c.settling.Unlock()
		if err != nil {
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

// Each URL has a proxy of its own, and there are not more and more of them.
func TestEachURLHasItsOwnProxy(t *testing.T) {
	a := &App{Log: slog.New(slog.DiscardHandler), resolve: &secrets.Resolver{}}
	a.config.Store(&config.Config{Proxy: config.DefaultProxy()})
	c := &child{app: a, name: "s"}
	defer c.close()
	open := func(n int) (url string) {
		s := &config.Server{Name: "s", Command: "npx", Args: []string{"mcp-remote", fmt.Sprintf("http://127.0.0.1:1/%d", n)}}
		url, _, err := c.openProxy(t.Context(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := func(url string) bool {
		resp, err := client.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return true
	}
	urls := []string{open(0), open(1)}
	if again := open(0); again != urls[0] {
		t.Errorf("the same URL is served at %s and %s", urls[0], again)
	}
	for n := 2; n <= mostProxies; n++ {
		urls = append(urls, open(n))
	}
	for n, url := range urls {
		if old := n == 1; answers(url) == old {
			t.Errorf("%s, number %d: served: %t", url, n, !old)
		}
	}
	if len(c.proxies) != mostProxies {
		t.Errorf("there are %d", len(c.proxies))
	}
}
