package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Ask a few questions and write a first configuration",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("not yet") }
	return cmd
}
