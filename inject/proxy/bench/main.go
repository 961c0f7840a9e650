//go:build unix

// Command bench measures `bearerd run` beside nginx and net/http's ReverseProxy as proxies that add a bearer token, and
// beside mcp-remote as a bridge. What it compares it measures in one run and in turns; every figure that it prints is
// measured, and an answer that is not 2xx ends the run. It is for measuring alone and no part of bearerd.
//
// It needs nginx, wrk and, for mcp-remote, Node.js with the packages of testdata/peers; Linux alone tells what a process uses.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Settings of a run.
type settings struct {
	turns, seconds int
	json, remote   bool
	bearerd, peers string // paths
}

func main() {
	if len(os.Args) == 3 { // this program again, as a part of the run
		switch os.Args[1] {
		case "upstream":
			fail(serveStreams(os.Args[2]))
		case "plain":
			fail(servePlain(os.Args[2]))
		}
	}
	var set settings
	flag.IntVar(&set.turns, "turns", 5, "how often each figure is measured")
	flag.IntVar(&set.seconds, "seconds", 2, "how long each time")
	flag.BoolVar(&set.json, "json", false, "print JSON")
	flag.BoolVar(&set.remote, "mcp-remote", true, "measure mcp-remote too (needs Node.js and `make peers`)")
	flag.StringVar(&set.bearerd, "bearerd", "bearerd", "the program to measure (`make build`)")
	flag.StringVar(&set.peers, "peers", "testdata/peers", "the folder of the npm programs")
	flag.Parse()
	if flag.NArg() > 0 || set.turns < 1 || set.seconds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fail(run(ctx, set))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, set settings) error {
	if err := set.complete(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "This takes about %s. Do nothing else on this machine meanwhile.\n", set.takes())
	s, err := newStack()
	if err != nil {
		return err
	}
	defer s.close()
	report, err := s.measure(ctx, set)
	if err != nil { // what was measured before is printed all the same
		err = fmt.Errorf("%w\n%s", err, s.logs())
	}
	if set.json {
		report.Cells = report.cells()
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return errors.Join(err, out.Encode(report))
	}
	report.print(os.Stdout)
	return err
}

// complete makes the paths absolute and says what is missing, all at once.
func (set *settings) complete() error {
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin") // where Debian has nginx
	var missing []string
	for program, remedy := range map[string]string{"nginx": "apt-get install nginx-light", "wrk": "apt-get install wrk", "node": ""} {
		if program == "node" && !set.remote {
			continue
		} else if _, err := exec.LookPath(program); err != nil && remedy != "" {
			missing = append(missing, program+" (on Debian: "+remedy+")")
		} else if err != nil {
			missing = append(missing, "Node.js 20 or later (or leave it out: -mcp-remote=false)")
		}
	}
	files := map[string]string{set.bearerd: "make build"}
	if set.remote {
		files[filepath.Join(set.peers, "node_modules", ".package-lock.json")] = "make peers, or leave it out: -mcp-remote=false"
	}
	for file, remedy := range files {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file+" ("+remedy+")")
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not found: %s", strings.Join(missing, ", "))
	}
	for _, path := range []*string{&set.bearerd, &set.peers} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	return nil
}

// takes is about how long the run takes.
func (set *settings) takes() time.Duration {
	load := len(kinds) * len(connections) * len(targets) * set.turns
	warm := len(kinds) * len(targets)
	total := time.Duration(load*set.seconds+warm) * time.Second
	total += time.Duration(load+warm) * 100 * time.Millisecond // wrk's own
	total += time.Duration(set.turns*len(proxies)) * 3 * time.Second
	if set.remote {
		total += time.Duration(3*set.turns*set.seconds+5) * time.Second
	}
	return total.Round(10 * time.Second)
}
