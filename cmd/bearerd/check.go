package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bearerd/config"
	"bearerd/inject/proxy"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration and say what each server would get",
		Args:  cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print the findings as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := configPath(cmd)
		cfg, diagnostics := config.Load(path)
		if *asJSON {
			if err := printJSON(cmd, checkReport(cfg, diagnostics)); err != nil {
				return err
			}
		} else {
			_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
			if cfg != nil {
				explain(cmd.OutOrStdout(), cfg)
			}
		}
		if diagnostics.HasErrors() {
			return exitCode(exitError)
		}
		return nil
	}
	return cmd
}

type checked struct {
	Name     string          `json:"name"`
	Delivery config.Delivery `json:"delivery"`
	Why      string          `json:"why"`
	URL      string          `json:"url,omitempty"`
	OAuth    bool            `json:"oauth"`
}

type report struct {
	OK          bool               `json:"ok"`
	Diagnostics config.Diagnostics `json:"diagnostics"`
	Servers     []checked          `json:"servers"`
}

func checkReport(cfg *config.Config, diagnostics config.Diagnostics) report {
	r := report{OK: !diagnostics.HasErrors(), Diagnostics: diagnostics, Servers: []checked{}}
	if cfg == nil {
		return r
	}
	for _, s := range cfg.Servers {
		delivery, why := s.Delivery()
		c := checked{Name: s.Name, Delivery: delivery, Why: why, OAuth: s.OAuth != nil && s.OAuth.Enabled}
		if s.URL != "" {
			_, c.URL = proxy.Local(cfg, s)
		}
		r.Servers = append(r.Servers, c)
	}
	return r
}

// gets says in words how a delivery works.
var gets = map[config.Delivery]string{
	config.DeliverEnv:       "the token in its environment",
	config.DeliverArguments: "its arguments rewritten",
	config.DeliverHTTP:      "the token through the local proxy",
}

func explain(w io.Writer, cfg *config.Config) {
	for _, c := range checkReport(cfg, nil).Servers {
		what := gets[c.Delivery]
		if !c.OAuth {
			what = "no token: it has no enabled oauth_config"
		}
		_, _ = fmt.Fprintf(w, "%s: %s (%s)\n", c.Name, what, c.Why)
		if c.URL != "" {
			_, _ = fmt.Fprintf(w, "  served at %s\n", c.URL)
		}
	}
	_, _ = fmt.Fprintf(w, "The configuration is valid. Servers: %d.\n", len(cfg.Servers))
}
