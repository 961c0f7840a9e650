package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/engine"
)

func serverPath(name, verb string) string { return "/api/servers/" + url.PathEscape(name) + "/" + verb }

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Get a valid token and describe it; --show prints it",
		Long: "token makes sure that a valid token is held and prints what is known of it, not the token itself.\n" +
			"--show prints the token alone, --header an Authorization line for hooks such as curl's --header @-.",
		Args: oneName,
	}
	show := cmd.Flags().Bool("show", false, "print the token in clear")
	header := cmd.Flags().Bool("header", false, "print an Authorization line")
	asJSON := cmd.Flags().Bool("json", false, "print the documented token info as JSON")
	cmd.MarkFlagsMutuallyExclusive("show", "header", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := serverPath(args[0], "token")
		if *show || *header {
			path += "?show=true"
		}
		var t admin.Token
		if err := ask(cmd, "GET", path, nil, &t); err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		switch {
		case *show:
			_, _ = fmt.Fprintln(w, t.AccessToken)
		case *header:
			_, _ = fmt.Fprintln(w, "Authorization: "+t.Authorization)
		case *asJSON:
			return printJSON(cmd, t.Info)
		default:
			_, _ = fmt.Fprintln(w, sentence(t.Info, time.Now()))
		}
		return nil
	}
	return cmd
}

// sentence says how a token stands.
func sentence(st *engine.Status, now time.Time) string {
	if st.Fingerprint == "" {
		return fmt.Sprintf("%s: no token is held", st.Server)
	}
	text := fmt.Sprintf("%s: token %s is %s", st.Server, st.Fingerprint, st.Status)
	switch {
	case st.ExpiresAt == nil:
		text += ", no expiry given"
	case !st.IsExpired:
		text += ", expires in " + st.ExpiresAt.Sub(now).Round(time.Second).String()
	}
	if st.Scope != "" {
		text += ", scope " + fmt.Sprintf("%q", st.Scope)
	}
	return text
}

// change builds a command that changes one server's token and says how it stands then.
func change(verb, short string, say func(admin.Revoked) string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " NAME", Short: short, Args: oneName}
	asJSON := cmd.Flags().Bool("json", false, "print the documented token info as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changed(cmd, serverPath(args[0], verb), *asJSON, say)
	}
	return cmd
}

// changed asks for a change and prints what came of it.
func changed(cmd *cobra.Command, path string, asJSON bool, say func(admin.Revoked) string) error {
	var st admin.Revoked
	if err := ask(cmd, "POST", path, nil, &st); err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd, st.Status)
	}
	_, _ = fmt.Fprintln(cmd.OutOrStdout(), say(st))
	return nil
}

func refreshCommand() *cobra.Command {
	return change("refresh", "Get a new token now, whatever the present one's state", func(st admin.Revoked) string {
		return sentence(&st.Status, time.Now())
	})
}

func invalidateCommand() *cobra.Command {
	return change("invalidate", "Drop the token here; the next use gets a new one", func(st admin.Revoked) string {
		if st.State == engine.Revoked {
			return st.Server + ": it stays revoked; `bearerd refresh " + st.Server + "` gets a new token"
		}
		return st.Server + ": dropped; the next use gets a new one"
	})
}

func revokeCommand() *cobra.Command {
	return change("revoke", "Revoke the token at its provider and drop it here", func(st admin.Revoked) string {
		what := "no token was held, so there was nothing to revoke; none is fetched any more"
		if st.Sent > 0 {
			what = "revoked at the provider and dropped here"
		}
		return fmt.Sprintf("%s: %s; %s", st.Server, what, st.Next)
	})
}
