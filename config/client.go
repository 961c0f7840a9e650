package config

import (
	"fmt"

	"bearerd/secrets"
)

// client checks how the client proves itself. With mTLS the certificate alone does (RFC 8705 §2), with a private key what
// it signs; a public client, which client credentials do not admit, has its refresh token or its code only.
func (c check) client() {
	o, b := c.OAuth, c.oauth
	suffix := " is required and cannot be empty for " + o.GrantType + " grant"
	if o.ClientID == "" {
		c.noClientID(suffix)
	}
	alone := o.GrantType == "client_credentials"
	switch written := b.has("OAUTH_CLIENT_SECRET"); {
	case !empty(o.ClientSecret):
	case !alone && written:
		c.fail(b, "OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET cannot be empty", "leave it out for a public client")
	case alone && (written || !o.UseMTLS && !b.has("OAUTH_PRIVATE_KEY_PATH")):
		c.fail(b, "OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET"+suffix,
			`set it to secret("NAME"), env("NAME") or file("PATH"), or leave it out and use OAUTH_PRIVATE_KEY_PATH or mTLS`)
	}
	switch refresh := o.GrantType == "refresh_token"; {
	case refresh && empty(o.RefreshToken):
		c.fail(b, "OAUTH_REFRESH_TOKEN", "OAUTH_REFRESH_TOKEN"+suffix,
			`set it to secret("NAME"), vault("PATH", "FIELD") or file("PATH")`)
	case !refresh && b.has("OAUTH_REFRESH_TOKEN"):
		c.fail(b, "OAUTH_REFRESH_TOKEN", `OAUTH_REFRESH_TOKEN has a meaning with OAUTH_GRANT_TYPE = "refresh_token" only`,
			"remove it, or set that grant")
	}
}

// noClientID is about a client that is left out: where a person approves, one can be made, but nothing that it would prove
// itself with can be known before.
func (c check) noClientID(suffix string) {
	o, b := c.OAuth, c.oauth
	switch {
	case !o.Delegated():
		c.fail(b, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID"+suffix, "set OAUTH_CLIENT_ID")
	case b.has("OAUTH_CLIENT_ID"):
		c.fail(b, "OAUTH_CLIENT_ID", "OAUTH_CLIENT_ID cannot be empty", "leave it out to have a client registered")
	case b.has("OAUTH_CLIENT_SECRET"):
		c.fail(b, "OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET needs OAUTH_CLIENT_ID",
			"set OAUTH_CLIENT_ID, or remove the secret to have a client registered")
	case b.has("OAUTH_PRIVATE_KEY_PATH") && !b.has("OAUTH_CLIENT_METADATA_URL"):
		c.fail(b, "OAUTH_PRIVATE_KEY_PATH", "OAUTH_PRIVATE_KEY_PATH needs OAUTH_CLIENT_ID or OAUTH_CLIENT_METADATA_URL",
			"set the one that the key belongs to")
	}
}

// privateKey checks what a client signs with that proves itself by private_key_jwt (RFC 7523 §2.2).
func (c check) privateKey() {
	const attr, id = "OAUTH_PRIVATE_KEY_PATH", "OAUTH_PRIVATE_KEY_ID"
	o, b := c.OAuth, c.oauth
	switch {
	case !b.has(attr) && b.has(id):
		c.fail(b, id, id+" needs "+attr, "set "+attr+", or remove it")
	case b.has(id) && o.PrivateKeyID == "":
		c.fail(b, id, id+" cannot be empty", "write the kid of the key, or leave it out")
	}
	switch {
	case !b.has(attr):
	case o.PrivateKeyPath.IsZero():
		c.fail(b, attr, attr+" cannot be empty", "name a PEM file, or leave it out")
	case !empty(o.ClientSecret):
		c.fail(b, attr, attr+" and OAUTH_CLIENT_SECRET exclude each other", "keep the one that the client is known by")
	default:
		c.signingKey(pemFile{attr, "Private key", onDisk(o.PrivateKeyPath)})
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
