package main

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/engine"
	"bearerd/secrets/vault"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show each server, its token's state and what to do",
		Args:  cobra.MaximumNArgs(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "print the documented token info as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := "/api/status"
		if len(args) == 1 {
			path += "?server=" + url.QueryEscape(args[0])
		}
		var st admin.Status
		if err := ask(cmd, "GET", path, nil, &st); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd, st)
		}
		printStatus(cmd.OutOrStdout(), st, time.Now())
		return nil
	}
	return cmd
}

func printStatus(w io.Writer, st admin.Status, now time.Time) {
	if st.PID == 0 {
		_, _ = fmt.Fprintln(w, "No daemon runs on this state folder; this is what the store holds.")
	} else {
		_, _ = fmt.Fprintf(w, "bearerd %s runs as pid %d.\n", st.Version, st.PID)
	}
	if v := st.Vault; v != nil {
		_, _ = fmt.Fprintln(w, vaultLine(v, now, asked(st)))
	}
	if r := st.Reload; r != nil && r.Error != "" {
		_, _ = fmt.Fprintf(w, "The edited configuration is not in force (%s ago):\n%s\n", now.Sub(r.At).Round(time.Second), r.Error)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SERVER\tDELIVERY\tSTATE\tTOKEN\tEXPIRES\tAT")
	for _, s := range st.Servers {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Delivery, state(s.Token), expiry(s.Token, now),
			cmp.Or(reached(s.Address, s.URL), "-"))
	}
	_ = t.Flush()
	for _, s := range st.Servers {
		if s.Token == nil {
			continue
		}
		if s.Token.Error != "" {
			_, _ = fmt.Fprintf(w, "\n%s\n", s.Token.Error)
		}
		if s.Token.SigningIn {
			_, _ = fmt.Fprintf(w, "\n%s: a person is asked to sign in now\n", s.Name)
		}
		if words, ok := storeWords[s.Token.Store]; ok {
			if !toldAbove(st, s.Token) {
				words += ": " + s.Token.StoreError
			}
			_, _ = fmt.Fprintf(w, "\n%s: %s: %s\n", s.Name, s.Token.Store, words)
		}
		if s.Token.Uncommitted {
			_, _ = fmt.Fprintf(w, "\n%s: its newest refresh token is in the journal of the state folder and not yet in the store; keep the folder\n", s.Name)
		}
	}
	for _, d := range st.Trouble {
		_, _ = fmt.Fprintf(w, "\n%s (bearerd exec, pid %d): %s: %s; the next attempt is in %s\n", d.Server, d.PID, d.State, d.Reason,
			max(d.Next.Sub(now), 0).Round(time.Second))
	}
	for _, o := range st.Outdated {
		_, _ = fmt.Fprintf(w, "\n%s (bearerd exec, pid %d) was started with values that have changed since: %s; restart its client to use them\n",
			o.Server, o.PID, strings.Join(append(o.Env, o.Fields...), ", "))
	}
}

// reached is where a url server is served, for a person: a URL names no unix socket.
func reached(address, url string) string {
	if strings.HasPrefix(address, "unix:") {
		return address + ", " + url
	}
	return url
}

// storeWords say what is wrong with the store, by the name that the status has for it.
var storeWords = map[string]string{
	"store_unwritable":  "the token is served, but not kept; make the state folder writable",
	"store_unavailable": "degraded: the store cannot be reached; what is held is served until it expires",
	"store_denied":      "the store refuses",
}

// toldAbove reports whether the line about Vault, or the error of the token, has the words of the store already.
func toldAbove(st admin.Status, t *engine.Status) bool {
	return strings.Contains(t.Error, t.StoreError) || st.Vault != nil && strings.Contains(st.Vault.Error, t.StoreError)
}

// asked reports whether Vault was asked for something: a daemon does so all the time, a command for the records alone.
func asked(st admin.Status) bool {
	return st.PID != 0 || slices.ContainsFunc(st.Servers, func(s admin.Server) bool { return s.Token != nil && s.Token.Store != "" })
}

func vaultLine(v *vault.Status, now time.Time, asked bool) string {
	since := now.Sub(v.Since).Round(time.Second)
	switch {
	case v.Up:
		return fmt.Sprintf("Vault at %s is up, for %s.", v.Address, since)
	case v.Error != "":
		return fmt.Sprintf("Vault at %s cannot be used, for %s: %s", v.Address, since, v.Error)
	case asked:
		return fmt.Sprintf("Vault at %s has not answered yet.", v.Address)
	}
	return fmt.Sprintf("Vault at %s was not asked.", v.Address)
}

func state(t *engine.Status) string {
	if t == nil {
		return "no oauth"
	}
	return string(t.State)
}

// expiry fills the columns TOKEN and EXPIRES.
func expiry(t *engine.Status, now time.Time) string {
	switch {
	case t == nil || t.Fingerprint == "":
		return "-\t-"
	case t.ExpiresAt == nil:
		return t.Fingerprint + "\tnot given"
	case t.IsExpired:
		return fmt.Sprintf("%s\t%s ago", t.Fingerprint, now.Sub(*t.ExpiresAt).Round(time.Second))
	}
	return fmt.Sprintf("%s\tin %s", t.Fingerprint, t.ExpiresAt.Sub(now).Round(time.Second))
}
