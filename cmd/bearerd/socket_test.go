package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// A group that is not there is told by check and plan, as by the reload that is refused for it; a unix socket is named where a URL
// alone would lead nowhere.
func TestSocketGroupThatIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const head = "store \"file\" { path = \"state\" }\nproxy {\n listen = \"unix:p\"\n%s\n}\n"
	own := server("own", attribute("url", "http://127.0.0.1:9/mcp"), attribute("listen", "unix:o"), attribute("socket_group", "no-such-group"))
	shared := server("web", attribute("url", "http://127.0.0.1:9/mcp"))
	says := func(said string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%q is not said: %s", w, said)
			}
		}
	}
	whole := func(args ...string) string {
		r := h.run(args...)
		return r.stdout + r.stderr
	}
	h.write("bearerd.hcl", fmt.Sprintf(head, `socket_group = "no-such-group"`)+own+shared)
	missing := []string{`proxy: socket_group: there is no group "no-such-group"`, `server "own": socket_group: there is no group "no-such-group"`}
	says(whole("check"), append(missing, "unix:"+h.path("p")+", http://localhost/web,", "unix:"+h.path("o")+", http://localhost/mcp,")...)
	if said := whole("check"); strings.Count(said, "no-such-group") != 2 {
		t.Errorf("a server of the shared socket is named, too: %s", said)
	}
	says(whole("plan"), missing...)

	h.write("bearerd.hcl", fmt.Sprintf(head, "")+shared)
	if said := whole("check"); strings.Contains(said, "group") {
		t.Errorf("check says %s", said)
	}
	h.daemon()
	says(whole("status"), "unix:"+h.path("p")+", http://localhost/web\n")
	h.write("bearerd.hcl", fmt.Sprintf(head, "")+own+shared)
	says(h.fails(1, "plan"), `there is no group "no-such-group"`)
	says(h.fails(1, "reload"), `there is no group "no-such-group"`)
}

// A name that no key can be for is refused in words, not sent as a part of a path.
func TestClientNames(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("web", attribute("url", "http://127.0.0.1:9/mcp")))
	for _, name := range []string{"", "a/b", "..", ".", "a b", "a?b", "ü", strings.Repeat("a", 33)} {
		if said := h.fails(1, "client-config", "web", "--client", name); !strings.Contains(said, "letters, digits, _ and -, at most 32") {
			t.Errorf("%q: %s", name, said)
		}
	}
	h.localKey("web", strings.Repeat("a", 32))
}
