package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Take the servers of an MCP client's file, or of another gateway's, over into the configuration",
		Args:  cobra.MinimumNArgs(1),
	}
	cmd.Flags().String("format", "", "`name` of the client that the files are of, where that is not found out")
	cmd.Flags().String("to", "", "`file` to add the servers to (default the configuration, or imported.hcl in its folder)")
	cmd.Flags().Bool("write", false, "rewrite the client's file too, to use bearerd; the one before is kept beside it")
	cmd.Flags().Bool("dry-run", false, "print what would be added; keep no secret and change no file")
	cmd.Flags().Bool("json", false, "print what was done as JSON")
	cmd.RunE = func(*cobra.Command, []string) error { return errors.New("not yet") }
	return cmd
}
