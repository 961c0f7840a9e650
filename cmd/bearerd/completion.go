package main

import (
	"github.com/spf13/cobra"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
)

// serverCommands are those whose NAME is a server's.
var serverCommands = []string{
	"exec", "status", "metrics", "token", "refresh", "invalidate", "revoke", "login", "logout", "client-config", "headers", "doctor",
}

// complete says what a shell may put in. Names of secrets are not among it: they would take an open store.
func complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultCompletionCmd() // here, so that it is documented as the others are
	for _, name := range serverCommands {
		find(root, name).ValidArgsFunction = serverNames
	}
	files := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	find(root, "import").ValidArgsFunction = files
	var formats []string
	for _, f := range clients.Formats() {
		formats = append(formats, cobra.CompletionWithDesc(f.Name, f.Title))
	}
	names := cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)
	completeFlag(find(root, "import"), "format", names)
	completeFlag(find(root, "import"), "to", files)
	completeFlag(find(root, "client-config"), "for", names)
	completeFlag(root, "config", files)
}

func find(root *cobra.Command, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return &cobra.Command{} // a test looks at each
}

func completeFlag(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, f) // of a flag that is not there; a test looks at each
}

// serverNames are those of the configuration. No daemon is asked, and nothing is said of what is wrong.
func serverNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	path, err := configPath(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, _ := config.LoadServer(path, "") // a server that is broken hides no other
	if cfg == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, len(cfg.Servers))
	for i, s := range cfg.Servers {
		names[i] = s.Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
