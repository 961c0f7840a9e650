package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFiguresReload measures, with BEARERD_FIGURES, how long an edit of one of ten thousand servers takes from the write to
// the first request on the new setting, and what the daemon holds before and after. Aim: under 300 ms beyond the debounce.
func TestFiguresReload(t *testing.T) {
	if os.Getenv("BEARERD_FIGURES") == "" {
		t.Skip("set BEARERD_FIGURES=1 to measure")
	}
	if raceEnabled {
		t.Skip("figures of a build with the race detector say nothing")
	}
	const servers, files, rounds = 10_000, 10, 7
	const debounce = 300 * time.Millisecond // 250 ms without an event, and 50 ms between two equal readings
	h := newHome(t)
	o := startOrigin(t, nil)
	folder := h.path("configuration")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := func(file, version int) string {
		var b strings.Builder
		for i := range servers / files {
			fmt.Fprintf(&b, "server \"s%d\" {\n  url = %q\n", file*servers/files+i, o.URL)
			if file == 0 && i == 0 {
				fmt.Fprintf(&b, "  headers = { X-Version = \"%d\" }\n", version)
			}
			b.WriteString("}\n")
		}
		return b.String()
	}
	h.configure()
	head := strings.Replace(readConfiguration(t, h.path("bearerd.hcl")), `path = "state"`, attribute("path", h.path("state")), 1)
	overwrite(t, filepath.Join(folder, "a.hcl"), strings.Replace(head, `"debug"`, `"info"`, 1))
	for file := range files {
		overwrite(t, filepath.Join(folder, fmt.Sprintf("s%d.hcl", file)), text(file, 0))
	}
	for i, v := range h.env {
		if strings.HasPrefix(v, "BEARERD_CONFIG=") {
			h.env[i] = "BEARERD_CONFIG=" + folder
		}
	}
	start := time.Now()
	d := h.daemon()
	t.Logf("%d servers: ready after %s", servers, time.Since(start).Round(time.Millisecond))
	s := h.caller(h.door(), "s0")
	resident := func() float64 { return h.scrape()["process_resident_memory_bytes"] / (1 << 20) }
	first := resident()
	var took []time.Duration
	for v := 1; v <= rounds; v++ {
		path := filepath.Join(folder, "s0.hcl")
		overwrite(t, path+".new", text(0, v))
		start := time.Now()
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		for o.newest() != fmt.Sprint(v) {
			if _, _, err := s.post(t.Context()); err != nil || time.Since(start) > peerPatience {
				t.Fatalf("version %d is not in force: %v\n%s", v, err, d.stderr)
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(start))
	}
	middle := median(took)
	t.Logf("one of them changed: %s from the write to a request on it (of %d, %s to %s), of which %s is not the debounce",
		middle.Round(time.Millisecond), rounds, took[0].Round(time.Millisecond), took[rounds-1].Round(time.Millisecond),
		(middle - debounce).Round(time.Millisecond))
	t.Logf("resident: %.1f MB before, %.1f MB after %d reloads", first, resident(), rounds)
}
