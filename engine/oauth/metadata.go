package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Limits of metadata in bytes as JSON, as it is kept in the record of the grant.
const (
	maxMetadata = 8 << 10 // all of it, see cut
	maxKeptURL  = 1 << 10 // one of the seven
	maxScopes   = 2 << 10
)

// issuerDocument is the metadata of an authorization server (RFC 8414 §2, OpenID Connect Discovery §3).
type issuerDocument struct {
	Issuer           string    `json:"issuer"`
	AuthorizationURL string    `json:"authorization_endpoint"`
	TokenURL         string    `json:"token_endpoint"`
	RegistrationURL  string    `json:"registration_endpoint"`
	RevocationURL    string    `json:"revocation_endpoint"`
	DeviceURL        string    `json:"device_authorization_endpoint"`
	Scopes           looseList `json:"scopes_supported"`
	AuthMethods      []string  `json:"token_endpoint_auth_methods_supported"`
	SigningAlgs      []string  `json:"token_endpoint_auth_signing_alg_values_supported"`
	ChallengeMethods []string  `json:"code_challenge_methods_supported"`
	ClientMetadata   bool      `json:"client_id_metadata_document_supported"`
	IssuerInResponse bool      `json:"authorization_response_iss_parameter_supported"`
}

// issuer finds the metadata of an authorization server by its issuer. Its error is missing or an *Error.
func (f *finder) issuer(ctx context.Context, issuer string) (*Metadata, error) {
	u, err := f.address("an authorization server of the protected resource metadata", issuer)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery { // RFC 8414 §2
		return nil, f.final("the issuer at %s has a query", u.Host)
	}
	return f.firstOf(ctx, issuerPlaces(u), issuer, false)
}

// firstOf reads the places in order, as long as they hold no document for the issuer.
func (f *finder) firstOf(ctx context.Context, places []*url.URL, issuer string, legacy bool) (*Metadata, error) {
	var failed *Error
	var why []string
	for _, at := range places {
		var d issuerDocument
		err := f.getJSON(ctx, at, legacy, &d)
		if reason, ok := err.(missing); ok {
			why = append(why, kindOf(at)+": "+string(reason))
			continue
		}
		if e, ok := err.(*Error); ok {
			if e.Final || e.Status == 0 { // the host itself is out of reach
				return nil, e
			}
			failed = e
			continue
		}
		return f.metadata(at.Host, &d, issuer)
	}
	if failed != nil {
		return nil, failed
	}
	return nil, missing(places[0].Host + " has no authorization server metadata (" + strings.Join(why, ", ") + ")")
}

// kindOf is the name of a well-known document; "": it is another address.
func kindOf(at *url.URL) string {
	for _, kind := range []string{"openid-configuration", "oauth-authorization-server", "oauth-protected-resource"} {
		if strings.Contains(at.Path, "/.well-known/"+kind) {
			return kind
		}
	}
	return ""
}

// issuerPlaces are in the order of the MCP specification. The root is nobody's who has a path: another tenant may own it.
func issuerPlaces(issuer *url.URL) []*url.URL {
	path := strings.TrimRight(issuer.EscapedPath(), "/")
	places := []*url.URL{
		wellKnown(issuer, "/.well-known/oauth-authorization-server"+path),
		wellKnown(issuer, "/.well-known/openid-configuration"+path),
	}
	if path != "" {
		places = append(places, wellKnown(issuer, path+"/.well-known/openid-configuration"))
	}
	return places
}

// wellKnown is a path, escaped as it is, at the host of u.
func wellKnown(u *url.URL, escaped string) *url.URL {
	at := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: escaped}
	if path, err := url.PathUnescape(escaped); err == nil {
		at.Path, at.RawPath = path, escaped
	}
	return at
}

// ErrIssuer is wrapped where metadata is about another issuer than it was asked for (RFC 8414 §3.3).
var ErrIssuer = errors.New("names another issuer than the one that it was asked for: none of it is used")

