package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bearerd/engine"
	"bearerd/engine/oauth"
)

// tokenOf finds a token to go on with: the one that is held, or of client credentials a fresh one. What it gives beside is
// the step that looks at the scopes.
func (p *patient) tokenOf(ctx context.Context, stored *engine.Held) (f finding, scopes func() finding) {
	if stored != nil && stored.Err == nil && stored.Token != nil && alive(stored.Token) {
		t := stored.Token
		p.token = &held{t.Access(), t.Certificate, true}
		return p.valid(t), func() finding { return compareScopes(p.wanted(), t.Scope, false) }
	}
	if said := p.told(); said != nil && said.Token != nil && said.Token.Error != "" {
		return bad(said.Token.Remedy, "the daemon says: %s", strings.TrimSuffix(said.Token.Error, ": "+said.Token.Remedy)), nil
	}
	if stored != nil && stored.Err != nil {
		cause, remedy := remedyOf(stored.Err)
		return bad(remedy, "%s", cause), nil
	}
	if p.oauth.Rotating() {
		p.because = "token"
		return warned("run `bearerd refresh "+p.Name+"`", "no valid access token is held, and a refresh token is not spent just to look: the next use spends it"), nil
	}
	return p.try(ctx)
}

// hearsay is what the daemon says of a token that cannot be read from here.
func hearsay(t *engine.Status) finding {
	if t.Error != "" {
		return bad(t.Remedy, "the daemon says: %s", strings.TrimSuffix(t.Error, ": "+t.Remedy))
	}
	return good("the daemon says: %s", t.State)
}

func (p *patient) valid(t *engine.Token) finding {
	life := "no expiry was given"
	if !t.Expires.IsZero() {
		life = "expires in " + time.Until(t.Expires).Round(time.Second).String()
	}
	said := p.told()
	if said == nil || said.Token == nil || said.Token.Error == "" {
		return good("one is held, %s", life)
	}
	text := strings.TrimSuffix(said.Token.Error, ": "+said.Token.Remedy)
	if said.Token.State == engine.NeedsReauth {
		return warned(said.Token.Remedy, "one is held, %s; but %s", life, text)
	}
	return warned(said.Token.Remedy, "one is held, %s; renewing it has failed: %s", life, text)
}

// try asks for a token, uses it and forgets it.
func (p *patient) try(ctx context.Context) (f finding, scopes func() finding) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t, err := p.source.Try(ctx, p.found.Target)
	if s, ok := errors.AsType[*oauth.ScopeError](err); ok {
		return good("one is given, but with other scopes than were asked for"), func() finding {
			return compareScopes(s.Requested, s.Received, true)
		}
	}
	if err != nil {
		cause, remedy := remedyOf(err)
		if m := p.found.Metadata; m != nil && m.DefaultEndpoints {
			remedy = "write OAUTH_TOKEN_URL: no metadata names the token endpoint"
		}
		return bad(remedy, "%s", cause), nil
	}
	p.token = &held{t.AccessToken, t.Certificate, false}
	life := "without an expiry"
	if t.ExpiresIn > 0 {
		life = "for " + t.ExpiresIn.String()
	}
	return good("none is held; one was asked for, is given %s, and forgotten again", life), func() finding {
		return compareScopes(p.asked(), t.Scope, false)
	}
}

// asked are the scopes that a token is asked for.
func (p *patient) asked() string {
	if p.found != nil && p.found.Target != nil {
		return p.found.Target.Scope
	}
	return p.oauth.Scope
}

// wanted are those whose absence is worth a word: an offline_access that bearerd itself has added has done its work where a
// refresh token came.
func (p *patient) wanted() string {
	const offline = "offline_access"
	said := p.told()
	unrenewable := said != nil && said.Token != nil && said.Token.Renewable != nil && !*said.Token.Renewable
	if !p.oauth.Delegated() || unrenewable || slices.Contains(strings.Fields(p.oauth.Scope), offline) {
		return p.asked()
	}
	return strings.Join(slices.DeleteFunc(strings.Fields(p.asked()), func(s string) bool { return s == offline }), " ")
}

// compareScopes says what of the scopes asked for is not granted; refused: no token is served therefore.
func compareScopes(asked, granted string, refused bool) finding {
	have := strings.Fields(granted)
	lacking := slices.DeleteFunc(strings.Fields(asked), func(s string) bool { return slices.Contains(have, s) })
	const remedy = "have the authorization server allow them to this client, or correct OAUTH_SCOPE"
	text := fmt.Sprintf("asked for %q, granted %q; lacking: %s", asked, granted, strings.Join(lacking, " "))
	switch {
	case refused:
		return bad(remedy+"; with OAUTH_VALIDATE_SCOPES = false the token is used as it is", "%s", text)
	case len(lacking) > 0:
		return warned(remedy, "%s", text)
	case granted == "":
		return good("none were asked for, and none named")
	}
	return good("%s", granted)
}
