package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func headersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "headers NAME",
		Short: "Print what a client shows the proxy for a url server, as a JSON object of headers",
		Args:  oneName,
	}
	cmd.Flags().String("client", "default", "`name` of the client that the local key is for")
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("not yet") }
	return cmd
}
