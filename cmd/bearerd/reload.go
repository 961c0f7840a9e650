package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
)

func planCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what a reload would change; change nothing",
		Args:  cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print the changes as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := configPath(cmd)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return err
		}
		plan, err := planOf(cmd, path)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd, plan)
		}
		return printPlan(cmd.OutOrStdout(), plan)
	}
	return cmd
}

// planOf asks the daemon; without one it makes nothing, no state folder either.
func planOf(cmd *cobra.Command, path string) (plan admin.Plan, err error) {
	if cfg, _ := config.Load(path); cfg != nil && daemonAt(cmd, cfg.Store.Path) == nil {
		tell(cmd.ErrOrStderr(), strangeGroups(cfg))
		return admin.Start(cfg), nil
	}
	err = ask(cmd, "GET", "/api/plan?path="+url.QueryEscape(path), nil, &plan)
	return plan, err
}

func printPlan(w io.Writer, plan admin.Plan) error {
	if !plan.Daemon {
		_, _ = fmt.Fprintln(w, "No daemon runs on this state folder; this is what a start would do.")
	}
	if _, err := plan.Changes.WriteTo(w); err != nil {
		return err
	}
	if list := plan.Changes.RestartRequired(); plan.Daemon && len(list) > 0 {
		return errors.New("a reload would refuse this edit whole, as a part of it needs a restart")
	}
	return nil
}

func reloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration again, and say what came of it",
		Args:  cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print the changes as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var done admin.Plan
		if err := ask(cmd, "POST", "/api/reload", nil, &done); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd, done)
		}
		_, err := done.Changes.WriteTo(cmd.OutOrStdout())
		return err
	}
	return cmd
}
