//go:build man

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommands writes the manual pages. Only a build for that has it: its library is not needed otherwise.
var manCommands = []*cobra.Command{{
	Use:    "man DIR",
	Short:  "Write the manual pages into a folder",
	Hidden: true,
	Args:   cobra.ExactArgs(1),
	RunE: func(cmd *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		root := cmd.Root()
		root.DisableAutoGenTag = true
		header := &doc.GenManHeader{Section: "1", Source: "bearerd " + version(), Manual: "bearerd"}
		if epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
			date := time.Unix(epoch, 0).UTC() // the library's own would be in the time zone of the machine
			header.Date = &date
		}
		return doc.GenManTree(root, header, args[0])
	},
}}
