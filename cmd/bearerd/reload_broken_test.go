package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// A broken file changes nothing, wherever it is broken: traffic goes on with the same token, and log, status and metrics say
// what is wrong until it is mended.
func TestBrokenFileChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	o := startOrigin(t, nil)
	h.configure(server("a", attribute("url", o.URL), grant), server("b", attribute("url", o.URL), grant))
	good := readConfiguration(t, h.path("bearerd.hcl"))
	h.daemon()
	door := h.door()
	stop := busy(t, 4, h.caller(door, "a"), h.caller(door, "b"))
	token, requests := h.token("a"), len(as.Requests())
	for name, tt := range broken(good) {
		h.write("bearerd.hcl", tt.text)
		eventually(t, name+" was refused", func() bool { return h.scrape()[lastReloadOK] == 0 })
		place := fmt.Sprintf("bearerd.hcl:%d", tt.line)
		if said := h.ok("status"); !strings.Contains(said, "not in force") || !strings.Contains(said, place) {
			t.Errorf("%s: status does not say %s:\n%s", name, place, said)
		}
		if said := h.fails(1, "reload"); !strings.Contains(said, place) {
			t.Errorf("%s: reload does not say %s:\n%s", name, place, said)
		}
		if said := h.fails(1, "plan"); !strings.Contains(said, place) {
			t.Errorf("%s: plan does not say %s:\n%s", name, place, said)
		}
		if again := h.token("a"); again != token {
			t.Errorf("%s: the token is another one", name)
		}
		h.write("bearerd.hcl", good)
		eventually(t, name+" was mended", func() bool { return h.scrape()[lastReloadOK] == 1 })
		if said := h.ok("status"); strings.Contains(said, "not in force") {
			t.Errorf("%s: after it was mended, status says:\n%s", name, said)
		}
	}
	if n := stop(); n < 100 {
		t.Errorf("there were only %d requests", n)
	}
	if m := h.scrape(); m[reloadsTotal] != 0 || len(as.Requests()) != requests {
		t.Errorf("%v reloads changed something; %d token requests, %d before", m[reloadsTotal], len(as.Requests()), requests)
	}
}

type wrong struct {
	text string
	line int // where it is said to be wrong
}

// broken are ways to break a configuration. Each would also change server a, add one and remove b, were a part of it applied.
func broken(good string) map[string]wrong {
	edited := strings.Replace(good, "server \"a\" {", "server \"added\" {\ncommand = \"true\"\n}\nserver \"a\" {\nheaders = { X = \"1\" }", 1)
	edited, b, _ := strings.Cut(edited, "server \"b\" {")
	end := strings.Count(edited, "\n") + 1 // the line after what is left
	open, _, _ := strings.Cut(edited, "oauth_config {")
	half := strings.Count(open, "\n") + 1
	return map[string]wrong{
		"cut in a block":      {edited[:strings.Index(edited, "enabled = true")], half},
		"an unknown block":    {edited + "sever \"b\" {\n}\n", end},
		"an unknown field":    {edited + "server \"b\" {\ncomand = \"true\"\n}\n", end + 1},
		"a name twice":        {edited + "server \"a\" {\ncommand = \"true\"\n}\n", end},
		"no delivery":         {edited + "server \"b\" {\n}\n", end},
		"a wrong value":       {edited + "server \"b\" {\n" + strings.Replace(b, "enabled = true", "enabled = \"perhaps\"", 1), lineOf(edited+"server \"b\" {\n"+b, b, "enabled = true")},
		"an address in use":   {edited + "server \"b\" {\nurl = \"http://127.0.0.1:1/\"\nlisten = \"nonsense\"\n}\n", end + 2},
		"no HCL":              {edited + "{}[]\n", end},
		"plain http for 2.1":  {edited + "server \"b\" {\n" + strings.Replace(b, "https://", "http://", 1), lineOf(edited+"server \"b\" {\n"+b, b, "OAUTH_TOKEN_URL")},
		"an interpolated ref": {edited + "server \"b\" {\ncommand = \"true\"\nargs = [\"${env(\"X\")}\"]\n}\n", end + 2},
	}
}

// lineOf is the line of text in whole, of which part is the end.
func lineOf(whole, part, text string) int {
	at := strings.LastIndex(whole, part) + strings.Index(part, text)
	return strings.Count(whole[:at], "\n") + 1
}

