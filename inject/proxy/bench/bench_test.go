//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		want   spread
	}{
		"none": {nil, spread{}},
		"one":  {[]float64{3}, spread{3, 3, 3}},
		"odd":  {[]float64{9, 1, 5}, spread{5, 1, 9}},
		"even": {[]float64{4, 1, 9, 2}, spread{3, 1, 9}},
	} {
		before := slices.Clone(tt.values)
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if !slices.Equal(before, tt.values) {
			t.Errorf("%s: the values were changed to %v", name, tt.values)
		}
	}
	if got := (spread{1500, 1000, 2000}).over(1000).text(1); got != "1.5 [1.0–2.0]" {
		t.Errorf("it is printed %q", got)
	}
}

// A cell compares with what was measured in the same turn: over all turns the ratios here would be another.
func TestCellComparesWithinTurns(t *testing.T) {
	r := &report{Samples: []sample{
		{Kind: "small", Connections: 32, Target: "nginx", Turn: 0, Rate: 100, P50: 50},
		{Kind: "small", Connections: 32, Target: "nginx", Turn: 1, Rate: 1000, P50: 5},
		{Kind: "small", Connections: 32, Target: "bearerd", Turn: 0, Rate: 80, P50: 70, P99: 90, CPU: 7, Failed: 1},
		{Kind: "small", Connections: 32, Target: "bearerd", Turn: 1, Rate: 500, P50: 30, P99: 80, CPU: 9, Failed: 2},
		{Kind: "small", Connections: 32, Target: "direct", Turn: 1, P50: 1, P99: 8},
		{Kind: "small", Connections: 32, Target: "direct", Turn: 0, P50: 10, P99: 10},
		{Kind: "large", Connections: 32, Target: "nginx", Turn: 0, Rate: 1},
		{Kind: "small", Connections: 1, Target: "bearerd", Turn: 0, Rate: 7, Failed: 100},
	}}
	want := cell{
		Kind: "small", Target: "bearerd", Connections: 32, Rate: spread{290, 80, 500}, Ratio: spread{0.65, 0.5, 0.8},
		P50: spread{50, 30, 70}, AddedP50: spread{44.5, 29, 60}, P99: spread{85, 80, 90}, AddedP99: spread{76, 72, 80},
		CPU: spread{8, 7, 9}, Failed: 3,
	}
	if got := r.cell("small", 32, "bearerd"); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if n := len(r.cells()); n != len(kinds)*len(connections)*len(targets) {
		t.Errorf("there are %d cells", n)
	}
}

func TestPrint(t *testing.T) {
	r := &report{Turns: 5, Seconds: 2, Samples: []sample{
		{Kind: "large", Connections: 256, Target: "nginx", Rate: 2000, P50: 1000},
		{Kind: "large", Connections: 256, Target: "direct", Rate: 4000, P50: 250},
		{Kind: "large", Connections: 256, Target: "bearerd", Rate: 1000, P50: 1250, CPU: 61, Resident: 20 << 10},
	}, Streams: []streamSample{{Target: "bearerd", Rest: 10 << 10, PerOne: 22}}}
	var out strings.Builder
	r.print(&out)
	for _, cells := range [][]string{
		{"256", "bearerd", "1000", "0.50 [0.50–0.50]", "1.25", "1.00 [1.00–1.00]", "61 [61–61]"},
		{"bearerd", "10.0 [10.0–10.0]", "22.0 [22.0–22.0]", "20.0"},
	} {
		found := slices.ContainsFunc(strings.Split(out.String(), "\n"), func(line string) bool {
			return !slices.ContainsFunc(cells, func(cell string) bool { return !strings.Contains(line, " "+cell+" ") })
		})
		if !found {
			t.Errorf("no row has %q:\n%s", cells, out.String())
		}
	}
}

func TestAnswersHaveTheirSizes(t *testing.T) {
	if len(callBody) != 108 || len(rpcAnswer(smallSize)) != 176 || largeSize%2048 != 0 {
		t.Errorf("the request has %d bytes, the small answer %d", len(callBody), len(rpcAnswer(smallSize)))
	}
}

func TestMissingProgramsAreNamed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for _, name := range []string{"nginx", "wrk"} {
		if _, err := os.Stat("/usr/sbin/" + name); err == nil {
			continue // complete adds that folder
		}
		set := settings{bearerd: filepath.Join(dir, "bearerd"), peers: dir, remote: true}
		err := set.complete()
		if err == nil || !strings.Contains(err.Error(), name+" (on Debian: apt-get install ") || !strings.Contains(err.Error(), "make build") ||
			!strings.Contains(err.Error(), "Node.js") || !strings.Contains(err.Error(), "make peers") {
			t.Errorf("the error is %v", err)
		}
	}
}

// What a process uses is read of this one: it has used some.
func TestUse(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux has /proc")
	}
	me := []int{os.Getpid()}
	before, err := processorTime(me)
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after < before+30_000; { // three ticks
		if after, err = processorTime(me); err != nil {
			t.Fatal(err)
		}
	}
	if kib, err := resident(me); err != nil || kib < 1<<10 || kib > 4<<20 {
		t.Errorf("this process holds %.0f KiB, %v", kib, err)
	}
	if _, err := processorTime([]int{1 << 30}); err == nil {
		t.Error("a process that is not there has used no time")
	}
}

// An answer that is not 2xx ends the run.
func TestFailedAnswersAreErrors(t *testing.T) {
	for _, name := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	s, err := newStack()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.startNginx("upstream", "server { listen "+address+"; location = /good { return 200 x; } location = /bad { return 502; } }")
	if err != nil {
		t.Fatal(err)
	}
	target := &target{name: "nginx", process: p, routes: map[string]route{
		"good": {"http://" + address + "/good", fixedToken}, "bad": {"http://" + address + "/bad", fixedToken},
	}}
	err = await(t.Context(), func() error {
		_, err := target.routes["good"].fetch(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err, s.logs())
	}
	if got, err := s.load(context.Background(), target, "good", 2, 1); err != nil || got.Rate < 100 || got.P50 <= 0 || got.P99 < got.P50 || got.CPU <= 0 {
		t.Errorf("good answers: %+v, %v", got, err)
	}
	if got, err := s.load(context.Background(), target, "bad", 2, 1); err == nil || got.Failed == 0 {
		t.Errorf("bad answers: %+v, %v", got, err)
	}
}
