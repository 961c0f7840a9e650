package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// client is a registration (RFC 7591). It belongs to the issuer that made it, and to a redirect URI.
type client struct {
	Issuer   string `json:"issuer,omitempty"` // "": OAUTH_REGISTRATION_URL is configured, and nothing was discovered
	Redirect string `json:"redirect_uri,omitempty"`
	ID       string `json:"client_id"`
	Secret   string `json:"client_secret,omitempty"`
	Method   string `json:"method,omitempty"`
	Scope    string `json:"scope,omitempty"`   // that it was registered for; "": any
	Expires  int64  `json:"expires,omitempty"` // of the secret, Unix seconds; 0: never
}

// serves reports whether the registration is still good at an issuer.
func (c *client) serves(issuer string) bool {
	return c != nil && sameIssuer(c.Issuer, issuer) && (c.Expires == 0 || time.Now().Unix() < c.Expires)
}

// target is whom the requests for s go to, and as whom: the configuration, completed by what the record holds of discovery
// and registration. It lacks what is not known yet.
func (s *Source) target(r *record) (*oauth.Target, error) {
	server := s.server.Load()
	o := *server.OAuth
	m := r.Metadata
	t := &oauth.Target{OAuth: &o, Reach: oauth.NewReach(server)}
	registered := ""
	switch {
	case m == nil:
	case o.TokenURL != "" && o.TokenURL != m.TokenURL: // another server's, or nobody knows whose
		m = nil
	case o.TokenURL == "" && o.AuthorizationURL != "" && o.AuthorizationURL != m.AuthorizationURL:
		return t, &Error{Server: s.name, State: s.status(), local: true, Remedy: "write OAUTH_TOKEN_URL too, or leave both out",
			Reason: "OAUTH_AUTHORIZATION_URL is not that of the authorization server that was discovered"}
	}
	if m != nil {
		t.Issuer = m.Issuer
		if m.Private {
			t.Reach = t.Reach.AtHome()
		}
		o.TokenURL = cmp.Or(o.TokenURL, m.TokenURL)
		o.AuthorizationURL = cmp.Or(o.AuthorizationURL, m.AuthorizationURL)
		o.RegistrationURL = cmp.Or(o.RegistrationURL, m.RegistrationURL)
		o.RevocationURL = cmp.Or(o.RevocationURL, m.RevocationURL)
		o.DeviceURL = cmp.Or(o.DeviceURL, m.DeviceURL)
		if o.Resource == nil && m.Resource != "" {
			o.Resource = []string{m.Resource}
		}
	}
	switch {
	case o.ClientID != "":
	case o.ClientMetadataURL != "" && (r.As == o.ClientMetadataURL || r.As == "" && m != nil && m.ClientMetadata):
		o.ClientID = o.ClientMetadataURL
	case r.Client.serves(t.Issuer):
		o.ClientID, registered = r.Client.ID, r.Client.Method
		if r.Client.Secret != "" {
			o.ClientSecret = secrets.LiteralRef(r.Client.Secret)
		}
	}
	o.Scope = s.scope(&o, r)
	o.ValidateScopes = o.ValidateScopes && o.Scope == server.OAuth.Scope // what a person leaves out of the rest is up to them
	var err error
	t.Method, t.Algs, err = m.Method(&o, registered)
	return t, err
}

// scope is what is asked for: OAUTH_SCOPE, else what upstream or its metadata names; and what was demanded since.
func (s *Source) scope(o *config.OAuth, r *record) string {
	base := o.Scope
	if base == "" {
		base = s.demanded()
		if both := union(base, r.Asked); len(both) <= maxAsked {
			base = both
		}
	}
	if m := r.Metadata; base == "" && m != nil {
		base = m.Scopes
	}
	if m := r.Metadata; o.Scope == "" && base != "" && o.Delegated() && m != nil && slices.Contains(m.IssuerScopes, "offline_access") {
		base = union(base, "offline_access")
	}
	more := union(r.Asked, r.Wanted, s.stillWanted())
	if o.Scope != "" { // it is the limit, with what may be demanded beyond it
		more = lacking(more, lacking(more, strings.Join(s.server.Load().AllowStepUp, " ")))
	}
	if all := union(base, more); len(all) <= maxAsked || o.Scope != "" {
		return all
	}
	return base
}

// maxAsked bounds, in bytes, what upstream can make of a scope, one demand after the other.
const maxAsked = 2 << 10

func (s *Source) stillWanted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// union joins space-separated scopes, each once, in their order.
func union(scopes ...string) string {
	var list []string
	for _, scope := range scopes {
		for _, word := range strings.Fields(scope) {
			if !slices.Contains(list, word) {
				list = append(list, word)
			}
		}
	}
	return strings.Join(list, " ")
}

// lacking is what of want is not in have.
func lacking(want, have string) string {
	held := strings.Fields(have)
	return strings.Join(slices.DeleteFunc(strings.Fields(want), func(w string) bool { return slices.Contains(held, w) }), " ")
}
