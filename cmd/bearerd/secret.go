package main

import (
	"bytes"
	"context"
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
			if err := ask(cmd, "PUT", secretPath(args[0]), value, nil); err != nil {
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
			if err := ask(cmd, "DELETE", secretPath(args[0]), nil, nil); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "removed %s\n", args[0])
			return nil
		},
	}
	cmd.AddCommand(set, list, rm)
	return cmd
}

func secretPath(name string) string { return "/api/secrets/" + url.PathEscape(name) }

// readSecret reads a value without showing it. One trailing line end is cut: echo and editors add it.
func readSecret(cmd *cobra.Command, name string) ([]byte, error) {
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Value of %s (not shown): ", name)
		defer func() { _, _ = fmt.Fprintln(cmd.ErrOrStderr()) }()
		return prompt(cmd.Context(), int(f.Fd()))
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

// prompt reads a line from a terminal that shows nothing meanwhile. Such a read cannot be ended: after a signal that one
// goroutine stays until the process ends, so the terminal is put right here.
func prompt(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("reading from the terminal: %w", err)
	}
	type line struct {
		value []byte
		err   error
	}
	typed := make(chan line, 1)
	go func() {
		value, err := term.ReadPassword(fd)
		typed <- line{value, err}
	}()
	select {
	case l := <-typed:
		return l.value, l.err
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
