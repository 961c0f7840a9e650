package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
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
	cmd.Flags().String("for", "", "`client` whose file it is for: claude-desktop, claude-code, cursor, vscode, …")
	cmd.Flags().Bool("headers-helper", false, "for Claude Code: the key is printed by `bearerd headers` when it is needed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd, false)
		if err != nil {
			return err
		}
		if err := admin.CheckClient(*client); err != nil {
			return err
		}
		entry := map[string]any{"command": program(), "args": execArgs(cmd, args[0])}
		if s := cfg.Server(args[0]); s != nil && s.URL != "" && !*stdio {
			var k admin.Key
			if err := ask(cmd, "GET", serverPath(args[0], "key/"+*client), nil, &k); err != nil {
				return err
			}
			entry = httpEntry(s, k)
		} else if s == nil {
			return unknown(args[0], cfg)
		}
		noteSignIn(cmd, cfg.Server(args[0]))
		return printJSON(cmd, map[string]any{"mcpServers": map[string]any{args[0]: entry}})
	}
	return cmd
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
	if strings.HasPrefix(k.Address, "unix:") {
		entry["socket"] = strings.TrimPrefix(k.Address, "unix:")
	} else if s.LocalAuth != "none" {
		entry["headers"] = map[string]string{"Authorization": "Bearer " + k.Key}
	}
	return entry
}

// program is how a client starts this program: by name if that finds it, else by path.
func program() string {
	self, err := os.Executable()
	if err != nil {
		return "bearerd"
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if found, err := filepath.EvalSymlinks(filepath.Join(dir, "bearerd")); err == nil && found == self {
			return "bearerd"
		}
	}
	return self
}

// execArgs carries over a -c that was given: the client's own working directory and environment are other ones.
func execArgs(cmd *cobra.Command, name string) []string {
	path, _ := cmd.Flags().GetString("config")
	if abs, err := filepath.Abs(path); path != "" && err == nil {
		return []string{"exec", "-c", abs, name}
	}
	return []string{"exec", name}
}
