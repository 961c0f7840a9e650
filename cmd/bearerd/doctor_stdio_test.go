package main_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"bearerd/cmd/internal/doctor"
)

// modernStdio is a stdio server that speaks the wire of 2026-07-28 alone.
const modernStdio = `#!/bin/sh
while read -r line; do
  id=$(printf %s "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
  case $line in
  *server/discover*protocolVersion*|*protocolVersion*server/discover*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"supportedVersions":["2026-07-28"]}}' ;;
  *tools/list*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"tools":[{}]}}' ;;
  *) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"Method not found"}}' ;;
  esac
done
`

func TestDoctorKnowsTheModernWireOverStdio(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", h.script("modern", modernStdio)), server("peer", attribute("command", "node"), attribute("args", []string{peersDir(t) + "/modern-stdio.mjs"})))
	h.diagnose("s").well2(t, "MCP 2026-07-28", "1 tool")
	h.diagnose("peer").well2(t, "MCP 2026-07-28", "tools")
}

// well2 expects the two questions to an MCP server to be answered.
func (d diagnosis) well2(t *testing.T, begun, listed string) {
	t.Helper()
	for name, words := range map[string]string{"initialize": begun, "tools/list": listed} {
		if s := d.step(t, name); s.Result != doctor.OK || !strings.Contains(s.Detail, words) {
			t.Errorf("%+v", s)
		}
	}
}

// A cursor that fills the pipe of a server that reads no more does not hold the doctor.
func TestDoctorIsNotHeldByAHugeCursor(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", h.script("x", `#!/bin/sh
read -r line
echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}'
read -r line
read -r line
printf '{"jsonrpc":"2.0","id":2,"result":{"tools":[{}],"nextCursor":"'
head -c 300000 /dev/zero | tr '\0' a
printf '"}}\n'
exec sleep 300
`)))
	h.diagnose().only(t, "tools/list", doctor.Warned, "1 tool", "nextCursor", "4 KiB")
}

// A program that may read its token from a file is not said to be broken because the doctor writes none.
func TestDoctorWritesNoTokenFile(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	reads := strings.Replace(speaks, "#!/bin/sh\n", "#!/bin/sh\n[ -s "+w.path("token")+" ] || exit 3\n", 1)
	w.configure(server("s", w.script("x", reads), attribute("token_file", w.path("token")), w.credentials()))
	d := w.diagnose()
	if s := d.step(t, "initialize"); s.Result != doctor.Skipped || !strings.Contains(s.Detail, "writes none") || d.code != 0 {
		t.Errorf("%+v", s)
	}
	if said := w.run("doctor").stdout; !strings.HasSuffix(said, "\nNo problem is found; 2 steps could not be looked at\n") {
		t.Error(said)
	}
	w.write("token", "canary-of-file")
	if s := w.diagnose().step(t, "initialize"); s.Result != doctor.OK {
		t.Errorf("%+v", s)
	}
}

// A grant that cannot be tried without spending something is not said to be well.
func TestDoctorSaysWhatItHasNotLookedAt(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.write("refresh", "canary-of-refresh")
	w.configure(server("s", w.script("x", speaks), w.credentials(`OAUTH_GRANT_TYPE = "refresh_token"`, `OAUTH_REFRESH_TOKEN = file("refresh")`)))
	w.diagnose().only(t, "token", doctor.Warned, "not spent", "bearerd refresh s")
	if said := w.run("doctor").stdout; strings.Contains(said, "All is well") || strings.Contains(said, "It works") || !strings.Contains(said, "could not be looked at\n") {
		t.Error(said)
	}
}

// What an interruption cuts short is no fault, and no other server is begun.
func TestDoctorInterrupted(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	list := []string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		list = append(list, server(name, h.script("deaf", "#!/bin/sh\nexec sleep 77\n")))
	}
	h.configure(list...)
	cmd := exec.Command(program, "doctor", "--json")
	var said strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout = h.dir, h.env, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a program is started", func() bool {
		for _, line := range h.processes() {
			if strings.Contains(line, "sleep") {
				return true
			}
		}
		return false
	})
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err == nil {
		t.Error("exit code 0")
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(said.String()), &d); err != nil || d.OK {
		t.Fatalf("%v, ok %t: %s", err, d.OK, said.String())
	}
	for _, s := range d.Steps {
		if s.Result == doctor.Failed || s.Server == "e" || s.Server == "f" {
			t.Errorf("%+v", s)
		}
	}
}
