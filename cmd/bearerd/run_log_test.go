package main_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Off a terminal every line of run's log is JSON: what is told of the configuration too.
func TestTheLogOfRunIsJSONFromTheFirstLine(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	h.configure(server("s", `url = "https://mcp.example.com/mcp"`, `allow_users = ["root"]`, grant))
	d := h.daemon()
	d.stop()
	warned := false
	for line := range strings.Lines(d.stderr.String()) {
		var said struct {
			Level, Msg, File, Remedy string
			Line                     int
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		if strings.Contains(said.Msg, "allow_users has no effect") {
			warned = said.Level == "WARN" && said.File == h.path("bearerd.hcl") && said.Line == 7 && said.Remedy != ""
		}
	}
	if !warned {
		t.Errorf("no warning about allow_users with its place and remedy:\n%s", d.stderr)
	}
}
