package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/cmd/internal/admin"
	browse "bearerd/cmd/internal/login"
	"bearerd/engine"
)

func loginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login NAME",
		Short: "Sign in for a server whose token a person must approve",
		Long: "login opens the browser at the provider of a server with OAUTH_GRANT_TYPE = \"authorization_code\" and waits up to five\n" +
			"minutes for what comes back to this machine. From then on bearerd renews the token by itself.\n" +
			"Over SSH, run it with --device if the provider supports that; else with --no-browser, and paste the address at which\n" +
			"the browser has ended.",
		Args: oneName,
	}
	noBrowser := cmd.Flags().Bool("no-browser", false, "print the address instead of opening a browser")
	device := cmd.Flags().Bool("device", false, "print a code to enter on any device (RFC 8628)")
	register := cmd.Flags().Bool("register", false, "register a client anew, if the provider does not know the present one any more")
	asJSON := cmd.Flags().Bool("json", false, "print the documented token info as JSON")
	cmd.MarkFlagsMutuallyExclusive("device", "register")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := dial(cmd)
		if err != nil {
			return err
		}
		defer c.close()
		s := &signIn{caller: c, name: args[0], said: cmd.ErrOrStderr(), register: *register}
		if !*noBrowser {
			s.open, _ = browse.Browser(os.Getenv)
		}
		if *device {
			err = s.onDevice(cmd.Context())
		} else {
			err = s.here(cmd.Context(), cmd.InOrStdin())
		}
		if p := new(problem); errors.As(err, &p) && p.Code == admin.Forgotten && !*device {
			_, _ = fmt.Fprintf(s.said, "%v\nSigning in once more, with a new registration.\n", err)
			err = s.here(cmd.Context(), cmd.InOrStdin())
		}
		switch {
		case err != nil:
			return err
		case *asJSON:
			return printJSON(cmd, s.done)
		}
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), signedIn(&s.done, time.Now()))
		return nil
	}
	return cmd
}

func logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout NAME", Short: "Revoke what a sign-in gave, at its provider, and forget all of it here", Args: oneName,
	}
	local := cmd.Flags().Bool("local", false, "forget it here without telling the provider, as for one that is gone")
	asJSON := cmd.Flags().Bool("json", false, "print the documented token info as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := serverPath(args[0], "logout")
		if *local {
			path += "?local=true"
		}
		err := changed(cmd, path, *asJSON, func(st admin.Revoked) string { return loggedOut(st, *local) })
		if p := new(problem); errors.As(err, &p) && p.status == http.StatusBadGateway && !*local {
			return fmt.Errorf("%w; `bearerd logout %s --local` forgets it here without telling the provider", err, args[0])
		}
		return err
	}
	return cmd
}

// loggedOut says what has become of a grant, here and at its provider.
func loggedOut(st admin.Revoked, local bool) string {
	what := "nothing was held; forgotten"
	switch {
	case st.Sent > 0:
		what = "revoked at the provider and forgotten here"
	case st.Left && local:
		what = "forgotten here; its provider was told nothing, so the grant lives on there: end it in the provider's settings"
	case st.Left:
		what = "forgotten here; its provider has no revocation endpoint that is known, so the grant lives on there: end it in the " +
			"provider's settings"
	}
	return fmt.Sprintf("%s: %s; %s", st.Server, what, st.Next)
}

// signedIn says what a sign-in has brought.
func signedIn(st *engine.Status, now time.Time) string {
	text := st.Server + ": signed in; token has no expiry"
	if st.ExpiresAt != nil {
		text = st.Server + ": signed in; token expires in " + st.ExpiresAt.Sub(now).Round(time.Second).String()
	}
	if st.Scope != "" {
		text += fmt.Sprintf(", scope %q", st.Scope)
	}
	if st.Renewable != nil && !*st.Renewable && st.ExpiresAt != nil {
		text += "; no refresh token was given: sign in again when it expires"
	}
	return text
}

// signIn is one run of `bearerd login`: whoever keeps the tokens begins and finishes it, the person and the browser are here.
type signIn struct {
	*caller
	name     string
	register bool                                            // a client anew
	redirect string                                          // where the answer is to arrive; "": on no address of this machine
	open     func(ctx context.Context, address string) error // nil: no browser
	said     io.Writer                                       // stderr
	done     engine.Status                                   // as it was after the sign-in
}

// here waits for the answer on this machine's loopback address.
func (s *signIn) here(ctx context.Context, stdin io.Reader) error {
	var at admin.Redirect
	if err := s.call(ctx, http.MethodGet, serverPath(s.name, "login"), nil, &at); err != nil {
		return err
	}
	if at.Callback {
		return s.byCallback(ctx)
	}
	begun, shown, answered := false, false, false
	var l admin.Login
	f := browse.Flow{
		Server: s.name, Redirect: at.URI, Movable: at.Movable, Pending: at.Pending, Open: s.open, Out: s.said,
		Begin: func(ctx context.Context, redirect string) (string, error) {
			begun, s.redirect = true, redirect
			body, err := json.Marshal(admin.Begin{URI: redirect, Register: s.register})
			if err != nil {
				return "", err
			}
			err = s.call(ctx, http.MethodPost, serverPath(s.name, "login"), body, &l)
			shown = err == nil
			return l.URL, err
		},
		Expires: func() time.Time { return l.Expires },
		Finish: func(ctx context.Context, query string) error {
			err := s.call(ctx, http.MethodPost, serverPath(s.name, "callback"), []byte(query), &s.done)
			var p *problem
			told := errors.As(err, &p)
			if told && p.Code == admin.OtherFlow {
				return browse.ErrOther
			}
			answered = err == nil || told
			return err
		},
	}
	if tty, ok := stdin.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
		f.Paste = newTyped(tty)
	}
	err := browse.Run(ctx, f)
	if err != nil && begun && !answered {
		s.giveUp(ctx)
		if shown && at.Movable {
			_, _ = fmt.Fprintf(s.said, "If the page said that the client is not known, run `bearerd login %s --register`.\n", s.name)
		}
	}
	return err
}

// onDevice waits until the person has approved on some device.
func (s *signIn) onDevice(ctx context.Context) error {
	var d admin.Device
	err := browse.Ask(ctx, s.name, s.said, func(ctx context.Context) error {
		return s.call(ctx, http.MethodPost, serverPath(s.name, "device"), nil, &d)
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.said, "To sign in for %s, open this address on any device:\n%s\nand enter the code:\n%s\n", s.name, d.URL, d.UserCode)
	if s.open != nil && d.CompleteURL != "" {
		if err := s.open(ctx, d.CompleteURL); err == nil {
			_, _ = fmt.Fprintln(s.said, "The browser of this machine was opened there, with the code; compare it.")
		}
	}
	err = browse.Wait(ctx, s.name, s.said, d.Expires, func(ctx context.Context) error {
		return s.call(ctx, http.MethodPost, serverPath(s.name, "device/token"), nil, &s.done)
	})
	if err != nil && ctx.Err() != nil {
		s.giveUp(ctx)
		return fmt.Errorf("the sign-in of %s was given up: %w", s.name, context.Cause(ctx))
	}
	return err
}

// giveUp lets those go who wait for this sign-in.
func (s *signIn) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = s.call(ctx, http.MethodDelete, serverPath(s.name, "login")+"?redirect_uri="+url.QueryEscape(s.redirect), nil, nil) // else it expires
}
