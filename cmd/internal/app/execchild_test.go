package app

import (
	"log/slog"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// Files may be renewed at any time, also while a process is started with a proxy, or with other settings of it.
func TestFilesAreRenewedWhileAProcessStarts(t *testing.T) {
	a := &App{Log: slog.New(slog.DiscardHandler), resolve: &secrets.Resolver{}}
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
