package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	httpsRemedy = "use an https:// URL; plain http needs both OAUTH_VERSION = \"2.0\" and OAUTH_ENFORCE_HTTPS = false, " +
		"on loopback too"
	endpointRemedy = "write the https:// URL of the authorization server's endpoint"
	pathRemedy     = "check the path and the file's permissions"
)

// oauthConfig validates an oauth_config block. One that is not enabled is not looked into further.
func (c check) oauthConfig() {
	b := c.oauth
	if !b.has("enabled") {
		c.report(Error, b.head(), "enabled is required in oauth_config", "write enabled = true or enabled = false")
		return
	}
	if !c.OAuth.Enabled {
		return
	}
	if !c.known() {
		return
	}
	c.client()
	c.privateKey()
	c.endpoints()
	c.delegated()
	c.strictness()
	c.request()
	c.certificates()
	c.donts()
}

// grantTypes are the values of OAUTH_GRANT_TYPE.
var grantTypes = []string{"client_credentials", "refresh_token", "authorization_code"}

// known checks version and grant, on which the other rules depend.
func (c check) known() bool {
	o, b := c.OAuth, c.oauth
	ok := true
	if o.Version != "2.0" && o.Version != "2.1" {
		c.fail(b, "OAUTH_VERSION",
			fmt.Sprintf("Invalid OAuth version: %s. Must be one of ['2.0', '2.1']", printable(o.Version)),
			`write OAUTH_VERSION = "2.1", or "2.0"`)
		ok = false
	}
	if !slices.Contains(grantTypes, o.GrantType) {
		c.fail(b, "OAUTH_GRANT_TYPE",
			fmt.Sprintf("Invalid grant type: %s. Must be one of ['%s']", printable(o.GrantType), strings.Join(grantTypes, "', '")),
			`write OAUTH_GRANT_TYPE = "client_credentials", "authorization_code" or "refresh_token"`)
		ok = false
	}
	return ok
}

// oauthURL is the one rule for every OAuth URL. short is its name in the documented messages.
func (c check) oauthURL(name, short, value string) {
	b, o := c.oauth, c.OAuth
	switch {
	case value == "" && name == "OAUTH_TOKEN_URL":
		c.fail(b, name, name+" is required and cannot be empty", endpointRemedy)
		return
	case value == "":
		c.fail(b, name, name+" cannot be empty", "write the https:// URL, or leave it out")
		return
	case !isHTTP(value):
		c.fail(b, name, name+" must start with http:// or https://", "write the whole URL")
		return
	}
	u, ok := c.parseURL(b, name, name, value)
	if !ok || !strings.EqualFold(u.Scheme, "http") {
		return
	}
	switch {
	case o.Version == "2.1":
		c.fail(b, name, "OAuth 2.1 requires HTTPS for "+short, httpsRemedy)
	case o.EnforceHTTPS:
		c.fail(b, name, "HTTPS is required for "+short+" (OAuth 2.0 best practice)", httpsRemedy)
	case loopbackHost(u.Hostname()):
		c.warn(b, name, name+" uses http, in clear on this host", "use https:// in production")
	default:
		c.warn(b, name, name+" uses http: secrets and tokens cross the network in clear", "use https:// in production")
	}
}

