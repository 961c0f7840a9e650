package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// delegatedOnly are the fields about a person who approves, and about a client that is made for it.
var delegatedOnly = []string{
	"OAUTH_AUTHORIZATION_URL", "OAUTH_DEVICE_AUTHORIZATION_URL", "OAUTH_REGISTRATION_URL", "OAUTH_REDIRECT_URI",
	"OAUTH_USE_PKCE", "OAUTH_CODE_CHALLENGE_METHOD", "OAUTH_CLIENT_METADATA_URL", "OAUTH_AUTHORIZATION_PARAMS",
}

// delegated checks what is about a person who approves.
func (c check) delegated() {
	o, b := c.OAuth, c.oauth
	if !o.Delegated() {
		for _, name := range delegatedOnly {
			if b.has(name) {
				c.fail(b, name, name+` has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only`,
					"remove it, or set that grant")
			}
		}
		if c.Login == "auto" {
			c.fail(c.block, "login", `login = "auto" needs OAUTH_GRANT_TYPE = "authorization_code"`,
				"remove it: no person signs in with "+o.GrantType)
		}
		return
	}
	c.redirect()
	c.clientMetadata()
	c.pkce()
	c.authorizationQuery()
	for _, name := range slices.Sorted(maps.Keys(o.AuthorizationParams)) {
		c.parameter("OAUTH_AUTHORIZATION_PARAMS", name, reservedAuthorization)
	}
}

// endpoints checks the URLs of the authorization server, and that what is left out can be found.
func (c check) endpoints() {
	o, b := c.OAuth, c.oauth
	for _, u := range []struct{ name, short, value string }{
		{"OAUTH_TOKEN_URL", "token_url", o.TokenURL},
		{"OAUTH_REVOCATION_URL", "revocation_url", o.RevocationURL},
		{"OAUTH_SERVER_URL", "server_url", o.ServerURL},
		{"OAUTH_AUTHORIZATION_URL", "authorization_url", o.AuthorizationURL},
		{"OAUTH_DEVICE_AUTHORIZATION_URL", "device_authorization_url", o.DeviceURL},
		{"OAUTH_REGISTRATION_URL", "registration_url", o.RegistrationURL},
	} {
		if b.has(u.name) && (o.Delegated() || !slices.Contains(delegatedOnly, u.name)) {
			c.oauthURL(u.name, u.short, u.value)
		}
	}
	if !o.mayDiscover() && b.has("OAUTH_SERVER_URL") {
		c.fail(b, "OAUTH_SERVER_URL", "OAUTH_SERVER_URL has no meaning with OAUTH_GRANT_TYPE = \""+o.GrantType+"\"",
			"remove it: nothing is discovered for this grant")
	}
	c.required()
	c.start()
}

// start holds the server's own address to the rule of every OAuth URL where discovery starts there: whoever sits between
// could name an authorization server of his own. Where it is no loopback address, tokenTarget has said so.
func (c check) start() {
	o, b, attr, what := c.OAuth, c.block, "url", "url"
	if c.URL == "" {
		attr, what = "args", "the URL in args"
	}
	u, err := url.Parse(c.Resource())
	if !o.mayDiscover() || !o.Discovers() || o.ServerURL != "" || err != nil || !plainHTTP(c.Resource()) || !loopbackHost(u.Hostname()) {
		return
	}
	switch {
	case o.Version == "2.1":
		c.fail(b, attr, "OAuth 2.1 requires HTTPS for "+what+", where discovery starts", httpsRemedy)
	case o.EnforceHTTPS:
		c.fail(b, attr, "HTTPS is required for "+what+", where discovery starts (OAuth 2.0 best practice)", httpsRemedy)
	}
}

// mayDiscover reports whether the grant may leave endpoints out. A refresh token that was made elsewhere goes only where
// the configuration says.
func (o *OAuth) mayDiscover() bool { return o.GrantType != "refresh_token" }