// metadata checks a document whole before any of it is used (RFC 8414 §3.3): one bad member makes all of it suspect.
func (f *finder) metadata(host string, d *issuerDocument, issuer string) (*Metadata, error) {
	if !sameIssuer(d.Issuer, issuer) {
		return nil, f.final("the metadata at %s %w", host, ErrIssuer)
	}
	for _, member := range []struct{ name, value string }{
		{"issuer", d.Issuer}, {"authorization_endpoint", d.AuthorizationURL}, {"token_endpoint", d.TokenURL},
		{"registration_endpoint", d.RegistrationURL}, {"revocation_endpoint", d.RevocationURL},
		{"device_authorization_endpoint", d.DeviceURL},
	} {
		if member.value == "" {
			continue
		}
		if _, err := f.address(member.name+" in the metadata at "+host, member.value); err != nil {
			return nil, err
		}
		if jsonSize(member.value) > maxKeptURL {
			return nil, f.final("%s in the metadata at %s is over %d KiB", member.name, host, maxKeptURL>>10)
		}
	}
	if name := reservedIn(d.AuthorizationURL); name != "" {
		return nil, f.final("authorization_endpoint in the metadata at %s sets %s, which is not for it to set: none of it is used",
			host, name)
	}
	if err := f.useful(host, d); err != nil {
		return nil, err
	}
	return &Metadata{
		Issuer: d.Issuer, AuthorizationURL: d.AuthorizationURL, TokenURL: d.TokenURL, RegistrationURL: d.RegistrationURL,
		RevocationURL: d.RevocationURL, DeviceURL: d.DeviceURL, ClientMetadata: d.ClientMetadata, IssuerInResponse: d.IssuerInResponse,
		IssuerScopes: only(d.Scopes, "offline_access"), ChallengeMethods: only(d.ChallengeMethods, "S256"),
		AuthMethods: known(d.AuthMethods, MethodNone, MethodBasic, MethodPost, MethodPrivateKeyJWT, MethodTLS),
		SigningAlgs: known(d.SigningAlgs, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"),
	}, nil
}

// reservedIn is the first parameter in an authorization endpoint that would replace our request or its answer, or speak
// for our client.
func reservedIn(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	for _, name := range []string{"request", "request_uri", "response_mode", "state", "client_assertion"} {
		if u.Query().Has(name) {
			return name
		}
	}
	return ""
}

// useful wants the endpoints that the grant cannot do without and the configuration does not have.
func (f *finder) useful(host string, d *issuerDocument) error {
	o := f.server.OAuth
	if d.TokenURL == "" && o.TokenURL == "" {
		return f.final("the metadata at %s names no token_endpoint: set OAUTH_TOKEN_URL", host)
	}
	if o.Delegated() && d.AuthorizationURL == "" && o.AuthorizationURL == "" && d.DeviceURL == "" && o.DeviceURL == "" {
		return f.final("the metadata at %s names no authorization_endpoint: set OAUTH_AUTHORIZATION_URL", host)
	}
	return nil
}

// only keeps of a list what is looked for in it: some providers list hundreds of scopes.
func only(list []string, wanted ...string) []string {
	var kept []string
	for _, name := range wanted {
		if slices.Contains(list, name) {
			kept = append(kept, name)
		}
	}
	return kept
}

// known is only for a list whose absence has a meaning of its own: where nothing of it is known it keeps one name.
func known(list []string, names ...string) []string {
	kept := only(list, names...)
	if len(kept) > 0 || len(list) == 0 {
		return kept
	}
	if name := list[0]; name != "" && jsonSize(name) <= 64 && !strings.ContainsFunc(name, unprintable) {
		return []string{name}
	}
	return []string{"others"}
}

// cut leaves out what can be done without where all together is too much: the scopes, as each URL has its own limit.
func (m *Metadata) cut() {
	if b, err := json.Marshal(m); err != nil || len(b) > maxMetadata {
		m.Scopes = ""
	}
}

// sameIssuer compares byte for byte (RFC 8414 §3.3). The one exception is the slash after a bare host, with which half of
// the providers write it in one place and not in the other: both name the same documents, so nobody can stand between.
func sameIssuer(a, b string) bool {
	if a == b {
		return a != ""
	}
	long, short := a, b
	if len(a) < len(b) {
		long, short = b, a
	}
	scheme, host, ok := strings.Cut(short, "://")
	return ok && scheme != "" && host != "" && !strings.Contains(host, "/") && long == short+"/"
}

// oddHost reports whether a host is neither a name nor an address: it ends in a number, which some resolvers and proxies
// read as an address (2130706433, 127.1), or it is not ASCII.
func oddHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	name := strings.TrimSuffix(host, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	tooLarge := errors.Is(err, strconv.ErrRange)
	digits := strings.Trim(last, "0123456789") == "" // 08 as well
	return err == nil || tooLarge || digits || strings.ContainsFunc(host, func(r rune) bool { return r > '~' })
}
