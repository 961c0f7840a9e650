package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
)

func headersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "headers NAME",
		Short: "Print what a client shows the proxy for a url server, as a JSON object of headers",
		Args:  oneName,
	}
	client := cmd.Flags().String("client", "default", "`name` of the client that the local key is for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := load(cmd, false)
		if err != nil {
			return err
		}
		s := cfg.Server(args[0])
		switch {
		case s == nil:
			return unknown(args[0], cfg)
		case s.URL == "":
			return fmt.Errorf("server %q has a command, so nothing is shown to the proxy: its client starts `bearerd exec %s`", s.Name, s.Name)
		}
		if err := admin.CheckClient(*client); err != nil {
			return err
		}
		var k admin.Key
		if err := ask(cmd, "GET", serverPath(s.Name, "key/"+*client), nil, &k); err != nil {
			return err
		}
		headers := localHeaders(s, k)
		if headers == nil {
			headers = map[string]string{}
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(headers)
	}
	return cmd
}