// An edit that needs a restart is refused whole, and named.
func TestRestartIsNeeded(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	o := startOrigin(t, nil)
	before := server("s", attribute("url", o.URL))
	h.configure(before)
	good := readConfiguration(t, h.path("bearerd.hcl"))
	h.daemon()
	s := h.caller(h.door(), "s")
	edited := strings.Replace(good, before, server("s", attribute("url", o.URL), `headers = { X-Version = "2" }`), 1)
	for name, text := range map[string]string{
		`store "file": path`: strings.Replace(edited, `path = "state"`, `path = "elsewhere"`, 1),
		"admin: listen":      strings.Replace(edited, h.admin, freeAddress(t), 1),
		"vault: address":     edited + "vault {\naddress = \"https://127.0.0.1:1\"\nauth \"token\" { token = env(\"X\") }\n}\n",
	} {
		h.write("bearerd.hcl", text)
		eventually(t, name+" was refused", func() bool { return h.scrape()[lastReloadOK] == 0 })
		if name != `store "file": path` { // by which the commands find the daemon
			if said := h.ok("status"); !strings.Contains(said, name) || !strings.Contains(said, "restart") {
				t.Errorf("%s: status says\n%s", name, said)
			}
			if said := h.fails(1, "reload"); !strings.Contains(said, name) || !strings.Contains(said, "restart") {
				t.Errorf("%s: reload says\n%s", name, said)
			}
			if r := h.run("plan"); r.code != 1 || !strings.Contains(r.stdout, name) || !strings.Contains(r.stdout, "headers.X-Version") {
				t.Errorf("%s: plan says %+v", name, r)
			}
		}
		if status, _, err := s.post(t.Context()); err != nil || status != 200 || o.newest() != "" {
			t.Errorf("%s: a part of the edit is in force: %q (%d, %v)", name, o.newest(), status, err)
		}
		h.write("bearerd.hcl", good)
		eventually(t, name+" was taken back", func() bool { return h.scrape()[lastReloadOK] == 1 })
	}
	h.write("bearerd.hcl", edited)
	eventually(t, "the rest of the edit is in force", func() bool { return h.scrape()[reloadsTotal] == 1 })
	if _, _, err := s.post(t.Context()); err != nil || o.newest() != "2" {
		t.Errorf("the header is %q, %v", o.newest(), err)
	}
}

// A renamed server keeps its token; that of a removed one is dropped, and revoked where it says so.
func TestRenamedAndRemovedServers(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	revocation := strings.Replace(grant, "enabled = true", "enabled = true\n"+attribute("OAUTH_REVOCATION_URL", as.RevocationURL()), 1)
	stays := server("stays", nothing, grant)
	h.configure(stays, server("old", nothing, grant), server("dropped", nothing, grant),
		server("revoked", nothing, "revoke_on_shutdown = true", revocation))
	h.daemon()
	kept, dropped, revoked := h.token("old"), h.token("dropped"), h.token("revoked")
	staying, requests := h.token("stays"), len(as.Requests())

	h.apply(stays, server("new", nothing, `moved_from = "old"`, grant))
	eventually(t, "the token is revoked", func() bool { _, active := as.Introspect(revoked); return !active })
	if h.token("new") != kept || h.token("stays") != staying {
		t.Error("after the rename the token is another one")
	}
	for _, token := range []string{kept, dropped} {
		if _, active := as.Introspect(token); !active {
			t.Error("a token was revoked that nobody asked to revoke")
		}
	}
	for _, name := range []string{"old", "dropped"} {
		if said := h.fails(1, "token", name); !strings.Contains(said, "not in the configuration") {
			t.Errorf("token %s says %q", name, said)
		}
		eventually(t, "no token of "+name+" is stored", func() bool { return !stored(t, h, name) })
	}
	if !stored(t, h, "new") || !stored(t, h, "stays") {
		t.Error("the record of a server that is there was dropped too")
	}
	asked := 0
	for _, r := range as.Requests()[requests:] {
		if r.Path == "/token" {
			asked++
		}
	}
	if asked > 0 {
		t.Errorf("%d token requests for a rename and two removals", asked)
	}
	h.apply(stays, server("new", nothing, `moved_from = "old"`, grant), server("dropped", nothing, grant))
	if h.token("dropped") == dropped {
		t.Error("a server that came back has the token of the one that was removed")
	}
}

// stored reports whether the state folder holds a token of a server. A note of a rename may stay there.
func stored(t *testing.T, h *home, name string) bool {
	t.Helper()
	store, err := sealed.Open(h.path("state"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := store.Get(t.Context(), "grant/"+name)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		t.Error(err)
	}
	return bytes.Contains(b, []byte(`"access_token":"`))
}

// The log's level follows the file.
func TestLogLevelIsLive(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	o := startOrigin(t, nil)
	h.configure(server("s", attribute("url", o.URL)))
	verbose := readConfiguration(t, h.path("bearerd.hcl"))
	h.write("bearerd.hcl", strings.Replace(verbose, `"debug"`, `"info"`, 1))
	d := h.daemon()
	s := h.caller(h.door(), "s")
	said := func() bool {
		if _, _, err := s.post(t.Context()); err != nil {
			t.Error(err)
		}
		return strings.Contains(d.stderr.String(), `"proxied"`)
	}
	if said() {
		t.Error("a debug line at the level info")
	}
	h.write("bearerd.hcl", verbose)
	h.ok("reload")
	eventually(t, "debug lines are logged", said)
}