// parseURL wants an http or https URL with a host, and no part that could hold a secret.
func (l *loader) parseURL(b *block, attr, what, value string) (*url.URL, bool) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsAny(value, " \t\r\n\\"):
		l.fail(b, attr, what+" is not a valid URL", "write https://HOST/PATH")
	case u.Port() != "" && !validPort(u.Port()):
		l.fail(b, attr, what+" has a port that does not exist", "use a port from 1 to 65535")
	case u.User != nil:
		l.fail(b, attr, what+" may not hold a user name or password", "remove the part before @")
	case u.Fragment != "" || strings.Contains(value, "#"):
		l.fail(b, attr, what+" may not have a fragment", "remove # and what follows")
	default:
		return u, true
	}
	return nil, false
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// strictness checks the two switches that OAuth 2.1 does not let one turn off.
func (c check) strictness() {
	o, b := c.OAuth, c.oauth
	if !o.EnforceHTTPS {
		if o.Version == "2.1" {
			c.fail(b, "OAUTH_ENFORCE_HTTPS", "OAuth 2.1 requires HTTPS for all endpoints",
				`remove OAUTH_ENFORCE_HTTPS = false, or set OAUTH_VERSION = "2.0"`)
		} else {
			c.unenforced()
		}
	}
	if o.TokenInHeaderOnly {
		return
	}
	switch {
	case o.Version == "2.1":
		c.fail(b, "OAUTH_TOKEN_IN_HEADER_ONLY", "OAuth 2.1 prohibits tokens in URI query parameters",
			`remove OAUTH_TOKEN_IN_HEADER_ONLY = false, or set OAUTH_VERSION = "2.0"`)
	case c.URL == "":
		c.fail(b, "OAUTH_TOKEN_IN_HEADER_ONLY", "OAUTH_TOKEN_IN_HEADER_ONLY = false has a meaning for url servers only",
			"remove it")
	default:
		c.warn(b, "OAUTH_TOKEN_IN_HEADER_ONLY", "the token is sent in the URL, where logs and proxies see it",
			"turn OAUTH_TOKEN_IN_HEADER_ONLY on unless the server cannot do without")
	}
}

// unenforced warns about plain http that is allowed and that nothing else warns about.
func (c check) unenforced() {
	o := c.OAuth
	switch {
	case slices.ContainsFunc([]string{
		o.TokenURL, o.RevocationURL, o.ServerURL, o.AuthorizationURL, o.DeviceURL, o.RegistrationURL,
	}, plainHTTP): // warned about
	case o.Discovers():
		c.warn(c.oauth, "OAUTH_ENFORCE_HTTPS", "OAUTH_ENFORCE_HTTPS is off: metadata may name endpoints that use http, in clear",
			"remove it unless they do")
	case !plainHTTP(c.Resource()):
		c.warn(c.oauth, "OAUTH_ENFORCE_HTTPS", "OAUTH_ENFORCE_HTTPS is off", "remove it: no URL here needs it")
	}
}

// reserved maps the parameters that OAUTH_ADDITIONAL_PARAMS may not replace to the field that sets them; "": none does.
var reserved = map[string]string{
	"grant_type": "OAUTH_GRANT_TYPE", "client_id": "OAUTH_CLIENT_ID", "client_secret": "OAUTH_CLIENT_SECRET",
	"scope": "OAUTH_SCOPE", "audience": "OAUTH_AUDIENCE", "organization": "OAUTH_ORGANIZATION", "resource": "OAUTH_RESOURCE",
	"client_assertion": "", "client_assertion_type": "", "refresh_token": "", "code": "", "redirect_uri": "",
	"code_verifier": "", "token": "", "token_type_hint": "",
}

// request checks what else goes into the token request.
func (c check) request() {
	o, b := c.OAuth, c.oauth
	if o.TokenExpiryBuffer < 0 {
		c.fail(b, "OAUTH_TOKEN_EXPIRY_BUFFER", "OAUTH_TOKEN_EXPIRY_BUFFER cannot be negative",
			"write a number of seconds; the default is 300")
	}
	if strings.ContainsFunc(o.Scope, noScope) {
		c.fail(b, "OAUTH_SCOPE", "OAUTH_SCOPE holds a character that no scope may hold", "write scopes separated by spaces")
	}
	for _, r := range o.Resource {
		if u, err := url.Parse(r); err != nil || u.Scheme == "" || strings.Contains(r, "#") {
			c.fail(b, "OAUTH_RESOURCE", "OAUTH_RESOURCE must be an absolute URI without a fragment",
				"write https://HOST/PATH (RFC 8707 §2)")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.AdditionalParams)) {
		c.parameter("OAUTH_ADDITIONAL_PARAMS", name, reserved)
	}
	c.headerNames(b, "OAUTH_CUSTOM_HEADERS", o.CustomHeaders, forbiddenToken)
}

