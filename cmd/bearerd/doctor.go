package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [NAME]",
		Short: "Look at everything a server needs, step by step, and say what is wrong and what to do",
		Args:  cobra.MaximumNArgs(1),
	}
	cmd.Flags().Bool("json", false, "print the steps as JSON")
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("not yet") }
	return cmd
}
