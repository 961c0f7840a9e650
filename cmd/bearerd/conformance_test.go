package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	firstWire = "2025-03-26"

	coreScenarios = `metadata-default metadata-var1 metadata-var2 metadata-var3 basic-cimd
		scope-from-www-authenticate scope-from-scopes-supported scope-omitted-when-undefined scope-step-up scope-retry-limit
		token-endpoint-auth-basic token-endpoint-auth-post token-endpoint-auth-none pre-registration`
	modernScenarios = `resource-mismatch offline-access-scope offline-access-not-supported authorization-server-migration
		iss-supported iss-not-advertised iss-supported-missing iss-wrong-issuer iss-unexpected iss-normalized metadata-issuer-mismatch`
	firstScenarios  = `2025-03-26-oauth-metadata-backcompat 2025-03-26-oauth-endpoint-fallback`
	extensions      = `client-credentials-jwt client-credentials-basic`
	otherExtensions = `enterprise-managed-authorization dpop dpop-nonce wif-jwt-bearer`
)

// The official suite judges what `bearerd run` asks of its MCP server and its authorization server, on behalf of a client that
// knows no OAuth. Every scenario auth/* that the suite has is run, or named here as one that is not.
func TestConformanceAuth(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	t.Parallel()
	node := node22(t)
	for _, set := range []struct{ wire, tag, run, leave string }{
		{wire: legacyWire, run: coreScenarios},
		{wire: modernWire, run: coreScenarios + " " + modernScenarios},
		{wire: firstWire, run: firstScenarios},
		{wire: legacyWire, tag: "extension", run: extensions, leave: otherExtensions},
	} {
		t.Run(strings.TrimSpace(set.wire+" "+set.tag), func(t *testing.T) {
			known := strings.Fields(set.run + " " + set.leave)
			slices.Sort(known)
			if has := suiteHas(t, node, set.wire, set.tag); !slices.Equal(has, known) {
				t.Fatalf("the suite has the scenarios\n%v, this test knows\n%v", has, known)
			}
			for _, scenario := range strings.Fields(set.run) { // one at a time: on few cores the suite times out falsely
				t.Run(scenario, func(t *testing.T) { conformAuth(t, node, scenario, set.wire, set.tag) })
			}
		})
	}
}

// suiteHas lists the scenarios auth/* of a wire, or those with a tag, sorted and without "auth/".
func suiteHas(t *testing.T, node, wire, tag string) (names []string) {
	t.Helper()
	args := []string{"list", "--client"}
	if tag == "" {
		args = append(args, "--spec-version", wire)
	}
	said, err := runSuite(t, node, nil, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, line := range regexp.MustCompile(`(?m)^ *- auth/(\S+) \[(.*)\]$`).FindAllStringSubmatch(said, -1) {
		if tag == "" || line[2] == tag {
			names = append(names, line[1])
		}
	}
	slices.Sort(names)
	return names
}

// conformAuth runs one scenario. A pass is an exit status of 0 and a check that succeeded; a scenario that was skipped has none.
func conformAuth(t *testing.T, node, scenario, wire, tag string) {
	driver, err := filepath.Abs("../../testdata/conformance/auth.mjs")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"client", "--command", "node " + driver, "--scenario", "auth/" + scenario, "--spec-version", wire,
		"--timeout", "60000", "-o", dir}
	if tag != "" {
		args = append(args, "--force") // it belongs to no wire
	}
	verdict, err := runSuite(t, node, []string{"BEARERD=" + program, "PORT=" + port, "VERBOSE=1", raceOptions}, args...)
	results, _ := filepath.Glob(filepath.Join(dir, "auth", "*", "checks.json"))
	if len(results) != 1 {
		t.Fatalf("the scenario was not run: %v\n%s", err, verdict)
	}
	said := readText(t, filepath.Join(filepath.Dir(results[0]), "stderr.txt"))
	if err != nil {
		t.Errorf("the suite exits with %v", err)
	}
	judge(t, readText(t, results[0]))
	judgeLog(t, said)
	if t.Failed() {
		t.Logf("%s\n%s", strings.Replace(verdict, said, "", 1), said) // which has it when the driver has failed
	}
}

func judge(t *testing.T, results string) {
	t.Helper()
	var checks []struct{ ID, Status, ErrorMessage string }
	if err := json.Unmarshal([]byte(results), &checks); err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, c := range checks {
		switch c.Status {
		case "SUCCESS":
			passed++
		case "INFO", "SKIPPED":
		default:
			t.Errorf("%s: %s %s", c.Status, c.ID, c.ErrorMessage)
		}
	}
	if passed == 0 {
		t.Errorf("none of %d checks has succeeded", len(checks))
	}
}

// judgeLog looks for what bearerd must not have said: the suite's tokens, and the code and the state that its browser carried.
func judgeLog(t *testing.T, said string) {
	t.Helper()
	bearerd, browser, _ := strings.Cut(said, "--- browser.log")
	if !strings.Contains(bearerd, "bearerd is ready") {
		t.Error("bearerd's log is missing")
	}
	never := []string{"test-token", "test-auth-code", "DATA RACE", "panic:", "told to end"}
	for _, parameter := range regexp.MustCompile(`[?&](?:code|state)=([^&\s]+)`).FindAllStringSubmatch(browser, -1) {
		never = append(never, parameter[1])
	}
	for _, s := range never {
		if strings.Contains(bearerd, s) {
			t.Errorf("bearerd said %q", s)
		}
	}
}

// runSuite runs the suite's program. An error is its exit status.
func runSuite(t *testing.T, node string, env []string, args ...string) (said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*peerPatience)
	defer cancel()
	suite := filepath.Join(peersDir(t), "node_modules/@modelcontextprotocol/conformance/dist/index.js")
	cmd := exec.CommandContext(ctx, node, append([]string{suite}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { killGroup(cmd.Process.Pid); return nil }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err
}
