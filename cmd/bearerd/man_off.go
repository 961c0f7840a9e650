//go:build !man

package main

import "github.com/spf13/cobra"

var manCommands []*cobra.Command
