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
		path, err := configPath(cmd)
		if err != nil {
			return err
		}
		cfg, diagnostics := config.Load(path)
		r := checkReport(cfg, diagnostics)
		if cfg != nil {
			r.Missing = missing(cmd.Context(), cfg)
		}
		if *asJSON {
			r.OK = r.OK && !tell(io.Discard, r.Missing)
			if err := printJSON(cmd, r); err != nil {
				return err
			}
		} else {
			_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
			r.OK = !tell(cmd.ErrOrStderr(), r.Missing) && r.OK
			explain(cmd.OutOrStdout(), r)
		}
		if !r.OK {
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
	OnRotate string          `json:"on_rotate,omitempty"` // what happens to the program as its token ends
}

type report struct {
	OK          bool               `json:"ok"`
	Diagnostics config.Diagnostics `json:"diagnostics"`
	Missing     []finding          `json:"missing"`
	Vault       string             `json:"vault,omitempty"` // its address
	Auth        string             `json:"vault_auth,omitempty"`
	Store       string             `json:"vault_store,omitempty"` // MOUNT/PREFIX; "": tokens are kept in the state folder
	Servers     []checked          `json:"servers"`
}

func checkReport(cfg *config.Config, diagnostics config.Diagnostics) report {
	r := report{OK: !diagnostics.HasErrors(), Diagnostics: diagnostics, Missing: []finding{}, Servers: []checked{}}
	if cfg == nil {
		return r
	}
	if cfg.Vault != nil {
		r.Vault, r.Auth = cfg.Vault.Address, cfg.Vault.Auth.Method
	}
	if cfg.Shared != nil {
		r.Store = cfg.Shared.Mount + "/" + cfg.Shared.Prefix
	}
	for _, s := range cfg.Servers {
		delivery, why := s.Delivery()
		c := checked{Name: s.Name, Delivery: delivery, Why: why, OAuth: s.OAuth != nil && s.OAuth.Enabled}
		if s.URL != "" {
			_, c.URL = proxy.Local(cfg, s)
		} else if c.OAuth && (delivery == config.DeliverEnv || s.Via == "header") && s.RemoteProgram() != "curl" {
			c.OnRotate = s.OnRotate
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

// rotates says in words what happens to a program as its token ends.
var rotates = map[string]string{
	"replay":  "as its token ends, a fresh process takes over its session (on_rotate = \"replay\")",
	"restart": "as its token ends, it is restarted (on_rotate = \"restart\")",
	"signal":  "as its token ends, token_file is replaced and it gets a signal (on_rotate = \"signal\")",
	"none":    "as its token ends, it has to see to that itself (on_rotate = \"none\")",
}

func explain(w io.Writer, r report) {
	for _, c := range r.Servers {
		what := gets[c.Delivery]
		if !c.OAuth {
			what = "no token: it has no enabled oauth_config"
		}
		_, _ = fmt.Fprintf(w, "%s: %s (%s)\n", c.Name, what, c.Why)
		if c.URL != "" {
			_, _ = fmt.Fprintf(w, "  served at %s, and over stdio by `bearerd exec %s`\n", c.URL, c.Name)
		}
		if c.OnRotate != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", rotates[c.OnRotate])
		}
	}
	if r.Vault != "" {
		_, _ = fmt.Fprintf(w, "Vault is at %s, the login by %s.\n", r.Vault, r.Auth)
	}
	if r.Store != "" {
		_, _ = fmt.Fprintf(w, "Tokens are kept in Vault at %s.\n", r.Store)
	}
	if r.OK {
		_, _ = fmt.Fprintf(w, "The configuration is valid. Servers: %d.\n", len(r.Servers))
	}
}
