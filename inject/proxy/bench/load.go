//go:build unix

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

//go:embed post.lua
var script []byte

// connections at once.
var connections = []int{1, 32, 256}

// sample is one measurement of one target.
type sample struct {
	Kind, Target string
	Connections  int
	Turn         int
	Rate         float64 // answers a second
	P50, P99     float64 // microseconds
	CPU          float64 // microseconds of the proxy's for each answer; 0: there is no proxy
	Resident     float64 // KiB of the proxy afterwards
	Failed       int     // answers that broke or were not 2xx
}

// counted is what post.lua prints.
type counted struct {
	Requests, Microseconds, P50, P99      float64
	Connect, Read, Write, Status, Timeout int // errors
}

// load has wrk make requests for some seconds, on one thread. One that fails is an error, but for
// plain.
func (s *stack) load(ctx context.Context, t *target, kind string, conns, seconds int) (sample, error) {
	found := sample{Kind: kind, Target: t.name, Connections: conns}
	file := filepath.Join(s.dir, "post.lua")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		return found, err
	}
	before, err := processorTime(t.pids())
	if err != nil {
		return found, err
	}
	r := t.routes[kind]
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(conns), "-d"+strconv.Itoa(seconds)+"s", "--timeout", "10s",
		"-s", file, r.url)
	cmd.Env = append(os.Environ(), "BENCH_BODY="+callBody, "BENCH_AUTHORIZATION="+r.authorization)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return found, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := processorTime(t.pids())
	if err != nil {
		return found, err
	}
	var c counted
	if err := json.Unmarshal(out[bytes.LastIndexByte(out, '{'):], &c); err != nil {
		return found, fmt.Errorf("wrk printed %q: %w", out, err)
	}
	found.Failed = c.Connect + c.Read + c.Write + c.Status + c.Timeout
	if c.Requests == 0 || found.Failed > 0 && t.name != plain {
		return found, fmt.Errorf("%s, %s, %d connections: %.0f answers, of them %d not 2xx; errors: connect %d, read %d, write %d, timeout %d",
			t.name, kind, conns, c.Requests, c.Status, c.Connect, c.Read, c.Write, c.Timeout)
	}
	found.Rate, found.P50, found.P99 = c.Requests*1e6/c.Microseconds, c.P50, c.P99
	found.CPU = (after - before) / c.Requests
	found.Resident, err = resident(t.pids())
	return found, err
}
