package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// bait is where hostile documents point: HOST:PORT.
type bait string

// member replaces one of the authorization server's metadata.
func member(name, value string) func(*delegated, bait) {
	return func(d *delegated, at bait) {
		d.as.EditMetadata(func(m map[string]any) { m[name] = strings.ReplaceAll(value, "BAIT", string(at)) })
	}
}

// names lets the MCP server's document name another authorization server.
func names(issuer string) func(*delegated, bait) {
	return document("authorization_servers", func(at bait) any { return []string{strings.ReplaceAll(issuer, "BAIT", string(at))} })
}

func document(name string, value func(bait) any) func(*delegated, bait) {
	return func(d *delegated, at bait) {
		d.mcp.Protect(oauthtest.Protection{Document: func(m map[string]any) { m[name] = value(at) }})
	}
}

// redirects sends on who asks the MCP server, or the authorization server, for a document.
func redirects(ofServer bool, location string) func(*delegated, bait) {
	return func(d *delegated, at bait) {
		f := oauthtest.Redirect(http.StatusFound, strings.ReplaceAll(location, "BAIT", string(at)))
		if ofServer {
			d.mcp.FailAt("/.well-known/oauth-protected-resource/mcp", 10, f)
			d.mcp.FailAt("/.well-known/oauth-protected-resource", 10, f)
			return
		}
		d.as.FailAt("/.well-known/oauth-authorization-server", 10, f)
		d.as.FailAt("/.well-known/openid-configuration", 10, f)
	}
}

const outOfReach = "which is never connected to"

// lies are hostile documents, and what is said about each.
var lies = map[string]struct {
	tell func(*delegated, bait)
	says string
}{
	"another issuer":           {member("issuer", "https://BAIT"), "names another issuer"},
	"a file for a page":        {member("authorization_endpoint", "file:///etc/passwd"), "authorization_endpoint"},
	"a script for a page":      {member("authorization_endpoint", "javascript:alert(1)"), "authorization_endpoint"},
	"data for a page":          {member("authorization_endpoint", "data:text/html,x"), "authorization_endpoint"},
	"an option for a page":     {member("authorization_endpoint", "--app=https://BAIT"), "authorization_endpoint"},
	"plain http for tokens":    {member("token_endpoint", "http://BAIT/token"), "token_endpoint"},
	"plain http for clients":   {member("registration_endpoint", "http://BAIT/register"), "registration_endpoint"},
	"a password in an address": {member("token_endpoint", "https://a:b@BAIT/token"), "token_endpoint"},
	"tokens of the cloud":      {member("token_endpoint", "https://169.254.169.254/token"), outOfReach},
	"clients of the cloud":     {member("registration_endpoint", "https://169.254.169.254/register"), outOfReach},
	"cloud metadata":           {names("https://169.254.169.254"), outOfReach},
	"cloud metadata as IPv6":   {names("https://[::ffff:169.254.169.254]"), outOfReach},
	"link-local":               {names("https://169.254.7.7/tenant"), outOfReach},
	"link-local IPv6":          {names("https://[fe80::1]"), outOfReach},
	"plain http for an issuer": {names("http://BAIT"), "is plain http"},
	"a file for an issuer":     {names("file:///etc"), "is no https URL"},
	"a script for an issuer":   {names("javascript:alert(1)"), "is no https URL"},
	"another resource":         {document("resource", func(at bait) any { return "https://" + string(at) + "/mcp" }), "another resource"},
	"1: to plain http":         {redirects(true, "http://BAIT/latest"), "is plain http"},
	"1: to the cloud":          {redirects(true, "https://169.254.169.254/latest"), outOfReach},
	"1: to a file":             {redirects(true, "file:///etc/passwd"), "is no https URL"},
	"2: to plain http":         {redirects(false, "http://BAIT/latest"), "is plain http"},
	"2: to the cloud":          {redirects(false, "https://169.254.169.254/latest"), outOfReach},
	"2: to a file":             {redirects(false, "file:///etc/passwd"), "is no https URL"},
}

// Documents that lie are refused before a browser opens, a client is registered or a code is asked for.
func TestLoginWithHostileMetadata(t *testing.T) {
	t.Parallel()
	c := startCanary(t)
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDelegated(t)
			lie.tell(d, bait(c.Addr().String()))
			start := time.Now()
			said := strings.TrimSpace(d.start("login", "web").failed())
			if last := said[strings.LastIndex(said, "\n")+1:]; !strings.Contains(last, lie.says) {
				t.Errorf("it says %q", last)
			}
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
			d.nothingGained(c)
			if n := len(d.as.Registrations()); n != 0 {
				t.Errorf("%d clients were registered", n)
			}
		})
	}
}

// A server that does not say that it knows PKCE is not relied on.
func TestLoginWithoutPKCE(t *testing.T) {
	t.Parallel()
	d := newDelegated(t)
	d.as.EditMetadata(func(m map[string]any) { delete(m, "code_challenge_methods_supported") })
	if said := d.start("login", "web").failed(); !strings.Contains(said, `OAUTH_CODE_CHALLENGE_METHOD = "S256"`) {
		t.Errorf("it says %s", said)
	}
	d.nothingGained(startCanary(t))
}

// withoutEnd answers as long as somebody listens, as fast as it may or a byte each second.
func withoutEnd(slow bool) oauthtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for text := []byte(strings.Repeat(" ", 1<<16)); ; {
			if slow {
				select {
				case <-tick.C:
					text = text[:1]
				case <-r.Context().Done():
					return
				}
			}
			if _, err := w.Write(text); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// A provider that answers without end, or not at all, holds nobody up for long.
func TestLoginWithBoundlessMetadata(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for time limits")
	}
	for name, tt := range map[string]struct {
		fault oauthtest.Fault
		limit time.Duration
		says  string
	}{
		"fast":   {withoutEnd(false), 10 * time.Second, "its answer is over 256 KiB"},
		"slow":   {withoutEnd(true), 35 * time.Second, "timed out"},
		"silent": {oauthtest.Hang(), 35 * time.Second, "timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDelegated(t)
			for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
				d.as.FailAt(path, 50, tt.fault)
			}
			start := time.Now()
			login := d.start("login", "web")
			said := login.failed()
			if took := time.Since(start); took > tt.limit || !strings.Contains(said, tt.says) {
				t.Errorf("it took %s and says %s", took, said)
			}
			if peak := mostMemory(login.cmd.ProcessState); peak > 100<<10 && !raceEnabled {
				t.Errorf("it grew to %d KiB", peak)
			}
			d.nothingGained(startCanary(t))
		})
	}
}
