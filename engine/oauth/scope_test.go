package oauth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// unscoped is the documented text, and where to look the request up.
func unscoped(requested, received string) string {
	return fmt.Sprintf("Token scopes validation failed. Requested: %s, Received: %s (HTTP 200, correlation_id=%s)",
		requested, received, testID)
}

func TestAcceptance23_MissingScope(t *testing.T) {
	s, c := newServer(t)
	s.Register(oauthtest.Client{ID: "client-123", Secret: testSecret, Scopes: []string{"read"}})
	c.Scope = "read  write"
	e := mustFail(t, c, unscoped("read write", "read"))
	if !e.Final || e.CorrelationID != testID {
		t.Errorf("%+v", *e)
	}
	c.ValidateScopes = false
	token, _ := mustAsk(t, s, c)
	if token.MissingScopes != "write" || token.Scope != "read" || !token.ScopeGiven {
		t.Errorf("missing %q, scope %q", token.MissingScopes, token.Scope)
	}
}

func TestAcceptance24_AbsentScopeIsAsRequested(t *testing.T) {
	for _, absent := range []func(map[string]any){
		func(a map[string]any) { delete(a, "scope") },
		func(a map[string]any) { a["scope"] = nil },
	} {
		s, c := newServer(t)
		c.Scope = "read write"
		s.Fail(1, oauthtest.Edit(absent))
		if token, _ := mustAsk(t, s, c); token.ScopeGiven || token.Scope != "" || token.MissingScopes != "" {
			t.Errorf("scope %q, given %v", token.Scope, token.ScopeGiven)
		}
	}
	s, c := newServer(t)
	c.Scope = "read"
	s.Fail(1, oauthtest.Edit(func(a map[string]any) { a["scope"] = "" })) // given, and empty
	mustFail(t, c, unscoped("read", ""))
}

func TestAcceptance25_CommasAndListsOfScopes(t *testing.T) {
	for _, value := range []any{"write,read", "write, read", []string{"write", "read"}} {
		s, c := newServer(t)
		c.Scope = "read write"
		s.Fail(1, oauthtest.Edit(func(a map[string]any) { a["scope"] = value }))
		if token, _ := mustAsk(t, s, c); token.Scope != "write read" {
			t.Errorf("%v: scope %q", value, token.Scope)
		}
	}
}

func withScope(value any) oauthtest.Fault {
	return oauthtest.Edit(func(a map[string]any) { a["scope"] = value })
}

func TestScopeErrorIsTheCause(t *testing.T) {
	s, c := newServer(t)
	c.Scope = "read"
	s.Fail(1, withScope("write"))
	e := mustFail(t, c, unscoped("read", "write"))
	cause, ok := errors.AsType[*oauth.ScopeError](e)
	if !ok || cause.Error() != "Token scopes validation failed. Requested: read, Received: write" {
		t.Errorf("cause %v", cause)
	}
}

func TestScopeKeepsNoEcho(t *testing.T) {
	const secret = "S3CRET&<canary>xyz, and more"
	pair := base64.StdEncoding.EncodeToString([]byte("client-123:" + url.QueryEscape(secret)))
	for name, echo := range map[string]any{
		"secret":              secret,
		"secret in a word":    "a:" + secret + ":b",
		"secret in a list":    []string{"a", secret},
		"secret escaped":      url.QueryEscape(secret),
		"secret as HTML":      html.EscapeString(secret),
		"secret by number":    "S3CRET&#38;&#x3c;canary&#62;xyz",
		"secret in two forms": url.QueryEscape(html.EscapeString("S3CRET&<canary>xyz")),
		"basic":               "Basic " + pair,
		"parameter":           "x-canary-param",
		"header":              "canary-header",
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newServer(t)
			s.Register(oauthtest.Client{ID: "client-123", Secret: secret})
			c.ClientSecret = secrets.LiteralRef(secret)
			c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef("canary-param")}
			c.CustomHeaders = map[string]secrets.Ref{"X-Key": secrets.LiteralRef("canary-header")}
			s.Fail(1, withScope(echo))
			token, _ := mustAsk(t, s, c)
			if strings.Contains(token.Scope, "canary") || strings.Contains(token.Scope, pair) {
				t.Errorf("scope %q", token.Scope)
			}
		})
	}
	s, c := newServer(t)
	s.Fail(1, oauthtest.Edit(func(a map[string]any) { a["scope"] = fmt.Sprint("read ", a["access_token"], " write") }))
	if token, _ := mustAsk(t, s, c); token.Scope != "read write" {
		t.Errorf("scope %q beside a token of %d bytes", token.Scope, len(token.AccessToken.Reveal()))
	}
}

func TestScopeKeepsOnlyScopes(t *testing.T) {
	s, c := newServer(t)
	s.Fail(1, withScope("read \x1b[31mred \"quoted\" back\\slash \u00e9 https://a.example/x%20y?z=1#!~ write"))
	if token, _ := mustAsk(t, s, c); token.Scope != "read https://a.example/x%20y?z=1#!~ write" {
		t.Errorf("scope %q", token.Scope)
	}
}

func TestRequestedScopeIsNoEcho(t *testing.T) {
	s, c := newServer(t)
	c.Scope = "read write"
	c.AdditionalParams = map[string]secrets.Ref{"access": secrets.LiteralRef("read")}
	s.Fail(2, withScope("read"))
	mustFail(t, c, unscoped("read write", "read"))
	c.ValidateScopes = false
	if token, _ := mustAsk(t, s, c); token.Scope != "read" || token.MissingScopes != "write" {
		t.Errorf("scope %q, missing %q", token.Scope, token.MissingScopes)
	}
}
