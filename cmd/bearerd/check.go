package main

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strings"

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
	Address  string          `json:"address,omitempty"` // where a url server is served
	URL      string          `json:"url,omitempty"`     // what a local client asks for
	OAuth    bool            `json:"oauth"`
	OnRotate string          `json:"on_rotate,omitempty"` // what happens to the program as its token ends

	Discovered []string `json:"discovered,omitempty"`   // the endpoints that metadata must say
	From       string   `json:"from,omitempty"`         // the address where their discovery begins
	Client     string   `json:"client,omitempty"`       // metadata_document, registered; "": the configured one
	Login      string   `json:"login,omitempty"`        // command, auto: who may ask a person; "": nobody needs to
	Redirect   string   `json:"redirect_uri,omitempty"` // where the browser is sent back to; for a registered client the port may be another
	fixed      bool     // but not here: it is the daemon's own
}

type report struct {
	OK          bool               `json:"ok"`
	Diagnostics config.Diagnostics `json:"diagnostics"`
	Missing     []finding          `json:"missing"`
	Page        string             `json:"page,omitempty"`  // of the web page: its address on this host
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
	if listen := cfg.Admin.Listen; listen != "" && !strings.HasPrefix(listen, "unix:") {
		r.Page = "http://" + listen
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
			c.Address, c.URL = proxy.Local(cfg, s)
		} else if c.OAuth && (delivery == config.DeliverEnv || s.Via == "header") && s.RemoteProgram() != "curl" {
			c.OnRotate = s.OnRotate
		}
		if c.OAuth {
			c.grant(cfg, s)
		}
		r.Servers = append(r.Servers, c)
	}
	return r
}

// grant says what of a grant is found out, and whether a person must give it.
func (c *checked) grant(cfg *config.Config, s *config.Server) {
	o := s.OAuth
	if o.TokenURL == "" {
		c.Discovered = append(c.Discovered, "token endpoint")
	}
	if o.Delegated() {
		c.Login, c.Redirect = s.Login, cmp.Or(o.RedirectURI, config.DefaultRedirect)
		if s.Made && cfg.Callback() != "" {
			c.Redirect = cfg.Callback()
		}
		c.fixed = c.Redirect == cfg.Callback()
		if o.AuthorizationURL == "" {
			c.Discovered = append(c.Discovered, "authorization endpoint")
		}
		switch {
		case o.ClientID != "":
		case o.ClientMetadataURL != "":
			c.Client = "metadata_document"
		default:
			c.Client = "registered"
		}
		if c.Client != "" && o.RegistrationURL == "" {
			c.Discovered = append(c.Discovered, "registration endpoint")
		}
	}
	if u, err := url.Parse(s.Resource()); err == nil && len(c.Discovered) > 0 {
		c.From = u.Scheme + "://" + u.Host + u.EscapedPath() // a query may hold a key
	}
}

// whose says in words who the client is.
var whose = map[string]string{
	"metadata_document": "the client is OAUTH_CLIENT_METADATA_URL, or one that is registered where that is not taken",
	"registered":        "the client is registered at the first login",
}

// asks says in words how a person gives the grant.
var asks = map[string]string{
	"command": "a person signs in once: bearerd login %s",
	"auto":    "a person signs in once: bearerd login %s, or in a browser that a request opens (login = \"auto\")",
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
			_, _ = fmt.Fprintf(w, "  served at %s, and over stdio by `bearerd exec %s`\n", reached(c.Address, c.URL), c.Name)
		}
		if c.OnRotate != "" {
			_, _ = fmt.Fprintf(w, "  %s\n", rotates[c.OnRotate])
		}
		explainGrant(w, c)
	}
	if r.Page != "" {
		_, _ = fmt.Fprintf(w, "The page and the REST API are at %s; `bearerd admin-key` prints their key.\n", r.Page)
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

func explainGrant(w io.Writer, c checked) {
	if len(c.Discovered) > 0 {
		_, _ = fmt.Fprintf(w, "  discovered from %s: %s\n", c.From, strings.Join(c.Discovered, ", "))
	}
	if c.Client != "" {
		_, _ = fmt.Fprintf(w, "  %s\n", whose[c.Client])
	}
	if c.Login != "" {
		_, _ = fmt.Fprintf(w, "  "+asks[c.Login]+"\n", c.Name)
		port := ""
		if c.Client == "registered" && strings.HasPrefix(c.Redirect, "http://") && !c.fixed { // else no command listens
			port = ", or the next port that is free"
		}
		_, _ = fmt.Fprintf(w, "  the browser is sent back to %s%s\n", c.Redirect, port)
	}
}
