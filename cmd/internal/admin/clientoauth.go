package admin

import (
	"slices"
	"strings"

	"bearerd/config"
)

// oauthText is a text field of oauth_config: its name in the guide's JSON, in the configuration, and its place.
type oauthText struct {
	json, hcl string
	at        func(*config.OAuth) *string
}

// oauthTexts are the text fields.
var oauthTexts = []oauthText{
	{"client_id", "OAUTH_CLIENT_ID", func(o *config.OAuth) *string { return &o.ClientID }},
	{"grant_type", "OAUTH_GRANT_TYPE", func(o *config.OAuth) *string { return &o.GrantType }},
	{"oauth_version", "OAUTH_VERSION", func(o *config.OAuth) *string { return &o.Version }},
	{"authorize_url", "OAUTH_AUTHORIZATION_URL", func(o *config.OAuth) *string { return &o.AuthorizationURL }},
	{"token_url", "OAUTH_TOKEN_URL", func(o *config.OAuth) *string { return &o.TokenURL }},
	{"registration_url", "OAUTH_REGISTRATION_URL", func(o *config.OAuth) *string { return &o.RegistrationURL }},
	{"server_url", "OAUTH_SERVER_URL", func(o *config.OAuth) *string { return &o.ServerURL }},
	{"revocation_url", "OAUTH_REVOCATION_URL", func(o *config.OAuth) *string { return &o.RevocationURL }},
	{"device_authorization_url", "OAUTH_DEVICE_AUTHORIZATION_URL", func(o *config.OAuth) *string { return &o.DeviceURL }},
	{"redirect_uri", "OAUTH_REDIRECT_URI", func(o *config.OAuth) *string { return &o.RedirectURI }},
	{"audience", "OAUTH_AUDIENCE", func(o *config.OAuth) *string { return &o.Audience }},
}

// fieldNames are the names in the guide's JSON of what the configuration names otherwise.
var fieldNames = func() map[string]string {
	names := map[string]string{
		"OAUTH_CLIENT_SECRET": "oauth_config.client_secret", "OAUTH_REFRESH_TOKEN": "oauth_config.refresh_token",
		"OAUTH_SCOPE": "oauth_config.scopes", "OAUTH_RESOURCE": "oauth_config.resource",
		"OAUTH_USE_BASIC_AUTH": "oauth_config.use_basic_auth", "OAUTH_ENFORCE_HTTPS": "oauth_config.enforce_https",
		"name": "name", "oauth_config": "oauth_config", "url": "connection_string", "headers": "headers",
		"command": "stdio_config.command", "args": "stdio_config.args", "env": "stdio_config.env",
	}
	for _, f := range oauthTexts {
		names[f.hcl] = "oauth_config." + f.json
	}
	return names
}()

// newOAuth has the defaults of the API.
func newOAuth() *config.OAuth {
	o := config.DefaultOAuth()
	o.Enabled, o.Version, o.GrantType = true, "2.1", "authorization_code"
	return o
}

// oauth reads oauth_config. What it leaves out stays as it is.
func (d *draft) oauth(f *object) error {
	if d.old != nil {
		f.drop(shownOnlyOAuth)
	}
	if d.server.OAuth == nil {
		d.server.OAuth = newOAuth()
	}
	o := d.server.OAuth
	for _, t := range oauthTexts {
		value := *t.at(o)
		shown := withoutValues(value)
		if err := f.text(t.json, &value); err != nil {
			return err
		}
		if value != shown { // else it is what the API has shown, not what is configured
			*t.at(o) = value
		}
	}
	fresh := newOAuth()
	if o.GrantType == "" {
		o.GrantType = fresh.GrantType
	}
	if o.Version == "" {
		o.Version = fresh.Version
	}
	if err := d.oauthRest(f); err != nil {
		return err
	}
	return f.end()
}

// oauthRest reads what is no text.
func (d *draft) oauthRest(f *object) error {
	o := d.server.OAuth
	if err := d.secret(f, "client_secret", "client_secret", &o.ClientSecret); err != nil {
		return err
	}
	if err := d.secret(f, "refresh_token", "refresh_token", &o.RefreshToken); err != nil {
		return err
	}
	scopes := words(o.Scope)
	if err := f.list("scopes", &scopes); err != nil {
		return err
	}
	for _, s := range scopes { // RFC 6749 §3.3
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return &fieldError{"oauth_config.scopes", "a scope is of printable ASCII characters without spaces, quotes and backslashes"}
		}
	}
	o.Scope = strings.Join(scopes, " ")
	resource := slices.Clone(o.Resource)
	if err := f.resource(&resource); err != nil {
		return err
	}
	o.Resource = unmasked(resource, o.Resource)
	if err := into(f, "use_basic_auth", "true or false", &o.UseBasicAuth); err != nil {
		return err
	}
	enforce := &o.EnforceHTTPS
	if err := into(f, "enforce_https", "true or false", &enforce); err != nil {
		return err
	}
	o.EnforceHTTPS = enforce == nil || *enforce
	return nil
}

// unmasked puts back what the API has shown without the values of its query.
func unmasked(list, was []string) []string {
	for i, shown := range list {
		if i < len(was) && withoutValues(was[i]) == shown { // two of them may look the same
			list[i] = was[i]
		} else if at := slices.IndexFunc(was, func(old string) bool { return withoutValues(old) == shown }); at >= 0 {
			list[i] = was[at]
		}
	}
	return list
}

// resource reads one or many; "" says that none is to be sent.
func (o *object) resource(to *[]string) error {
	one := ""
	if raw := o.fields["resource"]; len(raw) == 0 || raw[0] != '"' {
		return o.list("resource", to)
	}
	if err := o.text("resource", &one); err != nil {
		return err
	}
	*to = []string{one}
	if one == "" {
		*to = []string{}
	}
	return nil
}
