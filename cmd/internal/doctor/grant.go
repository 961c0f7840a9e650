package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
)

// grant takes the steps from discovery to the scopes. Where a token is held, what is wrong with getting another one does not
// keep it from being tried.
func (p *patient) grant(ctx context.Context) {
	var stored *engine.Held
	var unread error
	before := p.because
	if p.because == "" && p.doctor.broken == "" {
		brief, cancel := context.WithTimeout(ctx, limit)
		stored, unread = p.source.Held(brief)
		cancel()
	}
	p.finds(ctx, stored)
	if p.because == "" {
		p.endpoints(ctx)
	}
	if p.oauth.Delegated() {
		p.step("registration", func() finding { return p.registration(stored) })
	}
	if stored != nil && stored.Token != nil && alive(stored.Token) {
		p.because = before
	}
	if p.because == "" && p.doctor.broken != "" {
		p.because = p.doctor.broken
		if said := p.told(); said != nil && said.Token != nil {
			p.chart.take("token", func() finding { return hearsay(said.Token) })
			return
		}
	}
	var scopes func() finding
	p.step("token", func() finding {
		if unread != nil {
			return bad("see to the store: `bearerd status` says more", "%v", unread)
		}
		var f finding
		f, scopes = p.tokenOf(ctx, stored)
		return f
	})
	p.step("scopes", scopes)
}

func alive(t *engine.Token) bool { return t.Expires.IsZero() || time.Now().Before(t.Expires) }

// finds discovers, where something is left out.
func (p *patient) finds(ctx context.Context, stored *engine.Held) {
	find := func() finding {
		ctx, cancel := context.WithTimeout(ctx, 3*limit) // it asks many places
		defer cancel()
		found, err := p.source.Find(ctx)
		if err != nil {
			return undiscovered(found, err)
		}
		p.found = found
		return p.discovered(found, stored)
	}
	if p.oauth.Discovers() {
		p.step("discovery", find)
	} else if p.because == "" {
		if f := find(); f.result == Failed {
			p.step("discovery", func() finding { return f })
		}
	}
}

func undiscovered(found *engine.Found, err error) finding {
	cause, remedy := remedyOf(err)
	switch {
	case errors.Is(err, oauth.ErrIssuer):
		remedy = "have its provider mend `issuer` in the metadata; until then write OAUTH_TOKEN_URL (and OAUTH_AUTHORIZATION_URL), which need none"
	case errors.Is(err, oauth.ErrResource):
		remedy = "write as url what the metadata says as `resource`, or OAUTH_SERVER_URL; else have the server mend it, or write OAUTH_TOKEN_URL " +
			"(and OAUTH_AUTHORIZATION_URL) and OAUTH_RESOURCE"
	}
	if found.Challenge.Status != 0 {
		cause = fmt.Sprintf("challenge (HTTP %d) → %s", found.Challenge.Status, cause)
	}
	return bad(remedy, "%s", cause)
}

func (p *patient) discovered(found *engine.Found, stored *engine.Held) finding {
	m := found.Metadata
	if m == nil {
		return good("nothing to discover")
	}
	chain := fmt.Sprintf("challenge (HTTP %d)", found.Challenge.Status)
	if m.Resource != "" {
		chain += " → resource " + shown(m.Resource)
	}
	chain += " → issuer " + shown(m.Issuer)
	switch held := stored != nil && stored.Token != nil; {
	case found.Needless():
		return bad("write enabled = false, or remove oauth_config", "%s answers without a token and has no metadata: it needs no sign-in", shown(p.Resource()))
	case m.DefaultEndpoints && found.Challenge.Status == http.StatusNotFound:
		return bad("verify url, or write OAUTH_SERVER_URL", "nothing is found at %s (HTTP 404), nor any metadata", shown(p.Resource()))
	case m.DefaultEndpoints && p.oauth.Delegated() && !held:
		return bad("write OAUTH_SERVER_URL if the metadata is elsewhere; else OAUTH_AUTHORIZATION_URL, OAUTH_TOKEN_URL and OAUTH_CLIENT_ID",
			"%s has no metadata, of the resource or of an authorization server", shown(p.Resource()))
	case m.DefaultEndpoints:
		return warned("if it does not work, write OAUTH_TOKEN_URL", "%s has no metadata: the endpoints that MCP 2025-03-26 has by default are used", shown(p.Resource()))
	}
	var can []string
	if m.RegistrationURL != "" {
		can = append(can, "registers clients")
	}
	if m.ClientMetadata {
		can = append(can, "takes client id metadata documents")
	}
	if slices.Contains(m.ChallengeMethods, "S256") {
		can = append(can, "PKCE S256")
	}
	if len(can) > 0 {
		chain += " (" + strings.Join(can, ", ") + ")"
	}
	return good("%s", chain)
}

// endpoints connects to where the requests for tokens go.
func (p *patient) endpoints(ctx context.Context) {
	t := p.found.Target
	list := []struct{ field, url string }{{"OAUTH_TOKEN_URL", t.TokenURL}}
	if p.oauth.Delegated() {
		list = append(list, []struct{ field, url string }{{"OAUTH_AUTHORIZATION_URL", t.AuthorizationURL}, {"OAUTH_REGISTRATION_URL", t.RegistrationURL}}...)
	}
	seen := map[string]bool{}
	p.step("authorization server", func() finding {
		var all []finding
		for _, e := range list {
			u, err := url.Parse(e.url)
			if err != nil || u.Host == "" || seen[u.Scheme+u.Host] {
				continue
			}
			seen[u.Scheme+u.Host] = true
			all = append(all, p.address(ctx, e.field, e.url))
		}
		if len(all) == 0 {
			return bad("write OAUTH_TOKEN_URL", "no token endpoint is known")
		}
		return worst(all)
	})
}

// worst is the worst of findings, or all good ones together.
func worst(all []finding) finding {
	var texts []string
	for _, result := range []Result{Failed, Warned, Skipped} {
		for _, f := range all {
			if f.result == result {
				return f
			}
		}
	}
	for _, f := range all {
		texts = append(texts, f.detail)
	}
	return good("%s", strings.Join(texts, " | "))
}

// registration looks who the client is, without registering one.
func (p *patient) registration(stored *engine.Held) finding {
	o, t := p.oauth, p.found.Target
	switch {
	case o.ClientID != "":
		return good("the client is OAUTH_CLIENT_ID")
	case t.ClientID != "" && t.ClientID == o.ClientMetadataURL:
		return good("the client is OAUTH_CLIENT_METADATA_URL")
	case t.ClientID != "":
		return good("a client is registered")
	case t.RegistrationURL != "" && stored != nil && stored.Registered != "":
		return warned("run `bearerd login "+p.Name+"`", "the client that was registered is of no use any more: the next login registers another one")
	case t.RegistrationURL != "":
		return good("the next login registers a client at %s", shown(t.RegistrationURL))
	}
	return bad("register one there with the redirect URI "+cmp.Or(o.RedirectURI, config.DefaultRedirect)+
		", and write OAUTH_CLIENT_ID (and OAUTH_CLIENT_SECRET, if it has one)", "%v", engine.ErrNoRegistration)
}
