//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is all that a run has measured.
type report struct {
	Time     time.Time
	Cores    int
	Programs []string // and their versions
	Turns    int
	Seconds  int
	Cells    []cell // what the samples come to
	Samples  []sample
	Streams  []streamSample
	Remote   []remoteSample
}

// measure does the whole run. Memory comes first: each time with fresh proxies. With an error
// the report holds what was measured before it.
func (s *stack) measure(ctx context.Context, set settings) (*report, error) {
	r := &report{Time: time.Now(), Cores: runtime.NumCPU(), Programs: versions(), Turns: set.turns, Seconds: set.seconds}
	if err := s.startUpstreams(); err != nil {
		return r, err
	}
	if err := s.measureStreams(ctx, set, r); err != nil {
		return r, err
	}
	if set.remote {
		if err := s.startEverything(ctx, set); err != nil {
			return r, err
		}
	}
	var list []*target
	for _, name := range targets {
		t, err := s.launch(ctx, set, name)
		if err != nil {
			return r, err
		}
		list = append(list, t)
	}
	if err := s.measureLoad(ctx, set, list, r); err != nil || !set.remote {
		return r, err
	}
	return r, s.measureRemote(ctx, set, list, r)
}

// measureLoad warms up, then lets the targets take turns; each turn begins with another one.
func (s *stack) measureLoad(ctx context.Context, set settings, list []*target, r *report) error {
	for _, kind := range kinds {
		for _, t := range list {
			if _, err := s.load(ctx, t, kind, 32, 1); err != nil {
				return err
			}
		}
	}
	for turn := range set.turns {
		for k, kind := range kinds {
			for c, conns := range connections {
				for i := range list {
					found, err := s.load(ctx, list[(turn+k+c+i)%len(list)], kind, conns, set.seconds)
					if err != nil {
						return err
					}
					found.Turn = turn
					r.Samples = append(r.Samples, found)
				}
			}
		}
		fmt.Fprintf(os.Stderr, "turn %d of %d is done\n", turn+1, set.turns)
	}
	return nil
}

// versions are those of the programs, as they tell them.
func versions() []string {
	told := []string{runtime.Version()}
	for _, command := range [][]string{{"nginx", "-v"}, {"wrk", "-v"}} {
		out, _ := exec.Command(command[0], command[1:]...).CombinedOutput() // wrk -v ends with 1
		line, _, _ := strings.Cut(string(out), "\n")
		line, _, _ = strings.Cut(line, " [")
		told = append(told, strings.TrimPrefix(line, "nginx version: "))
	}
	return told
}
