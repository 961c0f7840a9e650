// Package demo shows the main job in one process with nothing to install: an authorization server, an MCP server that
// refuses requests without a valid token, a configuration in a temporary folder, and the real daemon between them.
// It is for people to look at; nothing else uses it.
package demo

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"bearerd/cmd/internal/app"
	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/inject/proxy"
)

const (
	lifetime     = 4 * time.Second // of a token, short enough to watch it expire
	clientID     = "demo-client"
	clientSecret = "demo-secret" // a demonstration's: it opens nothing
)

// Run makes a tool call through the proxy, lets the token expire and makes another. With once it ends then, otherwise
// it serves until ctx ends.
func Run(ctx context.Context, out io.Writer, log *slog.Logger, version string, once bool) (err error) {
	dir, err := os.MkdirTemp("", "bearerd-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	as, err := oauthtest.New()
	if err != nil {
		return fmt.Errorf("starting the authorization server: %w", err)
	}
	defer as.Close()
	as.Register(oauthtest.Client{ID: clientID, Secret: clientSecret})
	as.SetLifetime(lifetime)
	mcp, err := startServer(as)
	if err != nil {
		return fmt.Errorf("starting the MCP server: %w", err)
	}
	defer mcp.close()
	path, err := configure(dir, as, mcp)
	if err != nil {
		return err
	}
	watcher := config.NewWatcher(path, log)
	cfg, diagnostics := watcher.Load(ctx)
	if diagnostics.HasErrors() {
		return diagnostics
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	service := app.Service{Watcher: watcher, Level: new(slog.LevelVar), Ready: func() { close(ready) }}
	go func() { ended <- app.Daemon(ctx, cfg, service, log, version) }()
	defer func() {
		stop()
		<-ended
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		return err
	}
	if err := show(ctx, out, cfg, path, mcp, once); err != nil || once {
		return err
	}
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out, "\nStopped; the folder is removed.")
		return nil
	case err := <-ended:
		ended <- err
		return err
	}
}

const configuration = `# Written by "bearerd demo". Edit it, then see what "bearerd check" says.

store "file" { path = "state" }

proxy { listen = %q }

server "demo" {
  url = %q
  oauth_config {
    enabled              = true
    OAUTH_VERSION        = "2.1"
    OAUTH_GRANT_TYPE     = "client_credentials"
    OAUTH_CLIENT_ID      = %q
    OAUTH_CLIENT_SECRET  = file("client-secret")
    OAUTH_TOKEN_URL      = %q
    OAUTH_CA_BUNDLE_PATH = "ca.pem"
    OAUTH_SCOPE          = "tools"
  }
}
`

// configure writes the configuration.
func configure(dir string, as *oauthtest.Server, mcp *server) (path string, err error) {
	listen, err := freeAddress()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "bearerd.hcl")
	text := fmt.Sprintf(configuration, listen, mcp.url, clientID, as.TokenURL())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "client-secret"), []byte(clientSecret+"\n"), 0o600); err != nil {
		return "", err
	}
	if err := as.WriteCA(filepath.Join(dir, "ca.pem")); err != nil {
		return "", err
	}
	return path, nil
}

// freeAddress finds a port that is free now, so that a second demo, or a bearerd that runs already, is not disturbed.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func show(ctx context.Context, out io.Writer, cfg *config.Config, path string, mcp *server, once bool) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	_, url := proxy.Local(cfg, cfg.Server("demo"))
	key, err := localKey(ctx, cfg)
	if err != nil {
		return err
	}
	say("Running: an authorization server, an MCP server that wants its tokens, and bearerd in front of it.\n")
	if err := refuses(ctx, mcp.url); err != nil {
		return err
	}
	say("1. Asked directly, without a token, the MCP server answers 401.")
	first, err := newClient(url, key).whoami(ctx)
	if err != nil {
		return fmt.Errorf("the tool call through the proxy: %w", err)
	}
	say("2. Asked through bearerd, its tool whoami answers: %s", first)
	expiry := mcp.lastExpiry()
	say("3. That token lives %s. Waiting until it has expired …", lifetime)
	select {
	case <-time.After(time.Until(expiry) + 100*time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	second, err := newClient(url, key).whoami(ctx)
	if err != nil {
		return fmt.Errorf("the tool call after the renewal: %w", err)
	}
	if first == second {
		return fmt.Errorf("the token was not renewed: %s", second)
	}
	say("4. Asked again, it answers: %s", second)
	say("   bearerd had renewed the token before it expired. The client knew nothing of it.")
	if once {
		return nil // nothing is left to try by hand
	}
	say("\nTry it by hand; the configuration is %s", path)
	say("  curl -s %s -H 'Authorization: Bearer %s' \\\n    -H 'Content-Type: application/json' -H 'Accept: application/json, "+
		"text/event-stream' \\\n    -d '%s'", url, key, whoamiCall)
	say("  %s -c %s status", self(), path)
	return nil
}

func self() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return "bearerd"
}
