package main_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bearerd/secrets/sealed"
)

// TestSoakFile: a daemon and three `bearerd exec` share a refresh token in one state folder.
func TestSoakFile(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	r := newRace(t, 3)
	r.mayLeave = 2
	h := newHome(t)
	r.record = func() raceRecord { return recordInFolder(r, h) }
	grant := raceGrant(h, r.provider, r.supply)
	h.configure(server(raceServer, nothing, grant))
	r.runners = append(r.runners, &runner{race: r, h: h, name: "run", args: []string{"run"}, folder: h.path("state"),
		valid: func() bool { return isReady(h.admin) }})
	for i := range 3 {
		name := fmt.Sprint("exec", i)
		file := h.path(name + ".token")
		head := "log { level = \"debug\" }\nstore \"file\" { path = \"state\" }\n"
		config := h.write(name+".hcl", head+server(raceServer, `command = "cat"`, attribute("token_file", file), grant))
		args := []string{"-c", config, "exec", raceServer}
		r.runners = append(r.runners, &runner{race: r, h: h, name: name, args: args, folder: h.path("state"),
			valid: func() bool { return isActive(r, file) }})
	}
	r.run()
}

// isActive reports whether the token in a file is alive at the provider.
func isActive(r *race, file string) bool {
	b, err := os.ReadFile(file)
	token := strings.TrimSpace(string(b))
	return err == nil && token != "" && r.provider.Active(r.t, token)
}

func recordInFolder(r *race, h *home) (record raceRecord) {
	s, err := sealed.Open(h.path("state"), nil, nil)
	if err != nil {
		r.t.Error(err)
		return record
	}
	b, _, err := s.Get(r.t.Context(), "grant/"+raceServer)
	if err != nil {
		r.t.Error(err)
		return record
	}
	return r.private(decodeRecord(r.t, b))
}
