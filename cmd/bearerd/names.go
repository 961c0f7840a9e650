package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/config"
)

// unknown is the error for a server name that the configuration does not have.
func unknown(name string, cfg *config.Config) error {
	var names []string
	for _, s := range cfg.Servers {
		names = append(names, s.Name)
	}
	return fmt.Errorf("server %q is not in the configuration, which has %s", name, strings.Join(names, ", "))
}

// oneName wants exactly the NAME of the command's usage line.
func oneName(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("a NAME is missing: %s", cmd.UseLine())
	case 1:
		return nil
	}
	return fmt.Errorf("one NAME is wanted, %d words were given: %s", len(args), cmd.UseLine())
}
