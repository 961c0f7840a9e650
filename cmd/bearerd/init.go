package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/firstrun"
	"bearerd/config"
)

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Ask a few questions on a terminal and write a first configuration",
		Long: "Ask a few questions on a terminal and write a first configuration, for one server.\n\n" +
			"The file is shown before it is written. One that is there is never changed: `bearerd import` adds servers to it.\n" +
			"With BEARERD_ACCESSIBLE=1, or TERM=dumb, the questions come line by line, as screen readers need them.",
		Args: cobra.NoArgs,
		RunE: firstConfiguration,
	}
}

// byHand is what to do where nobody can be asked.
const byHand = `init asks on a terminal, and stdin or stderr is none here. Write the first configuration by hand, to %s:

server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled          = true
    OAUTH_VERSION    = "2.1"
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}

or take one of examples/ in bearerd's sources; then run ` + "`bearerd check`"

func firstConfiguration(cmd *cobra.Command, _ []string) error {
	path, err := firstFile(cmd)
	if err != nil {
		return err
	}
	i, err := newInterview(cmd, path)
	if err != nil {
		return err
	}
	if i == nil {
		return fmt.Errorf(byHand, path)
	}
	if err := i.ask(cmd.Context()); err != nil {
		return err
	}
	a := i.answers
	if a.Kind == firstrun.File {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), "`bearerd import --dry-run FILE` shows what would become of it, `bearerd import FILE` takes it over.")
		return nil
	}
	if !i.yes {
		return errors.New("nothing is written")
	}
	if err := writeFirst(cmd.ErrOrStderr(), path, a.Text()); err != nil {
		return err
	}
	for name, value := range a.Secrets() {
		if err := ask(cmd, "PUT", secretPath(name), []byte(value.Reveal()), nil); err != nil {
			return fmt.Errorf("%s is written, but the secret is not kept: %w; when that is mended, run `bearerd secret set %s`", path, err, name)
		}
	}
	_, _ = io.WriteString(cmd.OutOrStdout(), afterInit(cmd, path, &a))
	return nil
}

// firstFile is where the first configuration goes. It is an error if there is one already.
func firstFile(cmd *cobra.Command) (string, error) {
	given, _ := cmd.Flags().GetString("config")
	if given == "" {
		given = os.Getenv("BEARERD_CONFIG")
	}
	folder := given
	switch {
	case strings.HasSuffix(given, ".json"):
		return "", fmt.Errorf("init writes HCL, and %s is to be JSON: name a file that ends in .hcl, or a folder", given)
	case strings.HasSuffix(given, ".hcl"):
		if _, err := os.Lstat(given); err == nil {
			return "", thereAlready(given)
		}
		return given, nil
	case given == "":
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("HOME is not set: name the file with -c PATH")
		}
		folder = filepath.Join(home, ".config", "bearerd")
		if holdsConfiguration("/etc/bearerd") && !holdsConfiguration(folder) {
			return "", thereAlready("/etc/bearerd")
		}
	}
	if holdsConfiguration(folder) {
		return "", thereAlready(folder)
	}
	path := filepath.Join(folder, "bearerd.hcl")
	if _, err := os.Lstat(path); err == nil {
		return "", thereAlready(path)
	}
	return path, nil
}

func thereAlready(path string) error {
	return fmt.Errorf("%s holds a configuration already, so nothing is asked or changed: `bearerd import FILE` adds the servers of an "+
		"MCP client, an editor adds one by hand, and `bearerd check` says what is there", path)
}

// holdsConfiguration reports whether the loader would find a file in a folder.
func holdsConfiguration(folder string) bool {
	for _, pattern := range []string{"*.hcl", "*.hcl.json", "conf.d/*.hcl", "conf.d/*.hcl.json"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(folder), pattern))
		for _, f := range found {
			if !strings.HasPrefix(filepath.Base(f), ".") {
				return true
			}
		}
	}
	return false
}

// escapeGlob makes a pattern that matches a path alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(path)
}

// writeFirst writes the file, unless there is one, and reads it again as every command will; if that fails it is gone.
func writeFirst(said io.Writer, path string, text []byte) (err error) {
	folder := filepath.Dir(path)
	_, missing := os.Stat(folder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("making the folder of the configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
			if missing != nil {
				_ = os.Remove(folder)
			}
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	if _, diagnostics := config.Load(path); diagnostics.HasErrors() {
		_, _ = diagnostics.WriteTo(said)
		return fmt.Errorf("%s would not be valid, and was not kept", path)
	}
	return nil
}

// afterInit says what to run next.
func afterInit(cmd *cobra.Command, path string, a *firstrun.Answers) string {
	with := ""
	if given, _ := cmd.Flags().GetString("config"); given != "" {
		with = " -c " + shellWord(given)
	}
	var b strings.Builder
	next := func(command, what string) { fmt.Fprintf(&b, "  %-44s # %s\n", "bearerd "+command, what) }
	fmt.Fprintf(&b, "%s is written. Next:\n", path)
	next("check"+with, "what the server gets, and what is missing")
	if a.Delegated() {
		next("login "+a.Server()+with, "sign in, once")
	}
	if a.Kind == firstrun.Remote {
		next("run"+with, "serve it; keep this running")
	}
	next("client-config "+a.Server()+" --for CLIENT"+with, "what goes into your MCP client's file")
	return b.String()
}

// shellWord is a word that a shell takes as it is.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:,@%=", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
