package main_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// canary is an address that nobody may connect to.
type canary struct {
	net.Listener
	met atomic.Int64
}

func startCanary(t *testing.T) *canary {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &canary{Listener: l}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.met.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return c
}

// nothingGained wants that nobody was sent anywhere and no code or token was asked for.
func (d *delegated) nothingGained(c *canary) {
	d.t.Helper()
	if n := len(d.visits()); n != 0 {
		d.t.Errorf("%d addresses were opened: %q", n, d.visits())
	}
	if n := len(d.as.RequestsTo("/authorize")) + len(d.as.RequestsTo("/token")); n != 0 {
		d.t.Errorf("the provider had %d requests", n)
	}
	if n := c.met.Load(); n != 0 {
		d.t.Errorf("the canary was met %d times", n)
	}
	if st := d.tokenInfo("web"); st["state"] == "authorized" || st["fingerprint"] != nil {
		d.t.Errorf("the status: %v", st)
	}
}

// Answers that another server gave, or that belong to another sign-in, buy nothing.
func TestLoginWithHostileAnswers(t *testing.T) {
	t.Parallel()
	const evil = "https://evil.example"
	for name, decide := range map[string]func(oauthtest.AuthorizeRequest) oauthtest.Decision{
		"mix-up":    func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Iss(evil) },
		"no issuer": func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Iss() },
		"two":       func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Iss(evil, evil) },
		"mix-up, an error": func(oauthtest.AuthorizeRequest) oauthtest.Decision {
			return oauthtest.Decision{Error: "access_denied", Description: "said-by-another-server",
				Edit: func(q url.Values) { q.Set("iss", evil) }}
		},
		"two codes": func(oauthtest.AuthorizeRequest) oauthtest.Decision {
			return oauthtest.Decision{Edit: func(q url.Values) { q.Add("code", "another") }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDelegated(t)
			d.as.EditMetadata(func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = true })
			d.as.Approve(decide)
			d.daemon()
			login, address := d.login()
			status, page, _ := visit(t, http.DefaultClient, d.answer(address).String())
			said := login.failed()
			if status == http.StatusOK || strings.Contains(page, "Signed in") || strings.Contains(page+said, "said-by-another-server") {
				t.Errorf("the page: %d %s; it says %s", status, page, said)
			}
			if n := len(d.as.RequestsTo("/token")); n != 0 {
				t.Errorf("%d token requests", n)
			}
			if st := d.tokenInfo("web"); st["state"] != "needs_reauth" {
				t.Errorf("the status: %v", st)
			}
		})
	}
}

// A code that was given to another client, or to another sign-in of the same one, is put into a victim's answer. The verifier of
// this sign-in does not fit it.
func TestLoginWithAnInjectedCode(t *testing.T) {
	t.Parallel()
	for _, ofOther := range []bool{true, false} {
		d := newDelegated(t)
		login, address := d.login()
		theirs := changed(t, address, "state", "theirs", "code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
		if ofOther {
			q := parse(t, address).Query()
			d.as.Register(oauthtest.Client{ID: "other", Methods: []string{oauthtest.None}, RedirectURIs: q["redirect_uri"]})
			theirs = changed(t, theirs, "client_id", "other")
		}
		answer := d.answer(address)
		injected := changed(t, answer.String(), "code", d.answer(theirs).Query().Get("code"))
		if status, page, _ := visit(t, http.DefaultClient, injected); status == http.StatusOK || strings.Contains(page, "Signed in") {
			t.Errorf("the page: %d %s", status, page)
		}
		login.failed()
		if got := d.as.RequestsTo("/token"); len(got) != 1 || got[0].Form.Get("code_verifier") == "" {
			t.Errorf("%d token requests", len(got))
		}
		if st := d.tokenInfo("web"); st["state"] == "authorized" || st["fingerprint"] != nil {
			t.Errorf("the status: %v", st)
		}
	}
}

// An attacker's own answer, code and state, is delivered to a victim who is signing in, by a page in the victim's browser. It does
// not end the sign-in, and the victim is not signed in as somebody else.
func TestLoginCSRF(t *testing.T) {
	t.Parallel()
	d := newDelegated(t)
	d.daemon()
	login, address := d.login()
	theirs := d.answer(changed(t, address, "state", "theirs")).String()
	bare := parse(t, theirs)
	bare.RawQuery = ""
	for _, stray := range []string{theirs, changed(t, theirs, "state", ""), bare.String(), bare.String() + "?error=access_denied",
		bare.String() + "?error=access_denied&state=theirs", changed(t, bare.String(), "code", "x") + "&state=a&state=b"} {
		if status, page, _ := visit(t, http.DefaultClient, stray); status != http.StatusBadRequest || !strings.Contains(page, "not the sign-in") {
			t.Errorf("the page: %d %s", status, page)
		}
	}
	if n := len(d.as.RequestsTo("/token")); n != 0 {
		t.Errorf("%d token requests", n)
	}
	if status, page, _ := visit(t, http.DefaultClient, d.answer(address).String()); status != http.StatusOK {
		t.Errorf("the victim's own page: %d %s", status, page)
	}
	if code := login.wait(); code != 0 {
		t.Errorf("login: exit code %d", code)
	}
}

// What a provider says of a refusal is shown as text, in the page and in the terminal.
func TestLoginErrorsAreText(t *testing.T) {
	t.Parallel()
	const markup = `<script>alert("x")</script><img src=x onerror=y>` + "\x1b[31m\nbearerd: signed in"
	d := newDelegated(t)
	d.as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny(markup) })
	daemon := d.daemon()
	login, address := d.login()
	status, page, _ := visit(t, http.DefaultClient, d.answer(address).String())
	if status == http.StatusOK || strings.Contains(page, "<script>") || strings.Contains(page, "<img") ||
		!strings.Contains(page, "access_denied") {
		t.Errorf("the page: %d %s", status, page)
	}
	said := login.failed()
	if strings.Contains(said, "\x1b") || strings.Contains(said, "\nbearerd: signed in") || !strings.Contains(said, "access_denied") {
		t.Errorf("it says %q", said)
	}
	if log := daemon.stderr.String(); strings.Contains(log, "\x1b") || strings.Contains(log, "\nbearerd: signed in") {
		t.Error("the log holds control characters")
	}
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// changed is an address with other parameters: names and values in turn; "" deletes one.
func changed(t *testing.T, address string, parameters ...string) string {
	t.Helper()
	u := parse(t, address)
	q := u.Query()
	for i := 0; i < len(parameters); i += 2 {
		if q.Set(parameters[i], parameters[i+1]); parameters[i+1] == "" {
			q.Del(parameters[i])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
