package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// newAgreed is newDelegated with a stdio server and a client that was agreed with the provider. query ends the authorization URL.
func newAgreed(t *testing.T, query string, lines ...string) *delegated {
	t.Helper()
	d := newDelegated(t)
	redirect := "http://" + freeAddress(t) + "/callback"
	d.as.Register(oauthtest.Client{ID: "app", Secret: "canary-of-app", RedirectURIs: []string{redirect}})
	grant := d.grant(d.as.TokenURL(), "ca.pem", "app", "canary-of-app", append([]string{`OAUTH_GRANT_TYPE = "authorization_code"`,
		attribute("OAUTH_AUTHORIZATION_URL", d.as.AuthorizationURL()+query), attribute("OAUTH_REDIRECT_URI", redirect)}, lines...)...)
	grant = strings.Replace(grant, `OAUTH_VERSION = "2.1"`, `OAUTH_VERSION = "2.0"`, 1)
	d.configure(server("web", nothing, grant))
	return d
}

// asked is the query of the one authorization request.
func (d *delegated) asked() url.Values {
	d.t.Helper()
	requests := d.as.RequestsTo("/authorize")
	if len(requests) != 1 {
		d.t.Fatalf("%d authorization requests", len(requests))
	}
	u, err := url.Parse(requests[0].Path)
	if err != nil || strings.Count(requests[0].Path, "?") != 1 {
		d.t.Fatalf("the authorization request %q: %v", requests[0].Path, err)
	}
	return u.Query()
}

func TestAcceptance04_ResourceInTheAuthorizationRequestToo(t *testing.T) {
	t.Parallel()
	d := newAgreed(t, "", attribute("OAUTH_RESOURCE", resource))
	d.approved()
	if got := d.asked()["resource"]; len(got) != 1 || got[0] != resource {
		t.Errorf("the authorization request has the resource %q", got)
	}
	if got := d.as.RequestsTo("/token")[0].Form["resource"]; len(got) != 1 || got[0] != resource {
		t.Errorf("the token request has the resource %q", got)
	}
}

func TestAcceptance50_AQueryInTheAuthorizationURLIsKept(t *testing.T) {
	t.Parallel()
	d := newAgreed(t, "?owner=user&a=1%202")
	cmd, address := d.login()
	if !strings.HasPrefix(address, d.as.AuthorizationURL()+"?") {
		t.Errorf("the address is %s", address)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("owner") != "user" || q.Get("a") != "1 2" || len(q["client_id"]) != 1 || q.Get("client_id") != "app" || q.Get("state") == "" {
		t.Errorf("the query is %v", q)
	}
	visit(t, http.DefaultClient, d.answer(address).String())
	if code := cmd.wait(); code != 0 {
		t.Errorf("login: exit code %d", code)
	}
}

func TestAcceptance51_NoPKCEByOptOutAlone(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{true, false} {
		var lines []string
		if off {
			lines = append(lines, "OAUTH_USE_PKCE = false")
		}
		d := newAgreed(t, "", lines...)
		d.approved()
		q, form := d.asked(), d.as.RequestsTo("/token")[0].Form
		if q.Has("code_challenge") == off || q.Has("code_challenge_method") == off || form.Has("code_verifier") == off {
			t.Errorf("PKCE off: %v; the requests have %v and %v", off, q, form)
		}
		d.private(form["code_verifier"]...)
		d.token("web")
	}
}

func TestAcceptance52_TheRefreshTokenIsUsedOnExpiryAndItsSuccessorKept(t *testing.T) {
	t.Parallel()
	d := newDelegated(t)
	d.as.SetLifetime(4 * time.Second)
	d.approved()
	client := d.as.Registrations()[0].ClientID
	daemon := d.daemon()
	eventually(t, "two refresh tokens are spent as tokens expire", func() bool { return d.as.Chains(client)[0].Rotations >= 2 })
	daemon.stop()
	rotations := d.as.Chains(client)[0].Rotations
	eventually(t, "another process spends the next, which was kept", func() bool {
		_, active := d.as.Introspect(d.token("web"))
		return active && d.as.Chains(client)[0].Rotations > rotations
	})
	if c := d.as.Chains(client); len(c) != 1 || c[0].Revoked || d.as.Reused() != 0 {
		t.Errorf("%d chains, %d tokens spent twice", len(c), d.as.Reused())
	}
	if n := len(d.visits()); n != 1 {
		t.Errorf("a person was asked %d times", n)
	}
}
