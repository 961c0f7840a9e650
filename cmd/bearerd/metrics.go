package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"bearerd/engine"
)

func metricsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metrics [NAME]",
		Short: "Show the documented metrics, of all servers or of one",
		Args:  cobra.MaximumNArgs(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "print them as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path := "/api/metrics"
		if len(args) == 1 {
			path += "?server=" + url.QueryEscape(args[0])
		}
		var m engine.Metrics
		if err := ask(cmd, "GET", path, nil, &m); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd, m)
		}
		w := cmd.OutOrStdout()
		_, _ = fmt.Fprintf(w, "acquisitions   %d (%d succeeded, %d failed; success rate %.3f)\n", m.Acquisitions, m.Success, m.Failure, m.SuccessRate)
		_, _ = fmt.Fprintf(w, "cache          %d hits, %d misses (hit ratio %.3f)\n", m.Hits, m.Misses, m.HitRatio)
		_, _ = fmt.Fprintf(w, "refreshes      %d\ninvalidations  %d\n", m.Refreshes, m.Invalidations)
		_, _ = fmt.Fprintf(w, "latency        %.1f ms average, %.1f ms least, %.1f ms most\n", m.AvgLatency, m.MinLatency, m.MaxLatency)
		_, _ = fmt.Fprintf(w, "active tokens  %d\n", m.Active)
		return nil
	}
	return cmd
}
