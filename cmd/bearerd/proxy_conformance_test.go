package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hasty is the one scenario that gives a server half a second, and says that it failed when the machine was busy.
const hasty = "server-stateless"

// The official suite judges a server, directly and through the proxy of `bearerd run`: each check must end the same. The
// server takes no request without a token there, and the suite knows of none.
func TestProxyConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	t.Parallel()
	node := node22(t)
	for wire, least := range map[string]int{legacyWire: 84, modernWire: 164} {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			direct := suiteTarget{t, node, wire, startSuiteServer(t, wire, false)}
			want := direct.judge()
			if n := passed(want); n < least {
				t.Fatalf("%d checks pass directly, not %d", n, least)
			}
			for _, fast := range []bool{true, false} {
				t.Run(fmt.Sprintf("fast_path %t", fast), func(t *testing.T) {
					through := suiteTarget{t, node, wire, startSuiteProxy(t, wire, fast)}
					got := through.judge()
					t.Logf("%d checks pass directly, %d through the proxy", passed(want), passed(got))
					if !maps.Equal(want[hasty], got[hasty]) {
						want[hasty], got[hasty] = direct.judge(hasty)[hasty], through.judge(hasty)[hasty]
					}
					compare(t, want, got)
				})
			}
		})
	}
}

// startSuiteServer starts a server that has all that the suite asks for. A guarded one wants a token.
func startSuiteServer(t *testing.T, wire string, guarded bool) (url string) {
	return startServer(t, "judged.mjs", map[string]any{"wire": wire, "guarded": guarded})
}

// startSuiteProxy starts bearerd before a guarded server, for callers that have no key.
func startSuiteProxy(t *testing.T, wire string, fast bool) (url string) {
	h := newHome(t)
	_, grant := h.authServer()
	const head = "log { level = \"debug\" }\nstore \"file\" { path = \"state\" }\nadmin { listen = %q }\n" +
		"proxy {\nlisten = %q\nlocal_auth = \"none\"\nfast_path = %t\n}\n"
	h.write("bearerd.hcl", fmt.Sprintf(head, h.admin, h.proxy, fast)+server("judged", attribute("url", startSuiteServer(t, wire, true)), grant))
	h.daemon()
	return "http://" + h.proxy + "/judged"
}

// suiteTarget is a server as the suite reaches it.
type suiteTarget struct {
	t               *testing.T
	node, wire, url string
}

// verdicts are, for each scenario, how often which check ended how.
type verdicts map[string]map[string]int

// judge runs the scenarios that are given, or all that the wire requires and those that it does not score.
func (s suiteTarget) judge(scenarios ...string) verdicts {
	s.t.Helper()
	dir := s.t.TempDir()
	args := []string{"server", "--url", s.url, "-o", dir}
	if scenarios == nil {
		args = append(args, "--requirements", s.wire)
	}
	for _, scenario := range scenarios {
		args = append(args, "--scenario", scenario, "--spec-version", s.wire)
	}
	said, err := runSuite(s.t, s.node, nil, args...)
	if err != nil {
		s.t.Errorf("the suite exits with %v:\n%s", err, said)
	}
	results, _ := filepath.Glob(filepath.Join(dir, "server-*", "checks.json"))
	found := verdicts{}
	for _, result := range results {
		found[scenarioOf(filepath.Base(filepath.Dir(result)))] = readVerdicts(s.t, result)
	}
	return found
}

// scenarioOf is the scenario whose results are in a folder: server-SCENARIO-TIME.
func scenarioOf(folder string) string {
	return regexp.MustCompile(`-\d{4}-\d\d-\d\dT[\d-]+Z$`).ReplaceAllString(strings.TrimPrefix(folder, "server-"), "")
}

// readVerdicts leaves out what is information only: how often that is said depends on how bytes arrive.
func readVerdicts(t *testing.T, path string) map[string]int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var checks []struct{ ID, Name, Status string }
	if err := json.Unmarshal(data, &checks); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, c := range checks {
		if c.Status != "INFO" {
			found[c.Status+" "+c.ID+" "+c.Name]++
		}
	}
	return found
}

func passed(v verdicts) (n int) {
	for _, checks := range v {
		for check, times := range checks {
			if strings.HasPrefix(check, "SUCCESS ") {
				n += times
			}
		}
	}
	return n
}

// compare names each check that ended otherwise through the proxy.
func compare(t *testing.T, direct, through verdicts) {
	t.Helper()
	scenarios := slices.Sorted(maps.Keys(direct))
	if got := slices.Sorted(maps.Keys(through)); !slices.Equal(got, scenarios) {
		t.Errorf("other scenarios were run: directly\n%v, through the proxy\n%v", scenarios, got)
	}
	for _, scenario := range scenarios {
		want, got := direct[scenario], through[scenario]
		both := maps.Clone(want)
		maps.Copy(both, got)
		for _, check := range slices.Sorted(maps.Keys(both)) {
			if want[check] != got[check] {
				t.Errorf("%s: %s: %d times directly, %d times through the proxy", scenario, check, want[check], got[check])
			}
		}
	}
}