// required refuses what is left out where there is no metadata to say it.
func (c check) required() {
	o, b := c.OAuth, c.oauth
	unsure := b.failed["OAUTH_SERVER_URL"] || c.block.failed["args"] // an error of its own
	if o.mayDiscover() && (c.Resource() != "" || unsure) {
		return
	}
	remedy := endpointRemedy
	if o.mayDiscover() {
		remedy += `, or set OAUTH_SERVER_URL to the https:// URL of the MCP server, where discovery can start`
	}
	if !b.has("OAUTH_TOKEN_URL") {
		c.fail(b, "OAUTH_TOKEN_URL", "OAUTH_TOKEN_URL is required and cannot be empty", remedy)
	}
	if !o.Delegated() {
		return
	}
	if !b.has("OAUTH_AUTHORIZATION_URL") {
		c.fail(b, "OAUTH_AUTHORIZATION_URL", "OAUTH_AUTHORIZATION_URL is required and cannot be empty", remedy)
	}
	if !b.has("OAUTH_CLIENT_ID") && !b.has("OAUTH_REGISTRATION_URL") {
		c.fail(b, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID or OAUTH_REGISTRATION_URL is required where nothing is discovered",
			"set one of them, or OAUTH_SERVER_URL")
	}
}

// redirect checks where a browser is sent back to: https, or http on loopback (RFC 8252 §7.3), where a port is needed
// for somebody to listen on.
func (c check) redirect() {
	const attr = "OAUTH_REDIRECT_URI"
	b, value := c.oauth, c.OAuth.RedirectURI
	if !b.has(attr) {
		return
	}
	if !isHTTP(value) {
		c.fail(b, attr, attr+" must start with https://, or with http:// on loopback",
			`write "http://127.0.0.1:PORT/callback", or leave it out`)
		return
	}
	u, ok := c.parseURL(b, attr, attr, value)
	if !ok {
		return
	}
	loopback := slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, strings.ToLower(u.Hostname()))
	switch {
	case plainHTTP(value) && !loopback:
		c.fail(b, attr, attr+" uses http on another host than 127.0.0.1, [::1] or localhost",
			"use https://, or one of these: an authorization code would cross the network in clear")
	case plainHTTP(value) && u.Port() == "":
		c.fail(b, attr, attr+" needs a port", `write "http://127.0.0.1:PORT/callback"`)
	case !plainHTTP(value) && value != c.callback:
		c.warn(b, attr, "bearerd login listens on loopback only: it cannot take the answer that is sent to "+attr,
			`write "http://127.0.0.1:PORT/callback", set admin { public_url = "https://…" } to its origin, or sign in with bearerd login --device`)
	}
	for _, name := range []string{"code", "state", "iss", "error"} {
		if u.Query().Has(name) {
			c.fail(b, attr, attr+" may not name "+name+" in its query", "remove it: the authorization server adds it")
		}
	}
}

// clientMetadata checks the URL of a client id metadata document, which is a client id.
func (c check) clientMetadata() {
	const attr = "OAUTH_CLIENT_METADATA_URL"
	b, value := c.oauth, c.OAuth.ClientMetadataURL
	if !b.has(attr) {
		return
	}
	if !strings.HasPrefix(value, "https://") {
		c.fail(b, attr, attr+" must start with https://", "write the URL at which authorization servers read the document")
		return
	}
	u, ok := c.parseURL(b, attr, attr, value)
	switch {
	case !ok:
	case u.Path == "" || u.Path == "/":
		c.fail(b, attr, attr+" needs a path", "write https://HOST/PATH: the URL of the document is the client id")
	case slices.ContainsFunc(strings.Split(u.Path, "/"), func(s string) bool { return s == "." || s == ".." }):
		c.fail(b, attr, attr+" may not have . or .. in its path", "write the path itself")
	case b.has("OAUTH_CLIENT_ID"):
		c.warn(b, attr, attr+" has no effect beside OAUTH_CLIENT_ID", "remove one of the two")
	}
}

