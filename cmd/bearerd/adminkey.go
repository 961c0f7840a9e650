package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
)

func adminKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin-key",
		Short: "Print the key of the REST API and the page",
		Args:  cobra.NoArgs,
	}
	renew := cmd.Flags().Bool("new", false, "make another key; a running bearerd takes it at its next start")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load(cmd, false)
		if err != nil {
			return err
		}
		key, err := app.AdminKey(cmd.Context(), cfg, *renew)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), key.Reveal())
		if cfg.Admin.Listen == "" {
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "note: the configuration has no admin block, so nothing listens for it: write admin {}")
		}
		if *renew {
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "note: a running bearerd knows the key before, until it is restarted")
		}
		return nil
	}
	return cmd
}
