package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
	"bearerd/config"
)

func execCommand(umask int) *cobra.Command {
	return &cobra.Command{
		Use:   "exec NAME",
		Short: "Serve one server to an MCP client over stdio, with its token",
		Long: "exec starts the server's command with its token and stands between it and the client: when the token nears its end, or\n" +
			"when the command crashes, another process takes over and the session goes on, as on_rotate and restart say. A url\n" +
			"server is reached over HTTP. docs/delivery.md has the whole of it.\n" +
			"An MCP client runs it in place of the server: bearerd exec NAME",
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := configPath(cmd)
			if err != nil {
				return err
			}
			cfg, diagnostics := config.LoadServer(path, args[0])
			if cfg == nil {
				_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
				return exitCode(exitError)
			}
			stderr := newLossy(os.Stderr)
			defer stderr.Close()
			code, err := app.Exec(cmd.Context(), cfg, path, args[0], stderr, newLog(stderr, cfg.Log), version(), umask)
			if err != nil {
				_, _ = fmt.Fprintf(stderr, "bearerd: %v\n", err)
				return exitCode(exitError)
			}
			if code != 0 {
				return exitCode(code)
			}
			return nil
		},
	}
}
