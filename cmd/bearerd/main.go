// Command bearerd keeps OAuth tokens fresh for MCP servers and delivers them where they are needed. This package
// translates the operating system (arguments, signals, exit codes) and prints; the work is done elsewhere.
//
// Results go to stdout (under exec it belongs to MCP), everything else to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/app"
	"bearerd/config"
)

// Exit codes. exec returns its child's instead.
const (
	exitError = 1
	exitUsage = 2
)

// exitCode is an error that carries an exit code; its text, if any, is printed already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usage marks an error of the command line.
type usage struct{ error }

func main() { os.Exit(run()) }

func run() int {
	umask := app.Harden()
	// net/http writes what an upstream says out of turn through package log; that may hold the token. Our log is slog's.
	log.SetOutput(io.Discard)
	cmd := root(umask)
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals(cmd, os.Args[1:])...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once, but exec attends to its own by then
	err := cmd.ExecuteContext(ctx)
	var code exitCode
	var wrong usage
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "bearerd: %v\n", wrong.error)
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "bearerd: %v\n", err)
	return exitError
}

// stopSignals end a command. SIGHUP is not among them for exec, which passes it on, and under nohup.
func stopSignals(root *cobra.Command, args []string) []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	found, _, err := root.Find(args)
	reloads := err == nil && found.Name() == "run" && !hangupStops()
	if err == nil && found.Name() == "exec" || reloads || signal.Ignored(syscall.SIGHUP) {
		return signals
	}
	return append(signals, syscall.SIGHUP)
}

func root(umask int) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "bearerd",
		Short:         "Keep OAuth tokens fresh for MCP servers and deliver them where they are needed",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringP("config", "c", "", "configuration `file or folder` (default $BEARERD_CONFIG, "+
		"~/.config/bearerd, /etc/bearerd)")
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage{fmt.Errorf("%w\ntry `%s --help`", err, c.CommandPath())}
	})
	cmd.AddCommand(runCommand(), execCommand(umask), checkCommand(), statusCommand(), metricsCommand(), tokenCommand(),
		refreshCommand(), invalidateCommand(), revokeCommand(), secretCommand(), clientConfigCommand(), storeCommand(),
		demoCommand(), versionCommand(), planCommand(), reloadCommand(), loginCommand(), logoutCommand(), adminKeyCommand(), keyCommand(),
		importCommand(), doctorCommand(), initCommand(), headersCommand())
	cmd.AddCommand(manCommands...)
	complete(cmd)
	explainAll(cmd)
	wrongUsage(cmd)
	return cmd
}

// wrongUsage makes wrong arguments exit with the code of wrong usage.
func wrongUsage(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() { // cobra would answer a wrong verb with its help, and 0
		cmd.Args, cmd.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil {
				err = c.ValidateFlagGroups() // cobra's own call comes later and cannot be told from a failure
			}
			if err != nil {
				return usage{fmt.Errorf("%w\ntry `%s --help`", err, c.CommandPath())}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		wrongUsage(c)
	}
}

// errNoConfig is the first thing that a newcomer may meet.
var errNoConfig = errors.New("there is no configuration yet: `bearerd init` asks a few questions and writes one, " +
	"`bearerd import FILE` takes over what an MCP client has, or name a file or folder with -c PATH or in BEARERD_CONFIG " +
	"(~/.config/bearerd and /etc/bearerd were looked at); `bearerd demo` needs none")

// configPath is where the configuration is read from.
func configPath(cmd *cobra.Command) (string, error) {
	if path, _ := cmd.Flags().GetString("config"); path != "" {
		return path, nil
	}
	path := config.DefaultPath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && os.Getenv("BEARERD_CONFIG") == "" {
		return "", errNoConfig
	}
	return path, nil
}

// load reads the configuration. What is wrong with it is printed here; warnings only where a person asked for them.
func load(cmd *cobra.Command, warnings bool) (*config.Config, error) {
	path, err := configPath(cmd)
	if err != nil {
		return nil, err
	}
	cfg, diagnostics := config.Load(path)
	if diagnostics.HasErrors() || warnings {
		_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
	}
	if diagnostics.HasErrors() {
		return nil, exitCode(exitError)
	}
	return cfg, nil
}
