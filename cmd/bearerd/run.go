package main

import (
	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
)

func runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve every url server, keep all tokens fresh, answer the other commands",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd, true)
			if err != nil {
				return err
			}
			return app.Daemon(cmd.Context(), cfg, newLog(cfg.Log), version(), nil)
		},
	}
}
