package main

import (
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/engine"
)

func clientConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "client-config NAME",
		Short: "Print the snippet that an MCP client needs",
		Args:  oneName,
	}
	client := cmd.Flags().String("client", "default", "`name` of the client that the local key is for")
	stdio := cmd.Flags().Bool("stdio", false, "for a url server: bearerd exec, which needs no bearerd run")
	form := cmd.Flags().String("for", "", "`client` whose file it is for: claude-desktop, claude-code, cursor, vscode, …")
	helper := cmd.Flags().Bool("headers-helper", false, "for Claude Code and Codex: the key is printed by bearerd headers when it is needed")
	cmd.MarkFlagsMutuallyExclusive("stdio", "headers-helper")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w := &wish{name: args[0], client: *client, stdio: *stdio, helper: *helper}
		if err := w.meant(cmd, *form); err != nil {
			return usage{err}
		}
		cfg, err := load(cmd, false)
		if err != nil {
			return err
		}
		if err := admin.CheckClient(w.client); err != nil {
			return err
		}
		if w.server = cfg.Server(w.name); w.server == nil {
			return unknown(w.name, cfg)
		}
		if w.form != nil {
			return w.snippet(cmd, cfg)
		}
		l := started(cmd, cfg, w.server)
		entry := map[string]any{"command": l.Command, "args": l.Args}
		if w.server.URL != "" && !w.stdio {
			k, err := w.key(cmd)
			if err != nil {
				return err
			}
			entry = httpEntry(w.server, k)
		} else {
			noteState(cmd, cfg)
		}
		noteSignIn(cmd, w.server)
		return printJSON(cmd, map[string]any{"mcpServers": map[string]any{w.name: entry}})
	}
	return cmd
}

// wish is what a snippet is asked for.
type wish struct {
	name, client  string
	stdio, helper bool
	form          *clients.Format // nil: the form that most clients take
	server        *config.Server
}

// meant finds the form. Each client gets a local key of its own, unless another is named.
func (w *wish) meant(cmd *cobra.Command, form string) (err error) {
	if cmd.Flags().Changed("for") {
		if w.form, err = clients.Named(form); err != nil {
			return fmt.Errorf("--for: %w", err)
		}
		if !cmd.Flags().Changed("client") {
			w.client = w.form.Name
		}
	}
	if w.helper && (w.form == nil || w.form.Helper == "") {
		return errors.New("--headers-helper is of Claude Code and Codex alone: use it with --for claude-code or --for codex")
	}
	return nil
}

func (w *wish) key(cmd *cobra.Command) (k admin.Key, err error) {
	err = ask(cmd, "GET", serverPath(w.name, "key/"+w.client), nil, &k)
	return k, err
}

// snippet prints the one for a client, and on stderr where it goes and what else is needed. Where the client cannot reach the
// proxy, it is the one that starts exec.
func (w *wish) snippet(cmd *cobra.Command, cfg *config.Config) error {
	l, err := w.remote(cmd)
	if err != nil {
		return err
	}
	out, err := w.form.Snippet(l)
	if errors.Is(err, clients.ErrNeedsCommand) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "note: %v, which this is\n", err)
		l = clients.Launch{}
	}
	if l.URL == "" {
		l = started(cmd, cfg, w.server)
		out, err = w.form.Snippet(l)
		noteState(cmd, cfg)
	}
	if err != nil {
		return err
	}
	needs := "the client starts bearerd by itself"
	switch {
	case len(l.Headers) > 0:
		needs = "`bearerd run` must be running; keep it out of git, as its key opens this server on this host"
	case l.URL != "":
		needs = "`bearerd run` must be running; it holds no key"
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "This goes into %s; %s.\n", w.form.Where(runtime.GOOS), needs)
	noteSignIn(cmd, w.server)
	_, err = cmd.OutOrStdout().Write(out)
	return err
}

// remote is how a client reaches a url server at the proxy; without a URL where it is to start exec.
func (w *wish) remote(cmd *cobra.Command) (l clients.Launch, err error) {
	if w.helper && w.server.URL == "" {
		return l, fmt.Errorf("server %q is started by its client, which needs no headers: leave out --headers-helper", w.name)
	}
	if w.server.URL == "" || w.stdio {
		return l, nil
	}
	k, err := w.key(cmd)
	if err != nil {
		return l, err
	}
	l = clients.Launch{Server: w.name, URL: k.URL, SSE: admin.Transport(w.server) == "sse", Headers: localHeaders(w.server, k)}
	if path, ok := strings.CutPrefix(k.Address, "unix:"); ok {
		l.Socket = path
	}
	if w.helper && len(l.Headers) > 0 {
		l.Headers, l.Helper = nil, w.helperCommand(cmd)
	}
	return l, nil
}

// helperCommand is the line for a shell that prints the headers.
func (w *wish) helperCommand(cmd *cobra.Command) string {
	words := append(program(), "headers", w.name, "--client", w.client)
	if path := configNamed(cmd); path != "" {
		words = append(words, "-c", path)
	}
	for i, word := range words {
		words[i] = helperWord(word, runtime.GOOS)
	}
	return strings.Join(words, " ")
}

// helperWord quotes a word for the shell of a system: sh or, on Windows, cmd.exe, where no path holds a quote.
func helperWord(word, goos string) string {
	if goos != "windows" {
		return shellWord(word)
	}
	if strings.ContainsAny(word, " &()[]{}^=;!'+,`~") {
		return `"` + word + `"`
	}
	return word
}

// noteSignIn says so where a person must sign in first. The snippet is right all the same.
func noteSignIn(cmd *cobra.Command, s *config.Server) {
	var st admin.Status
	if s.OAuth == nil || !s.OAuth.Enabled || !s.OAuth.Delegated() ||
		ask(cmd, "GET", "/api/status?server="+url.QueryEscape(s.Name), nil, &st) != nil {
		return
	}
	for _, one := range st.Servers {
		if t := one.Token; t != nil && t.State == engine.NeedsReauth {
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "note: "+t.Error)
		}
	}
}

func httpEntry(s *config.Server, k admin.Key) map[string]any {
	entry := map[string]any{"type": admin.Transport(s), "url": k.URL}
	if path, ok := strings.CutPrefix(k.Address, "unix:"); ok {
		entry["socket"] = path
	} else if headers := localHeaders(s, k); headers != nil {
		entry["headers"] = headers
	}
	return entry
}

// localHeaders are what a client shows the proxy; nil: nothing, as the socket is what lets it in, or all may.
func localHeaders(s *config.Server, k admin.Key) map[string]string {
	if s.LocalAuth == "none" || strings.HasPrefix(k.Address, "unix:") {
		return nil
	}
	return map[string]string{"Authorization": "Bearer " + k.Key}
}