// noScope reports whether no scope may hold a character, but for the space between two (RFC 6749 §3.3).
func noScope(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }

// parameter refuses a name that bearerd or another field sets.
func (c check) parameter(attr, name string, reserved map[string]string) {
	field, found := reserved[strings.ToLower(name)]
	switch {
	case name == "":
		c.fail(c.oauth, attr, attr+" has a parameter without a name", "name it")
	case found && field != "":
		c.fail(c.oauth, attr, fmt.Sprintf("%s may not name %s", attr, name), "use "+field)
	case found:
		c.fail(c.oauth, attr, fmt.Sprintf("%s may not name %s", attr, name), "remove it: bearerd sets it where it is needed")
	}
}

// upstream checks url.
func (c check) upstream() {
	b := c.block
	if !isHTTP(c.URL) {
		c.fail(b, "url", "url must start with http:// or https://", "write the whole URL of the MCP server")
		return
	}
	if _, ok := c.parseURL(b, "url", "url", c.URL); !ok || !c.enabled() {
		return
	}
	if c.OAuth.TokenInHeaderOnly && hasTokenQuery(c.URL) {
		c.fail(b, "url", "url has an access_token query parameter", "remove it: the token goes into a header")
	}
	c.tokenTarget(b, "url", "url", c.URL)
}

func plainHTTP(url string) bool { return strings.HasPrefix(strings.ToLower(url), "http://") }

// tokenTarget refuses to send a token in clear to another host.
func (c check) tokenTarget(b *block, attr, what, value string) {
	u, err := url.Parse(value)
	if err != nil || !plainHTTP(value) || loopbackHost(u.Hostname()) {
		return
	}
	if c.OAuth.Version == "2.0" && !c.OAuth.EnforceHTTPS {
		c.warn(b, attr, what+" uses http: the token crosses the network in clear", "use https:// in production")
		return
	}
	c.fail(b, attr, "HTTPS is required for "+what+": the token would cross the network in clear",
		`use an https:// URL, or set both OAUTH_VERSION = "2.0" and OAUTH_ENFORCE_HTTPS = false`)
}

func hasTokenQuery(value string) bool {
	u, err := url.Parse(value)
	if err != nil {
		return strings.Contains(value, "access_token=")
	}
	for name := range u.Query() {
		if strings.EqualFold(name, "access_token") {
			return true
		}
	}
	return false
}

// loopbackHost reports whether a host name or address stays on this machine.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// donts warns about what the guide advises against.
func (c check) donts() {
	o, b := c.OAuth, c.oauth
	c.writtenOut(b, "OAUTH_CLIENT_SECRET", o.ClientSecret, c.Name)
	c.writtenOut(b, "OAUTH_REFRESH_TOKEN", o.RefreshToken, c.Name+"/refresh-token")
	if o.UseBasicAuth != nil && !*o.UseBasicAuth && !o.ClientSecret.IsZero() {
		message := "client_secret_post is used: client_secret_basic is safer"
		if o.Version == "2.1" {
			message = "OAuth 2.1 recommends client_secret_basic over client_secret_post"
		}
		c.warn(b, "OAUTH_USE_BASIC_AUTH", message,
			"remove OAUTH_USE_BASIC_AUTH = false unless the authorization server requires it")
	}
	if o.TokenExpiryBuffer > defaultBuffer {
		c.warn(b, "OAUTH_TOKEN_EXPIRY_BUFFER", "OAUTH_TOKEN_EXPIRY_BUFFER is long: tokens are renewed early",
			"keep the default of 300 seconds")
	}
	if !o.ValidateScopes {
		c.warn(b, "OAUTH_VALIDATE_SCOPES", "OAUTH_VALIDATE_SCOPES is off: a token with fewer scopes is accepted", "turn it on")
	}
}
