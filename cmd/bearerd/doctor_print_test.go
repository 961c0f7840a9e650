package main

import (
	"strings"
	"testing"

	"bearerd/cmd/internal/doctor"
)

func TestCut(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{{"… initialize", 80, "… initialize"}, {"… initialize", 5, "… ini"}, {"… initialize", -1, ""}} {
		if got := cut(c.line, c.width); got != c.want {
			t.Errorf("%q in %d: %q", c.line, c.width, got)
		}
	}
}

// What was not looked at is not said to be well.
func TestDoctorSummary(t *testing.T) {
	for want, results := range map[string][]doctor.Result{
		"All is well\n":                        {doctor.OK},
		"It works, 1 warning\n":                {doctor.OK, doctor.Warned},
		"1 problem, 2 warnings\n":              {doctor.Failed, doctor.Warned, doctor.Warned},
		"1 problem; 1 step could not":          {doctor.Failed, doctor.Skipped},
		"No problem is found; 2 steps could ":  {doctor.OK, doctor.Skipped, doctor.Skipped},
		"No problem is found, 1 warning; 1 st": {doctor.Warned, doctor.Skipped},
	} {
		var out strings.Builder
		p := newStepPrinter(&out, false)
		for _, r := range results {
			p.ended(doctor.Step{Name: "x", Result: r})
		}
		p.stop()
		if err := p.summary(true); err != nil || !strings.Contains(out.String(), "\n"+want) {
			t.Errorf("%q is not in %q, %v", want, out.String(), err)
		}
	}
}
