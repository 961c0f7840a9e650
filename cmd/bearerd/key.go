package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/app"
)

func keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Look after the keys that MCP clients show the local proxy"}
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make new local keys; those before are taken for another day",
		Long: "rotate makes new local keys for all servers and clients. Those before are taken for another day, so that each client\n" +
			"can be given its new one in the meantime; with --now they are refused at once.",
		Args: cobra.NoArgs,
	}
	now := rotate.Flags().Bool("now", false, "refuse the keys before at once")
	rotate.RunE = func(cmd *cobra.Command, _ []string) error {
		path := "/api/keys/rotate"
		if *now {
			path += "?now=true"
		}
		var done admin.Rotated
		c, err := dialAlone(cmd)
		if err != nil {
			return err
		}
		defer c.close()
		if err := c.call(cmd.Context(), "POST", path, nil, &done); err != nil {
			return err
		}
		tellRotated(cmd.OutOrStdout(), done)
		return nil
	}
	cmd.AddCommand(rotate)
	return cmd
}

// How long a daemon may take to start or to stop, and how often it is looked at meanwhile.
const (
	alonePatience = 30 * time.Second
	alonePause    = 50 * time.Millisecond
)

// dialAlone is dial for a command that changes what a daemon reads at its start: where none answers, none starts before close.
func dialAlone(cmd *cobra.Command) (*caller, error) {
	for by := time.Now().Add(alonePatience); ; {
		c, err := dial(cmd)
		if err != nil || c.alone == "" {
			return c, err
		}
		release, err := app.Alone(c.alone)
		if err == nil {
			end := c.close
			c.close = func() {
				release()
				end()
			}
			return c, nil
		}
		c.close()
		switch {
		case !errors.Is(err, app.ErrClaimed):
			return nil, err
		case time.Now().After(by):
			return nil, fmt.Errorf("a daemon holds the state folder %s, but does not answer: look at its log, or stop it", c.alone)
		}
		select {
		case <-time.After(alonePause):
		case <-cmd.Context().Done():
			return nil, errors.New("interrupted")
		}
	}
}

// tellRotated says what is to be done now.
func tellRotated(w io.Writer, done admin.Rotated) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	by := "now"
	if done.Until.IsZero() {
		say("The local keys are new. Those before are refused from now on; requests and streams that they have opened are cut.")
	} else {
		by = "by then"
		say("The local keys are new. Those before are taken until %s.", done.Until.Local().Format(time.DateTime))
	}
	if done.Dropped && !done.Until.IsZero() {
		say("Keys of a day ago or less, from before the last rotation, are refused from now on: clients that still use them get 403.")
	}
	if len(done.Servers) == 0 {
		say("No server of this configuration asks for a local key, so no client needs another one.")
		return
	}
	say("Each MCP client that reaches one of these servers over HTTP needs its new key %s:", by)
	for _, name := range done.Servers {
		say("  bearerd client-config %s --client CLIENT", name)
	}
	say("Clients that start `bearerd exec` need nothing.")
}
