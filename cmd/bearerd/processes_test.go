package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// Many processes that start at once on a folder where nothing is yet make one token request, and all are served.
func TestManyProcessesOneTokenRequest(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"exec": {"exec", "s"}, "token": {"token", "s", "--show"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			as, grant := h.authServer()
			h.configure(server("s", `command = "sh"`, `args = ["-c", "echo $OAUTH_ACCESS_TOKEN"]`, grant))
			tokens := make([]string, 15)
			var wg sync.WaitGroup
			for i := range tokens {
				wg.Go(func() {
					r := h.run(args...)
					if tokens[i] = strings.TrimSpace(r.stdout); r.code != 0 {
						t.Errorf("exit code %d: %s", r.code, r.stderr)
					}
				})
			}
			wg.Wait()
			h.private(tokens[0])
			for _, token := range tokens {
				if _, active := as.Introspect(token); !active || token != tokens[0] {
					t.Error("a process was given another token, or none")
				}
			}
			if n := len(as.Requests()); n != 1 {
				t.Errorf("%d token requests, want 1", n)
			}
		})
	}
}

func TestSecondRunNamesTheFirst(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	h.configure(server("s", nothing, grant))
	d := h.daemon()
	said := h.fails(1, "run")
	if !strings.Contains(said, "pid "+strconv.Itoa(d.cmd.Process.Pid)) || !strings.Contains(said, h.path("state")) {
		t.Errorf("the second run says %q", said)
	}
	h.ok("status") // the first one is not disturbed
	d.stop()
	h.daemon().stop() // and its end frees the folder
}

// Every command does the same with a daemon, over its socket, and without.
func TestCommandsWithAndWithoutDaemon(t *testing.T) {
	t.Parallel()
	for _, withDaemon := range []bool{true, false} {
		t.Run(fmt.Sprintf("daemon=%t", withDaemon), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			as, grant := h.authServer()
			h.configure(server("s", nothing, grant))
			if withDaemon {
				pid := h.daemon().cmd.Process.Pid
				if said := h.ok("status"); !strings.Contains(said, "pid "+strconv.Itoa(pid)) {
					t.Errorf("status says %q", said)
				}
				if info, err := os.Stat(h.path("state/bearerd.sock")); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("the socket: %v %v", info, err)
				}
			} else if said := h.ok("status"); !strings.Contains(said, "No daemon") || !strings.Contains(said, "pending") {
				t.Errorf("status says %q", said)
			}
			everyCommand(t, h, as, withDaemon)
		})
	}
}

func everyCommand(t *testing.T, h *home, as *oauthtest.Server, withDaemon bool) {
	t.Helper()
	first := h.token("s")
	if again := h.token("s"); again != first {
		t.Error("token gave another one while the first was fresh")
	}
	if line := h.ok("token", "s", "--header"); line != "Authorization: Bearer "+first {
		t.Error("--header prints no Authorization line with the token")
	}
	if said := h.ok("token", "s"); strings.Contains(said, first[:6]) || !strings.Contains(said, "is valid, expires in") {
		t.Errorf("token says %q", said)
	}
	h.ok("refresh", "s")
	second := h.token("s")
	if second == first {
		t.Error("refresh gave no new token")
	}
	if said := h.ok("invalidate", "s"); !strings.Contains(said, "s: ") {
		t.Errorf("invalidate says %q", said)
	}
	third := h.token("s")
	if third == second {
		t.Error("invalidate did not drop the token")
	}
	if _, active := as.Introspect(second); !active {
		t.Error("invalidate revoked the token")
	}
	if said := h.fails(1, "revoke", "s"); !strings.Contains(said, "Token revocation not configured") {
		t.Errorf("revoke without OAUTH_REVOCATION_URL says %q", said)
	}
	for _, name := range []string{"token", "refresh", "invalidate", "revoke", "status", "metrics"} {
		if said := h.fails(1, name, "nobody"); !strings.Contains(said, `"nobody"`) {
			t.Errorf("%s nobody says %q", name, said)
		}
	}
	m := h.metrics("s")
	if withDaemon && (m["token_acquisitions_success"] != 3 || m["token_invalidations"] < 1 || m["token_cache_hits"] < 1) {
		t.Errorf("metrics: %v", m)
	}
	if n := len(as.Requests()); n != 3 {
		t.Errorf("%d token requests, want 3", n)
	}
}

// What was acquired before a restart is used after it.
func TestTokenSurvivesRestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	h.configure(server("s", nothing, grant))
	d := h.daemon()
	token := h.token("s")
	d.stop()
	if h.token("s") != token {
		t.Error("without the daemon the token is another one")
	}
	h.daemon()
	if h.token("s") != token {
		t.Error("after a restart the token is another one")
	}
	if n := len(as.Requests()); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}
