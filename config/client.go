package config

import (
	"fmt"

	"bearerd/secrets"
)

// client checks how the client proves itself. With mTLS the certificate alone does (RFC 8705 §2); a public client, which
// client credentials do not admit, has its refresh token only.
func (c check) client() {
	o, b := c.OAuth, c.oauth
	suffix := " is required and cannot be empty for " + o.GrantType + " grant"
	if o.ClientID == "" {
		c.fail(b, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID"+suffix, "set OAUTH_CLIENT_ID")
	}
	switch {
	case !empty(o.ClientSecret):
	case o.Rotating() && b.has("OAUTH_CLIENT_SECRET"):
		c.fail(b, "OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET cannot be empty", "leave it out for a public client")
	case !o.Rotating() && (!o.UseMTLS || b.has("OAUTH_CLIENT_SECRET")):
		c.fail(b, "OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET"+suffix,
			`set it to secret("NAME"), env("NAME") or file("PATH"), or leave it out and use mTLS`)
	}
	switch {
	case o.Rotating() && empty(o.RefreshToken):
		c.fail(b, "OAUTH_REFRESH_TOKEN", "OAUTH_REFRESH_TOKEN"+suffix,
			`set it to secret("NAME"), vault("PATH", "FIELD") or file("PATH")`)
	case !o.Rotating() && b.has("OAUTH_REFRESH_TOKEN"):
		c.fail(b, "OAUTH_REFRESH_TOKEN", `OAUTH_REFRESH_TOKEN has a meaning with OAUTH_GRANT_TYPE = "refresh_token" only`,
			"remove it, or set that grant")
	}
}

// empty reports whether nothing, or an empty text, was written.
func empty(r secrets.Ref) bool { return r.IsZero() || isLiteral(r) && r.Value.IsZero() }

// refreshTokens refuses two servers that would spend the same refresh token: the second to do so ends the grant.
func (l *loader) refreshTokens(t *tree) {
	const attr = "OAUTH_REFRESH_TOKEN"
	taken := map[string]*written{}
	for _, w := range t.servers {
		if !(check{l, w}).enabled() || !w.OAuth.Rotating() || empty(w.OAuth.RefreshToken) {
			continue
		}
		id := w.OAuth.RefreshToken.Identity()
		if r := w.OAuth.RefreshToken; r.Kind == secrets.File {
			id = "file:" + resolved(r.Name)
		}
		first := taken[id]
		if first == nil {
			taken[id] = w
			continue
		}
		at := first.oauth.at(attr)
		message := fmt.Sprintf("%s is that of server %q too, and may be spent once", attr, printable(first.Name))
		l.fail(w.oauth, attr, message, fmt.Sprintf("the first is at %s:%d: give each server a refresh token of its own",
			at.src.path, at.rng.Start.Line))
	}
}

// writtenOut warns about a secret that is in the file itself. name is what it may be called in the store; "": there it
// cannot be.
func (l *loader) writtenOut(b *block, attr string, r secrets.Ref, name string) {
	if !isLiteral(r) || r.Value.IsZero() {
		return
	}
	message := attr + " is written into the configuration"
	remedy := fmt.Sprintf("run `bearerd secret set %s` and write secret(%q)", name, name)
	if b.src.exposed {
		message += ", which group or others can read"
	}
	if name == "" {
		remedy = `write credential("NAME"), file("PATH") or env("NAME")`
	}
	l.warn(b, attr, message, remedy+"; else chmod 600 the file and keep it out of version control")
}
