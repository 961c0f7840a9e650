package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/app"
	"bearerd/config"
)

// caller sends commands to the daemon of the configured state folder or, where none answers, to the same handler in
// this process.
type caller struct {
	transport http.RoundTripper
	close     func()
	digest    string // of the configuration that this command has read
	alone     string // the state folder, where no daemon answers; else ""
	onlyNew   bool   // a PUT writes over nothing that is there
	note      io.Writer
}

// dial finds out who answers.
func dial(cmd *cobra.Command) (*caller, error) {
	path, err := configPath(cmd)
	if err != nil {
		return nil, err
	}
	cfg, diagnostics := config.Load(path)
	if diagnostics.HasErrors() {
		if c := daemonAt(cmd, config.StatePath(path)); c != nil {
			_, _ = fmt.Fprintln(c.note, "note: the configuration here is broken; the daemon goes on with the one before (`bearerd check` says more)")
			return c, nil
		}
		_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
		return nil, exitCode(exitError)
	}
	return reach(cmd, cfg)
}

// reach is whoever answers for a configuration.
func reach(cmd *cobra.Command, cfg *config.Config) (*caller, error) {
	if c := daemonAt(cmd, cfg.Store.Path); c != nil {
		c.digest = cfg.Digest()
		return c, nil
	}
	// A command's own output says what happened; the log would only repeat it.
	quiet := cfg.Log
	quiet.Level = "warn"
	if cfg.Log.Level == "debug" {
		quiet = cfg.Log
	}
	c, err := inProcess(cmd.Context(), cfg, newLog(os.Stderr, quiet))
	if err == nil {
		c.alone = cfg.Store.Path
	}
	return c, err
}

// daemonAt is the daemon of a state folder; nil: none answers.
func daemonAt(cmd *cobra.Command, state string) *caller {
	socket := app.Socket(state)
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket)
	}
	c, err := connect(cmd.Context(), "", "")
	if state == "" || err != nil {
		return nil
	}
	_ = c.Close()
	t := &http.Transport{DialContext: connect}
	return &caller{transport: t, close: t.CloseIdleConnections, note: cmd.ErrOrStderr()}
}

func inProcess(ctx context.Context, cfg *config.Config, log *slog.Logger) (*caller, error) {
	a, err := app.Open(ctx, cfg, log, version())
	if err != nil {
		return nil, err
	}
	return &caller{transport: handler{a.Handler()}, close: a.Close}, nil
}

// handler is a RoundTripper that asks an http.Handler instead of the network.
type handler struct{ http.Handler }

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body)}, nil
}

// answer collects what a handler writes.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// call asks for path and decodes the answer into out, unless that is nil.
func (c *caller) call(ctx context.Context, method, path string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://bearerd"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.onlyNew && method == http.MethodPut {
		r.Header.Set("If-None-Match", "*")
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return fmt.Errorf("asking the daemon: %w: if it was stopped or restarted just now, run the command again", err)
	}
	defer resp.Body.Close()
	reloads := path == "/api/reload" || strings.HasPrefix(path, "/api/plan")
	if !reloads && c.digest != "" {
		if resp.Header.Get(admin.ConfigHeader) != c.digest {
			_, _ = fmt.Fprintln(c.note, "note: the configuration here is not the one in force; `bearerd reload` says why, or puts it in force")
		}
		c.digest = "" // what this command has read may be outdated when it asks again
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		var p admin.Problem
		if json.Unmarshal(answer, &p) == nil && p.Error != "" {
			return &problem{p, resp.StatusCode}
		}
		return fmt.Errorf("the daemon answered %s: is it of another version? run `bearerd version` and `bearerd status`", resp.Status)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// problem is an error that the daemon has told.
type problem struct {
	admin.Problem
	status int // of HTTP
}

func (p *problem) Error() string { return p.Problem.Error }

// ask is call for a command that makes one request.
func ask(cmd *cobra.Command, method, path string, body []byte, out any) error {
	c, err := dial(cmd)
	if err != nil {
		return err
	}
	defer c.close()
	return c.call(cmd.Context(), method, path, body, out)
}

// printJSON writes a result for programs.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
