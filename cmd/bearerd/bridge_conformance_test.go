package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// The official suite judges what reaches its servers, from the same client with and without `bearerd exec` between: where it
// passes without, it must pass with it.
func TestBridgeConformance(t *testing.T) {
	t.Parallel()
	node := node22(t)
	for _, scenario := range []struct{ name, wire string }{
		{"initialize", legacyWire},
		{"tools_call", legacyWire},
		{"elicitation-sep1034-client-defaults", legacyWire},
		{"sse-retry", legacyWire},
		{"request-metadata", modernWire},
	} {
		for way, through := range map[string]string{"direct": "", "exec": program} {
			t.Run(scenario.name+" "+way, func(t *testing.T) { // one at a time: some measure time
				said, err := conform(t, node, through, scenario.name, scenario.wire)
				if err != nil || !strings.Contains(said, "0 failed, 0 warnings") {
					t.Errorf("%v\n%s", err, said)
				}
			})
		}
	}
}

// conform runs one scenario. An error is a check that failed, or a warning. A scenario that was skipped gives no error.
func conform(t *testing.T, node, through, scenario, wire string) (said string, err error) {
	t.Helper()
	driver, err := filepath.Abs("../../testdata/conformance/driver.mjs")
	if err != nil {
		t.Fatal(err)
	}
	return runSuite(t, node, []string{"BEARERD=" + through, raceOptions}, "client", "--command", "node "+driver, "--scenario", scenario,
		"--spec-version", wire, "--timeout", "30000", "-o", t.TempDir())
}
