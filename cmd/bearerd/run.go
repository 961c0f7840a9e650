package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/cmd/internal/app"
	"bearerd/config"
)

func runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve every url server, keep all tokens fresh, answer the other commands",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := configPath(cmd)
			if err != nil {
				return err
			}
			early := newLog(os.Stderr, config.Log{Level: "info", Format: "auto"}) // until the configuration says otherwise
			watcher := config.NewWatcher(path, early)
			cfg, diagnostics := watcher.Load(cmd.Context())
			if diagnostics.HasErrors() {
				_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
				return exitCode(exitError)
			}
			log, level := newLiveLog(os.Stderr, cfg.Log)
			if _, asJSON := log.Handler().(*slog.JSONHandler); asJSON {
				diagnostics.Log(cmd.Context(), log)
			} else {
				_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
			}
			service := app.Service{Watcher: watcher, Level: level}
			if !hangupStops() {
				hangup := make(chan os.Signal, 1)
				signal.Notify(hangup, syscall.SIGHUP)
				defer signal.Stop(hangup)
				service.Hangup = hangup
			}
			return app.Daemon(cmd.Context(), cfg, service, log, version())
		},
	}
}

// hangupStops reports whether SIGHUP says that the terminal is gone. A service is told by it to reload.
func hangupStops() bool { return term.IsTerminal(int(os.Stderr.Fd())) }
