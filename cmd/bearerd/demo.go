package main

import (
	"github.com/spf13/cobra"
	"os"

	"bearerd/cmd/internal/demo"
	"bearerd/config"
)

func demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job in one process, with nothing to install or configure",
		Args:  cobra.NoArgs,
	}
	once := cmd.Flags().Bool("once", false, "end after the tool calls")
	verbose := cmd.Flags().Bool("verbose", false, "show the log of the daemon")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		level := "warn"
		if *verbose {
			level = "info"
		}
		log := newLog(os.Stderr, config.Log{Level: level, Format: "auto"})
		return demo.Run(cmd.Context(), cmd.OutOrStdout(), log, version(), *once)
	}
	return cmd
}
