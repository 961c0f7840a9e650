package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/secrets"
)

func secretCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secret", Short: "Keep values for secret(\"NAME\") references in the store"}
	set := &cobra.Command{
		Use:   "set NAME",
		Short: "Keep a value, read from a prompt or from stdin, never from the arguments",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := readSecret(cmd, args[0])
			if err != nil {
				return err
			}
			if err := ask(cmd, "PUT", "/api/secrets/"+url.PathEscape(args[0]), value, nil); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "kept; refer to it as secret(%q)\n", args[0])
			return nil
		},
	}
	list := &cobra.Command{Use: "list", Short: "List the names, not the values", Args: cobra.NoArgs}
	asJSON := list.Flags().Bool("json", false, "print them as JSON")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		if err := ask(cmd, "GET", "/api/secrets", nil, &names); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd, names)
		}
		for _, n := range names {
			_, _ = fmt.Fprintln(cmd.OutOrStdout(), n)
		}
		return nil
	}
	rm := &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a value",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd, "DELETE", "/api/secrets/"+url.PathEscape(args[0]), nil, nil)
		},
	}
	cmd.AddCommand(set, list, rm)
	return cmd
}

// readSecret reads a value without showing it. One trailing line end is cut: echo and editors add it.
func readSecret(cmd *cobra.Command, name string) ([]byte, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Value of %s (not shown): ", name)
		value, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
		return value, err
	}
	value, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), secrets.MaxValue+2))
	if err != nil {
		return nil, err
	}
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	if len(value) == 0 {
		return nil, errors.New("no value on stdin")
	}
	return value, nil
}
