package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// delegated is a home beside an authorization server and an MCP server that a test can spoil; in it the server "web" is left to
// discovery and registration.
type delegated struct {
	*home
	as  *oauthtest.Server
	mcp *oauthtest.Resource
}

func newDelegated(t testing.TB, lines ...string) *delegated {
	t.Helper()
	d := &delegated{home: newVisitHome(t)}
	var err error
	if d.as, err = oauthtest.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.as.Close)
	d.as.Delegate()
	if d.mcp, err = oauthtest.NewResource(d.as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.mcp.Close)
	if err := d.as.WriteCA(d.path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	d.configure(server("web", attribute("url", d.mcp.URL()), signInGrant(t, "ca.pem", lines...)))
	return d
}

// answer is where the provider sends the browser that opens an address.
func (d *delegated) answer(address string) *url.URL {
	d.t.Helper()
	callback, err := d.as.Visit(d.t.Context(), address)
	if err != nil {
		d.t.Fatalf("the provider: %v", err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		d.t.Fatal(err)
	}
	if code := u.Query().Get("code"); code != "" {
		d.private(code)
	}
	return u
}

// login runs `bearerd login web`; the browser is at the address that it gives.
func (d *delegated) login() (cmd *running, address string) {
	d.t.Helper()
	n := len(d.visits())
	cmd = d.start("login", "web")
	return cmd, d.visited(n + 1)
}

// approved signs in.
func (d *delegated) approved() {
	d.t.Helper()
	cmd, address := d.login()
	if status, page, _ := visit(d.t, http.DefaultClient, d.answer(address).String()); status != http.StatusOK {
		d.t.Errorf("the page: %d %s", status, page)
	}
	if code := cmd.wait(); code != 0 {
		d.t.Fatalf("login: exit code %d", code)
	}
}

// failed waits for a login that must fail, and gives what it says.
func (r *running) failed() string {
	r.t.Helper()
	if code := r.wait(); code != 1 || r.stdout.String() != "" {
		r.t.Errorf("exit code %d, stdout %q", code, r.stdout)
	}
	return r.stderr.String()
}

// A tool that wants another scope is an error that says so, while all others go on; after the sign-in that it asks for it works.
func TestLoginForAnotherScope(t *testing.T) {
	t.Parallel()
	d := newDelegated(t)
	d.mcp.Protect(oauthtest.Protection{Require: map[string]string{"tools/call": "write"}, ChallengeScope: "read"})
	d.daemon()
	d.approved()
	first := d.token("web")
	target := d.clientConfig("web", modernWire)
	for range 2 { // the second does not ask the provider anything either
		if status, _, message := call(t, target); status == http.StatusOK || !strings.Contains(message, "write") ||
			!strings.Contains(message, "bearerd login web") {
			t.Errorf("a call without the scope: %d %q", status, message)
		}
	}
	<-d.ask("web") // tools/list, which needs no other scope
	if got := d.mcp.Requests(); got[len(got)-1].RPC != "tools/list" || got[len(got)-1].Status != http.StatusOK ||
		got[len(got)-1].Token != oauthtest.Fingerprint(first) {
		t.Errorf("upstream's last request: %+v", got[len(got)-1])
	}
	if st := d.tokenInfo("web"); st["state"] != "needs_reauth" || st["wanted_scope"] != "write" || st["status"] != "valid" {
		t.Errorf("the status: %v", st)
	}
	if n := len(d.as.RequestsTo("/authorize")); n != 1 {
		t.Errorf("%d authorization requests before the person has decided", n)
	}
	d.approved()
	asked := d.as.RequestsTo("/authorize")
	if u, err := url.Parse(asked[len(asked)-1].Path); err != nil || u.Query().Get("scope") != "read write" {
		t.Errorf("the scope asked for is %q", u.Query().Get("scope"))
	}
	if status, _, message := call(t, target); status != http.StatusOK {
		t.Errorf("a call with the scope: %d %q", status, message)
	}
	if st := d.tokenInfo("web"); st["state"] != "authorized" || st["wanted_scope"] != nil || d.token("web") == first {
		t.Errorf("the status afterwards: %v", st)
	}
	if made := d.as.Registrations(); len(made) != 2 || made[1].Asked["scope"] != "read write" { // some servers hold it to its scopes
		t.Errorf("the clients that were registered: %v", made)
	}
}
