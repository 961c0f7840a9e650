//go:build unix

package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// print writes the report as Markdown.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%d cores; %s. Medians of %d turns of %d s [least–most]; wrk with one thread, the upstream and the proxy share the cores.\n",
		r.Cores, strings.Join(r.Programs, ", "), r.Turns, r.Seconds)
	fmt.Fprintf(w, "Upstream of small and large answers is an nginx of its own with one worker, of streams a Go program.\n")
	fmt.Fprintf(w, "Added: over direct in the same turn. CPU: of the proxy alone. Failed: answers that broke, in all turns.\n")
	for _, kind := range kinds {
		fmt.Fprintf(w, "\n### %s: a POST of %d bytes, answered with %s\n\n", kind, len(callBody), answers[kind])
		r.load(kind).print(w)
	}
	fmt.Fprintf(w, "\n### Memory, MiB\n\n")
	r.memory().print(w)
	if len(r.Remote) > 0 {
		fmt.Fprintf(w, "\n### One client, calls of the tool echo of server-everything\n\n")
		r.remote().print(w)
	}
}

func (r *report) load(kind string) table {
	t := table{{"Connections", "", "Answers/s", "Ratio to nginx", "p50 ms", "p50 added", "p99 ms", "p99 added", "CPU µs each", "Failed"}}
	for _, c := range r.cells() {
		if c.Kind != kind {
			continue
		}
		row := []string{strconv.Itoa(c.Connections), c.Target, fmt.Sprintf("%.0f", c.Rate.Median), c.Ratio.text(2),
			fmt.Sprintf("%.2f", c.P50.Median/1e3), c.AddedP50.over(1e3).text(2),
			fmt.Sprintf("%.2f", c.P99.Median/1e3), c.AddedP99.over(1e3).text(2), c.CPU.text(0), strconv.Itoa(c.Failed)}
		if c.Target == "direct" {
			row[5], row[7], row[8] = "", "", ""
		}
		t = append(t, row)
	}
	return t
}

func (r *report) memory() table {
	most := connections[len(connections)-1]
	t := table{{"", "At rest", fmt.Sprintf("With %d idle streams", heldStreams), "KiB for each stream", "After them",
		fmt.Sprintf("Most after load at %d connections", most)}}
	for _, name := range proxies {
		of := func(value func(streamSample) float64) spread {
			return spreadIn(r.Streams, func(s streamSample) bool { return s.Target == name }, value)
		}
		loaded := spreadIn(r.Samples, func(s sample) bool { return s.Target == name && s.Connections == most },
			func(s sample) float64 { return s.Resident })
		t = append(t, []string{name,
			of(func(s streamSample) float64 { return s.Rest }).over(1024).text(1),
			of(func(s streamSample) float64 { return s.Streams }).over(1024).text(1),
			of(func(s streamSample) float64 { return s.PerOne }).text(1),
			of(func(s streamSample) float64 { return s.AfterAll }).over(1024).text(1),
			fmt.Sprintf("%.1f", loaded.Most/1024),
		})
	}
	return t
}

func (r *report) remote() table {
	t := table{{"", "p50 ms", "p50 added", "p99 ms", "p99 added", "CPU µs a call", "MiB"}}
	for _, name := range remoteWays {
		of := func(value func(remoteSample) float64) spread {
			return spreadIn(r.Remote, func(s remoteSample) bool { return s.Way == name }, value)
		}
		row := []string{name,
			of(func(s remoteSample) float64 { return s.P50 }).over(1e3).text(2),
			of(func(s remoteSample) float64 { return s.AddedP50 }).over(1e3).text(2),
			of(func(s remoteSample) float64 { return s.P99 }).over(1e3).text(2),
			of(func(s remoteSample) float64 { return s.AddedP99 }).over(1e3).text(2),
			of(func(s remoteSample) float64 { return s.CPU }).text(0),
			of(func(s remoteSample) float64 { return s.Resident }).over(1024).text(1),
		}
		if name == "direct" {
			row[2], row[4], row[5], row[6] = "", "", "", ""
		}
		t = append(t, row)
	}
	return t
}

// table is one with a head, in rows of cells.
type table [][]string

func (t table) print(w io.Writer) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range t {
		for i, cell := range row {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}