// pkce checks the switch that protects a code on its way (RFC 7636).
func (c check) pkce() {
	o, b := c.OAuth, c.oauth
	const method = "OAUTH_CODE_CHALLENGE_METHOD"
	if b.has(method) && o.CodeChallengeMethod != "S256" {
		c.fail(b, method, method+` must be "S256"`, "remove it, or write S256: plain protects nothing")
	}
	if o.UsePKCE {
		return
	}
	const attr = "OAUTH_USE_PKCE"
	switch {
	case o.Version == "2.1":
		c.fail(b, attr, "OAuth 2.1 requires PKCE", `remove OAUTH_USE_PKCE = false, or set OAUTH_VERSION = "2.0"`)
	case b.has(method):
		c.fail(b, attr, "OAUTH_USE_PKCE = false contradicts "+method, "remove one of the two")
	case !o.UseMTLS && !b.has("OAUTH_CLIENT_SECRET") && !b.has("OAUTH_PRIVATE_KEY_PATH"):
		c.fail(b, attr, "OAUTH_USE_PKCE = false needs a client that authenticates",
			"remove it, or set OAUTH_CLIENT_SECRET: anyone could spend an intercepted code")
	default:
		c.warn(b, attr, "OAUTH_USE_PKCE is off: an authorization code that is injected is not told from yours",
			"remove it unless the authorization server refuses PKCE")
	}
}

// reservedAuthorization maps the parameters of an authorization request that are not for OAUTH_AUTHORIZATION_PARAMS to the
// field that sets them; "": none does.
var reservedAuthorization = map[string]string{
	"response_type": "", "response_mode": "", "client_id": "OAUTH_CLIENT_ID", "redirect_uri": "OAUTH_REDIRECT_URI", "state": "",
	"scope": "OAUTH_SCOPE", "code_challenge": "", "code_challenge_method": "OAUTH_CODE_CHALLENGE_METHOD",
	"audience": "OAUTH_AUDIENCE", "organization": "OAUTH_ORGANIZATION", "resource": "OAUTH_RESOURCE",
	"client_secret": "OAUTH_CLIENT_SECRET", "code_verifier": "", "request": "", "request_uri": "",
}

// authorizationQuery refuses in the query of the authorization URL what bearerd sets itself: a parameter that is there
// twice is an error to authorization servers (RFC 6749 §3.1).
func (c check) authorizationQuery() {
	u, err := url.Parse(c.OAuth.AuthorizationURL)
	if err != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		if _, found := reservedAuthorization[strings.ToLower(name)]; found {
			c.parameter("OAUTH_AUTHORIZATION_URL", name, reservedAuthorization)
		}
	}
}

// grants checks what a server says about its grant beside oauth_config.
func (c check) grants() {
	b := c.block
	c.oneOf(b, "login", c.Login, "command", "auto")
	for _, scope := range c.AllowStepUp {
		if scope == "" || strings.ContainsFunc(scope, noScope) || strings.Contains(scope, " ") {
			c.fail(b, "allow_step_up", "allow_step_up holds something that is no scope", `write one scope each: ["files:write"]`)
		}
	}
	for _, entry := range c.AllowPrivate {
		if c.Made {
			break // it is that of admin
		}
		if message, remedy := privateEntry(entry); message != "" {
			c.fail(b, "allow_private", message, remedy)
		}
	}
}

// privateEntry says what is wrong with an entry of allow_private.
func privateEntry(entry string) (message, remedy string) {
	const form = `write a host name, an address, or a network such as "10.1.0.0/16"`
	addr, err := netip.ParseAddr(entry)
	if prefix, e := netip.ParsePrefix(entry); err != nil && e == nil {
		addr, err = prefix.Addr(), nil
	}
	switch {
	case err == nil && neverPrivate(addr):
		return "allow_private may not name " + printable(entry) + ": bearerd never connects to such an address", "remove it"
	case err == nil || hostName(entry):
		return "", ""
	}
	return fmt.Sprintf("allow_private: %q is no host name, address or network", nameOnly(entry)), form
}

// neverPrivate reports whether no configuration allows an address.
func neverPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified()
}

// hostName reports whether s is a host name. One whose last part is a number is an address that was mistyped.
func hostName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}) {
			return false
		}
	}
	return len(s) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
