package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkExecCached measures what `bearerd exec` with a cached token adds before its child runs: the child tells the
// time at which it was started. Aim: under 20 ms.
func BenchmarkExecCached(b *testing.B) {
	needPlain(b)
	h := newHome(b)
	_, grant := h.authServer()
	h.configure(server("s", `command = "date"`, `args = ["+%s%N"]`, grant))
	h.token("s")
	var direct, through []time.Duration
	for b.Loop() {
		direct = append(direct, untilChild(b, exec.Command("date", "+%s%N")))
		through = append(through, untilChild(b, h.command(b.Context(), "exec", "s")))
	}
	b.ReportMetric(milliseconds(median(direct)), "direct-ms")
	b.ReportMetric(milliseconds(median(through)), "exec-ms")
	b.ReportMetric(milliseconds(median(through)-median(direct)), "added-ms")
}

// untilChild starts a command and gives the time until its child printed the clock.
func untilChild(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	var out bytes.Buffer
	cmd.Stdout = &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(out.String()), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Unix(0, nanoseconds).Sub(start)
}

// BenchmarkResidentMemory measures `bearerd run` once every server has its token. Aims: 16 MB and 64 MB.
func BenchmarkResidentMemory(b *testing.B) {
	needPlain(b)
	for _, n := range []int{1, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var resident []float64
			for b.Loop() {
				resident = append(resident, residentWith(b, n))
			}
			b.ReportMetric(median(resident), "MB")
		})
	}
}

func residentWith(b *testing.B, n int) (megabytes float64) {
	b.Helper()
	h := newHome(b)
	as, grant := h.authServer()
	servers := make([]string, n)
	for i := range servers {
		servers[i] = server(fmt.Sprintf("s%d", i), `url = "http://127.0.0.1:1/mcp"`, grant)
	}
	h.configure(servers...)
	h.write("bearerd.hcl", strings.Replace(readFile(b, h.path("bearerd.hcl")), `level = "debug"`, `level = "info"`, 1))
	d := h.daemon()
	eventually(b, "every server has its token", func() bool { return h.metricsOfAll()["active_tokens"] == float64(n) })
	if len(as.Requests()) != n {
		b.Errorf("%d token requests for %d servers", len(as.Requests()), n)
	}
	status := readFile(b, fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	_, after, _ := strings.Cut(status, "VmRSS:")
	kilobytes, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	d.stop()
	return kilobytes / 1024
}

func needPlain(b *testing.B) {
	if raceEnabled {
		b.Skip("figures of a build with the race detector say nothing")
	}
}

func readFile(b *testing.B, path string) string {
	b.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median[T time.Duration | float64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
