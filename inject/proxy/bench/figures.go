//go:build unix

package main

import (
	"fmt"
	"slices"
)

// spread is what several measurements of one thing gave.
type spread struct{ Median, Least, Most float64 }

// spreadOf leaves values as they are. Of none it is zero.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	s := spread{sorted[middle], sorted[0], sorted[len(sorted)-1]}
	if len(sorted)%2 == 0 {
		s.Median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return s
}

// over is the spread in another unit.
func (s spread) over(unit float64) spread {
	return spread{s.Median / unit, s.Least / unit, s.Most / unit}
}

// text prints it with a number of decimals: median [least–most].
func (s spread) text(decimals int) string {
	return fmt.Sprintf("%.*f [%.*f–%.*f]", decimals, s.Median, decimals, s.Least, decimals, s.Most)
}

// spreadIn collects one value of each sample that is wanted.
func spreadIn[S any](samples []S, wanted func(S) bool, value func(S) float64) spread {
	var values []float64
	for _, s := range samples {
		if wanted(s) {
			values = append(values, value(s))
		}
	}
	return spreadOf(values)
}

// cell sums up the samples of one target for one kind of answer and number of connections.
type cell struct {
	Kind, Target       string
	Connections        int
	Rate               spread // answers a second
	Ratio              spread // of that rate to the one of nginx in the same turn
	P50, P99           spread // microseconds
	AddedP50, AddedP99 spread // over direct in the same turn
	CPU                spread // microseconds of the proxy's for each answer
	Failed             int    // answers in all turns
}

// cells sums up all samples, in the order in which they are printed.
func (r *report) cells() (all []cell) {
	for _, kind := range kinds {
		for _, conns := range connections {
			for _, name := range targets {
				all = append(all, r.cell(kind, conns, name))
			}
		}
	}
	return all
}

func (r *report) cell(kind string, conns int, name string) cell {
	wanted := func(s sample) bool { return s.Kind == kind && s.Connections == conns && s.Target == name }
	rate, cpu := func(s sample) float64 { return s.Rate }, func(s sample) float64 { return s.CPU }
	p50, p99 := func(s sample) float64 { return s.P50 }, func(s sample) float64 { return s.P99 }
	more := func(of func(sample) float64) spread {
		return against(r.Samples, wanted, "direct", func(this, that sample) float64 { return of(this) - of(that) })
	}
	c := cell{
		Kind: kind, Target: name, Connections: conns,
		Rate: spreadIn(r.Samples, wanted, rate), CPU: spreadIn(r.Samples, wanted, cpu),
		Ratio: against(r.Samples, wanted, "nginx", func(this, that sample) float64 { return this.Rate / that.Rate }),
		P50:   spreadIn(r.Samples, wanted, p50), AddedP50: more(p50),
		P99: spreadIn(r.Samples, wanted, p99), AddedP99: more(p99),
	}
	for _, s := range r.Samples {
		if wanted(s) {
			c.Failed += s.Failed
		}
	}
	return c
}

// against compares each sample that is wanted with the one of another target in the same turn, all else being the same.
func against(samples []sample, wanted func(sample) bool, other string, compare func(this, that sample) float64) spread {
	var values []float64
	for _, this := range samples {
		if !wanted(this) {
			continue
		}
		at := slices.IndexFunc(samples, func(s sample) bool {
			return s.Target == other && s.Kind == this.Kind && s.Connections == this.Connections && s.Turn == this.Turn
		})
		if at >= 0 {
			values = append(values, compare(this, samples[at]))
		}
	}
	return spreadOf(values)
}
