package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// maxIssuers is how many authorization servers of one resource are asked at most.
const maxIssuers = 8

// Discover finds the authorization server of s, in the order of the MCP specification: the metadata of the protected
// resource, at the address in the challenge or at the well-known ones (RFC 9728), then that of the first authorization
// server in it that has any (RFC 8414, OpenID Connect Discovery). Where there is none of the resource, the rules of MCP
// 2025-03-26 hold. issuer, if not "", is the one that is in use: as long as the resource names it, no other one is asked.
// An error is an *Error.
func Discover(
	ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, c Challenge, issuer, id string,
) (*Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	f, err := newFinder(ctx, log, s, r, id)
	if err != nil {
		return nil, err
	}
	m, err := f.discover(ctx, c, issuer)
	if m != nil {
		m.Private = f.reach.Home()
	}
	return m, err
}

func (f *finder) discover(ctx context.Context, c Challenge, issuer string) (*Metadata, error) {
	at, err := f.start()
	if err != nil {
		return nil, err
	}
	d, err := f.resource(ctx, at, c)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return f.legacy(ctx, at)
	}
	m, err := f.issuers(ctx, d.AuthorizationServers, issuer)
	if err != nil {
		return nil, err
	}
	m.Resource, m.Scopes = d.Resource, plausibleScope(strings.Join(d.Scopes, " "), maxScopes)
	m.cut()
	return m, nil
}

// start is the address of the protected resource.
func (f *finder) start() (*url.URL, error) {
	if f.server.OAuth == nil || f.server.Resource() == "" {
		e := unsent(opDiscover, f.id, errors.New("there is no address to start from: set OAUTH_SERVER_URL"))
		e.Final = true
		return nil, e
	}
	return f.address("the address of the server", f.server.Resource())
}

// resourceDocument is the metadata of a protected resource (RFC 9728 §2).
type resourceDocument struct {
	Resource             string    `json:"resource"`
	AuthorizationServers []string  `json:"authorization_servers"`
	Scopes               looseList `json:"scopes_supported"`
}

// resource is nil without an error where no metadata of the resource is to be had.
func (f *finder) resource(ctx context.Context, server *url.URL, c Challenge) (*resourceDocument, error) {
	var failed error
	if c.ResourceMetadata != "" {
		d, err := f.challenged(ctx, c.ResourceMetadata)
		if err == nil {
			return f.belongs(d, server)
		}
		failed = err // a wrong address in the challenge is common; the well-known ones may do
	}
	for _, at := range resourcePlaces(server) {
		if at.String() == c.ResourceMetadata {
			continue
		}
		d, err := f.resourceAt(ctx, at)
		if err == nil {
			return f.belongs(d, server)
		}
		e, ok := err.(*Error)
		if !ok { // missing
			continue
		}
		if e.Final || e.Status == 0 {
			return nil, e
		}
		failed = e
	}
	return nil, failed
}

// challenged reads the document that the challenge names.
func (f *finder) challenged(ctx context.Context, address string) (*resourceDocument, error) {
	at, err := f.address("resource_metadata in the challenge", address)
	if err != nil {
		return nil, err
	}
	d, err := f.resourceAt(ctx, at)
	if why, ok := err.(missing); ok {
		return nil, f.final("%s has no protected resource metadata where the challenge says: %w", at.Host, why)
	}
	return d, err
}

// resourceAt reads one place. Its error is missing or an *Error.
func (f *finder) resourceAt(ctx context.Context, at *url.URL) (*resourceDocument, error) {
	d := &resourceDocument{}
	if err := f.getJSON(ctx, at, false, d); err != nil {
		return nil, err
	}
	if len(d.AuthorizationServers) == 0 {
		return nil, missing("it names no authorization server")
	}
	return d, nil
}

