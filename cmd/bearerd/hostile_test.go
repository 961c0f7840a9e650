package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scripted is a server that is a shell script.
func scripted(script string) string {
	b, _ := json.Marshal([]string{"-c", script})
	return "command = \"sh\"\nargs = " + strings.ReplaceAll(string(b), "${", "$${") + "\nstop_grace = \"300ms\"\nkill_grace = \"300ms\""
}

// jsonLines fails where stdout holds something else than whole JSON-RPC messages.
func (r *running) jsonLines() (n int) {
	r.t.Helper()
	text := r.stdout.String()
	if text != "" && !strings.HasSuffix(text, "\n") {
		r.t.Errorf("stdout ends within a line: %q", text)
	}
	for line := range strings.Lines(text) {
		var message struct{ JSONRPC string }
		if err := json.Unmarshal([]byte(line), &message); err != nil || message.JSONRPC != "2.0" {
			r.t.Errorf("stdout has %q", line)
		}
		n++
	}
	return n
}

// Each server misbehaves in its own way; exec ends in time, with the right code, and leaves no process.
func TestHostileEnds(t *testing.T) {
	t.Parallel()
	closeStdin := func(r *running) { r.stdin.Close() }
	terminate := func(r *running) { r.signal(syscall.SIGTERM) }
	byItself := func(*running) {}
	const deaf = "trap '' TERM; echo ready >&2; while :; do sleep 1; done"
	for _, tt := range []struct {
		name, script string
		end          func(*running)
		code         int
		within       time.Duration
	}{
		{"ignores SIGTERM, input ends", deaf, closeStdin, 128 + 9, 5 * time.Second},
		{"ignores SIGTERM, SIGTERM", deaf, terminate, 128 + 9, 5 * time.Second},
		{"double fork, input ends",
			"(setsid sleep 300 &) ; (setsid sh -c 'trap \"\" TERM; sleep 301; sleep 302' &) ; echo ready >&2; cat >/dev/null",
			closeStdin, 0, 6 * time.Second},
		{"double fork, ends",
			"(setsid sleep 300 &) ; (setsid sh -c 'sleep 301 & sleep 302' &) ; sleep 0.2; echo ready >&2; exit 4",
			byItself, 4, 6 * time.Second},
		{"a grandchild keeps stdout, ends", "sleep 300 & echo ready >&2; exit 0", byItself, 0, 4 * time.Second},
		{"a grandchild of its own session keeps stdout", "setsid sleep 300 & sleep 0.2; echo ready >&2; exit 0", byItself, 0, 4 * time.Second},
		{"never answers, input ends", "echo ready >&2; sleep 300", closeStdin, 128 + 15, 5 * time.Second},
		{"never reads, SIGTERM", "echo ready >&2; sleep 300", terminate, 128 + 15, 5 * time.Second},
		{"exits at once", "echo ready >&2; exit 3", byItself, 3, 4 * time.Second},
		{"half a line and dies", `read line; echo ready >&2; printf '{"jsonrpc":"2.0","id":1,"resu'; exit 6`, byItself, 6, 4 * time.Second},
		{"half a line and is killed", `read line; echo ready >&2; printf '{"jsonrpc":"2.0","id":1,"resu'; kill -9 $$`,
			byItself, 128 + 9, 4 * time.Second},
		{"closes its stdout and lives", "echo ready >&2; exec 1>&-; cat >/dev/null; sleep 300", closeStdin, 128 + 15, 5 * time.Second},
		{"stops itself", "echo ready >&2; kill -STOP $$", closeStdin, 128 + 9, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("setsid"); err != nil && strings.Contains(tt.script, "setsid") {
				t.Skip("there is no setsid here")
			}
			h := newHome(t)
			h.configure(server("s", scripted(tt.script)))
			r := h.start("exec", "s")
			if _, err := r.stdin.Write([]byte(helloLine)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the server runs", func() bool { return strings.Contains(r.stderr.String(), "ready") })
			start := time.Now()
			tt.end(r)
			if code := r.wait(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if took := time.Since(start); took > tt.within {
				t.Errorf("it took %s, want at most %s", took, tt.within)
			}
			if left := h.processes(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			r.jsonLines()
		})
	}
}

// What is no JSON on stdout does not reach the client; the session works.
func TestHostileStdout(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	script := "(until [ -e " + h.path("go") + " ]; do sleep 0.05; done; echo 'Listening on port 7'; echo; echo '{\"half\":') & " +
		"exec node " + peersDir(t) + "/modern-stdio.mjs"
	h.configure(server("s", scripted(script), `env = { PEER_WIRE = "`+legacyWire+`" }`))
	c := h.goClient("s", legacyWire)
	c.who()
	h.write("go", "")
	for _, want := range []string{"[s] Listening on port 7\n", "[s] {\"half\":\n"} {
		eventually(t, want+" is on stderr", func() bool { return strings.Contains("\n"+c.stderr.String(), "\n"+want) })
	}
	c.who()
	c.close()
}

// A flood on stderr neither stops the server nor fills bearerd.
func TestHostileStderrFlood(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	script := "yes 'a line of noise' >&2 & (head -c 50000000 /dev/zero | tr '\\0' x) >&2 & exec node " + peersDir(t) + "/modern-stdio.mjs"
	h.configure(server("s", scripted(script), `env = { PEER_WIRE = "`+legacyWire+`" }`))
	c := h.goClient("s", legacyWire)
	start := time.Now()
	pid := h.execOf(c.who().PID)
	for time.Since(start) < 3*time.Second {
		c.who()
		time.Sleep(50 * time.Millisecond)
	}
	lines, took := strings.Count(c.stderr.String(), "\n"), time.Since(start)
	if most := 250*(int(took.Seconds())+2) + 100; lines > most {
		t.Errorf("%d lines in %s, want at most %d", lines, took, most)
	}
	if !strings.Contains(c.stderr.String(), "dropped") {
		t.Error("nothing says that lines were dropped")
	}
	if kib := residentKiB(t, pid); !raceEnabled && kib > 40<<10 {
		t.Errorf("exec holds %d KiB", kib)
	}
	c.close()
	h.nothingRuns()
}

func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.Atoi(strings.Fields(after)[0])
	return kib
}

// A server that prints its token, in whatever form, does not bring it into anybody's log.
func TestHostileTokenPrinter(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, as, grant := h.startLedger(time.Hour)
	script := `t=$OAUTH_ACCESS_TOKEN
echo "plain $t" >&2
printf 'colour %s\033[31m%s\033[0m\n' "${t%??????????}" "${t#"${t%??????????}"}" >&2
printf 'base64 %s\n' "$(printf %s "$t" | base64 -w0)" >&2
printf 'bearer %s\n' "$(printf %s "Bearer $t" | base64 -w0)" >&2
printf '%8180s%s\n' cut "$t" >&2
echo "secret $API_KEY" >&2
echo "stdout $t"
echo ready >&2
cat >/dev/null`
	h.write("key", "canary /of&the+server\n")
	h.private("canary /of&the+server")
	h.configure(server("s", scripted(script), `env = { API_KEY = file("key") }`, grant))
	r := h.start("exec", "s")
	if _, err := r.stdin.Write([]byte(helloLine)); err != nil { // a client that says nothing may be none, and gets all there is
		t.Fatal(err)
	}
	eventually(t, "the server has printed", func() bool { return strings.Contains(r.stderr.String(), "ready") })
	r.stdin.Close()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := r.jsonLines(); n != 0 {
		t.Errorf("stdout has %q", r.stdout)
	}
	said := r.stderr.String()
	for _, want := range []string{"plain", "colour", "base64", "secret", "stdout"} {
		if !strings.Contains(said, "[s] "+want+" [masked]") {
			t.Errorf("stderr lacks the masked line %s", want)
		}
	}
	for line := range strings.Lines(said) { // of some characters at its edges base64 does not say much
		if strings.HasPrefix(line, "[s] bearer") && !strings.Contains(line, "[masked]") {
			t.Errorf("stderr has %q", line)
		}
	}
	if len(as.Requests()) == 0 || strings.Contains(said, "\x1b") {
		t.Error("no token was asked for, or a control character was passed on")
	}
}
