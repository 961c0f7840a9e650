package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
	"bearerd/engine"
	"bearerd/secrets/sealed"
)

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after the sealed store"}
	cmd.AddCommand(&cobra.Command{
		Use:   "rekey",
		Short: "Encrypt every record anew, to a new identity or to the first of the configured ones",
		Args:  cobra.NoArgs,
		RunE:  rekey,
	}, &cobra.Command{
		Use:   "adopt",
		Short: "Let the grants of a moved or restored state folder be renewed from where it is now",
		Long: "Let the grants of a moved or restored state folder be renewed from where it is now.\n\n" +
			"Only if the folder that it was copied from is not used any more, on no machine: a refresh token that both\n" +
			"spend is revoked, and each of these servers then needs a new one.",
		Args: cobra.NoArgs,
		RunE: adopt,
	})
	return cmd
}

func rekey(cmd *cobra.Command, _ []string) error {
	store, err := openStore(cmd, "store rekey")
	if err != nil {
		return err
	}
	n, err := store.Rekey(cmd.Context())
	if err != nil {
		return fmt.Errorf("re-encrypting the records: %w", err)
	}
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%d records are encrypted anew\n", n)
	return nil
}

// adopt works beside a daemon: it changes records as every process does, and the daemon reads them before each renewal.
func adopt(cmd *cobra.Command, _ []string) error {
	store, err := openStore(cmd, "store adopt")
	if err != nil {
		return err
	}
	adopted, err := engine.Adopt(cmd.Context(), store, store.Place())
	for _, name := range adopted {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), name)
	}
	if err != nil {
		return err
	}
	said := "nothing to adopt: no grant belongs to another state folder"
	if len(adopted) > 0 {
		said = "These grants are renewed from here now. Do not use the folder that they come from any more: a refresh token that " +
			"both spend is revoked.\nA running bearerd goes on with them at its next try, or at once with `bearerd refresh NAME`."
	}
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), said)
	return nil
}

// openStore opens the store for what a command is about to do to it.
func openStore(cmd *cobra.Command, action string) (*sealed.Store, error) {
	cfg, err := load(cmd, false)
	if err != nil {
		return nil, err
	}
	store, err := app.OpenStore(cmd.Context(), cfg, newLog(os.Stderr, cfg.Log))
	if err != nil {
		return nil, err
	}
	return store, app.Recorded(cfg, action)
}