// resourcePlaces are the well-known addresses: for the whole path, then for the host (RFC 9728 §3.1).
func resourcePlaces(server *url.URL) []*url.URL {
	const known = "/.well-known/oauth-protected-resource"
	root := wellKnown(server, known)
	path := strings.TrimRight(server.EscapedPath(), "/")
	if path == "" && server.RawQuery == "" {
		return []*url.URL{root}
	}
	at := wellKnown(server, known+path)
	at.RawQuery = server.RawQuery
	return []*url.URL{at, root}
}

// ErrResource is wrapped where the metadata of a protected resource is not about the server (RFC 9728 §3.3).
var ErrResource = errors.New("is about another resource")

// belongs refuses a document of another resource (RFC 9728 §3.3).
func (f *finder) belongs(d *resourceDocument, server *url.URL) (*resourceDocument, error) {
	resource, err := f.address("resource in the metadata of "+server.Host, d.Resource)
	if err != nil {
		return nil, err
	}
	if !covers(resource, server) {
		return nil, f.final("the protected resource metadata of %s %w, at %s: none of it is used", server.Host, ErrResource, resource.Host)
	}
	if jsonSize(d.Resource) > maxKeptURL {
		return nil, f.final("resource in the metadata of %s is over %d KiB", server.Host, maxKeptURL>>10)
	}
	return d, nil
}

// covers reports whether a resource is the server or a parent of it: the same origin, and the same or a shorter path.
func covers(resource, server *url.URL) bool {
	if !sameOrigin(resource, server) || resource.RawQuery != "" && resource.RawQuery != server.RawQuery {
		return false
	}
	parent := strings.TrimSuffix(resource.EscapedPath(), "/") + "/"
	return strings.HasPrefix(strings.TrimSuffix(server.EscapedPath(), "/")+"/", parent)
}

func sameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

// origin is as RFC 6454 §6.2 writes it, without the usual port.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}

// issuers gives the first authorization server of the list that has metadata; without any the error names what is
// wrong with each, and is final if all of them are. The preferred one stands alone where it is listed: one that fails for
// a moment must not send its grant elsewhere.
func (f *finder) issuers(ctx context.Context, list []string, preferred string) (*Metadata, error) {
	if i := slices.IndexFunc(list, func(s string) bool { return sameIssuer(s, preferred) }); i >= 0 {
		list = list[i : i+1]
	}
	failed := &Error{Op: opDiscover, CorrelationID: f.id, Final: true}
	var why []error
	for _, issuer := range list[:min(len(list), maxIssuers)] {
		m, err := f.issuer(ctx, issuer)
		if err == nil {
			return m, nil
		}
		e, ok := err.(*Error)
		if !ok {
			e = f.final("%w", err)
		}
		if !e.Final && failed.Final { // the first that may mend itself says what to wait for
			failed.Final, failed.Status, failed.RetryAfter = false, e.Status, e.RetryAfter
		}
		why = append(why, e.Err)
	}
	failed.Err = why[0]
	if len(why) > 1 {
		failed.Err = &joined{why}
	}
	return nil, failed
}

// joined is several causes on one line.
type joined struct{ causes []error }

func (j *joined) Error() string {
	texts := make([]string, len(j.causes))
	for i, err := range j.causes {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j *joined) Unwrap() []error { return j.causes }

// legacy is what MCP 2025-03-26 says: the server's origin is the authorization server, with fixed endpoints where it has
// no metadata.
func (f *finder) legacy(ctx context.Context, server *url.URL) (*Metadata, error) {
	base := origin(server)
	root, err := url.Parse(base)
	if err != nil {
		return nil, f.final("%s: the address cannot be used", server.Host)
	}
	m, err := f.firstOf(ctx, issuerPlaces(root), base, true)
	if _, ok := err.(missing); !ok {
		return m, err
	}
	return &Metadata{
		Issuer: base, AuthorizationURL: base + "/authorize", TokenURL: base + "/token", RegistrationURL: base + "/register",
		DefaultEndpoints: true,
	}, nil
}
