package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
)

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after the sealed store"}
	cmd.AddCommand(&cobra.Command{
		Use:   "rekey",
		Short: "Encrypt every record anew, to a new identity or to the first of the configured ones",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd, false)
			if err != nil {
				return err
			}
			store, err := app.OpenStore(cmd.Context(), cfg, newLog(cfg.Log))
			if err != nil {
				return err
			}
			n, err := store.Rekey(cmd.Context())
			if err != nil {
				return fmt.Errorf("re-encrypting the records: %w", err)
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d records are encrypted anew\n", n)
			return nil
		},
	})
	return cmd
}
