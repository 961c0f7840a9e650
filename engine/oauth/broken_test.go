package oauth

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// A document that is there and is broken must not pass for one that is not: what comes in its place is another server.
func TestBrokenDocuments(t *testing.T) {
	here := resourceJSON("https://"+mcp+"/mcp", "https://"+auth)
	for name, test := range map[string]struct{ change, want string }{
		"cut off":       {"", "it is no valid JSON"},
		"more after it": {"}}", "it is no valid JSON"},
		"too long":      {`,"x":"` + strings.Repeat("x", maxDocument) + `"}`, "it is over 256 KiB"},
		"too deep":      {`,"x":` + strings.Repeat("[", 20<<10) + strings.Repeat("]", 20<<10) + `}`, "it is no valid JSON"},
	} {
		edit := func(d string) string { return " \n" + strings.TrimSuffix(d, "}") + test.change }
		f, w := finderOf(t, pages{mcp + prm + "/mcp": edit(here), mcp + prm: here, auth + asm: issuerJSON("https://" + auth)})
		_, err := f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, true, "the oauth-protected-resource document at "+mcp+" cannot be used: "+test.want)
		wantAsked(t, w, mcp+prm+"/mcp")

		bad := edit(issuerJSON("https://" + auth))
		_, w, err = discoverIssuer(t, "https://"+auth, pages{auth + asm: bad, auth + oidc: issuerJSON("https://" + auth)})
		wantError(t, err, true, "the oauth-authorization-server document at "+auth+" cannot be used: "+test.want)
		wantAsked(t, w, auth+asm)

		f, w = finderOf(t, pages{mcp + asm: edit(issuerJSON("https://" + mcp))}) // no default endpoints
		_, err = f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, true, "the oauth-authorization-server document at "+mcp+" cannot be used: "+test.want)
		wantAsked(t, w, mcp+prm+"/mcp", mcp+prm, mcp+asm)
		if strings.HasPrefix(name, "cut") {
			f, _ = finderOf(t, pages{mcp + "/custom": bad})
			_, err = f.discover(t.Context(), Challenge{ResourceMetadata: "https://" + mcp + "/custom"}, "")
			wantError(t, err, true, "the resource_metadata document at "+mcp+" cannot be used: it is no valid JSON")
		}
	}
}

func TestMembersOfTheWrongType(t *testing.T) {
	for document, want := range map[string]string{
		`{"resource":7,"authorization_servers":["https://` + auth + `"]}`:            "resource",
		`{"resource":"https://` + mcp + `","authorization_servers":"https://a.b"}`:   "authorization_servers",
		`{"resource":"https://` + mcp + `","authorization_servers":[["canary", 1]]}`: "authorization_servers",
	} {
		f, w := finderOf(t, pages{mcp + prm + "/mcp": document})
		_, err := f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, true, "the oauth-protected-resource document at "+mcp+" cannot be used: it has a member of the wrong type: "+want+" (")
		wantAsked(t, w, mcp+prm+"/mcp")
	}
	for _, member := range []string{"token_endpoint", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported"} {
		d := `{"issuer":"https://` + auth + `","` + member + `":{"canary":1}}`
		_, _, err := discoverIssuer(t, "https://"+auth, pages{auth + oidc: d})
		wantError(t, err, true, "the openid-configuration document at "+auth+" cannot be used: it has a member of the wrong type: "+member+" (")
	}
	d := strings.TrimSuffix(issuerJSON("https://"+auth), "}") + `,"scopes_supported":"openid","unknown":[{}]}`
	if _, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: d}); err != nil {
		t.Error(err)
	}
}

func TestDocumentsWithAByteOrderMark(t *testing.T) {
	const bom = "\ufeff"
	f, w := finderOf(t, pages{
		mcp + prm + "/mcp": bom + resourceJSON("https://"+mcp+"/mcp", "https://"+auth), auth + asm: bom + "\r\n" + issuerJSON("https://"+auth),
	})
	if m, err := f.discover(t.Context(), Challenge{}, ""); err != nil || m.Issuer != "https://"+auth {
		t.Errorf("%+v, error %v", m, err)
	}
	wantAsked(t, w, mcp+prm+"/mcp", auth+asm)
}

func TestParametersThatNoDiscoveredEndpointMaySet(t *testing.T) {
	document := func(query string) string {
		return strings.Replace(issuerJSON("https://"+auth), "owner=user", query, 1)
	}
	for query, name := range map[string]string{
		"request=canary": "request", "a=b&request_uri=https://canary": "request_uri", "response_mode=canary": "response_mode", "state": "state",
		"client_assertion=canary": "client_assertion", "reque%73t=canary": "request",
	} {
		_, w, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: document(query), auth + oidc: issuerJSON("https://" + auth)})
		wantError(t, err, true, "authorization_endpoint in the metadata at "+auth+" sets "+name+", which is not for it to set: none of it is used")
		wantAsked(t, w, auth+asm)
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows a value: %v", err)
		}
	}
	for _, query := range []string{"client_id=x&scope=y", "requested=1", "prompt=login"} { // ours replace the first two
		if _, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: document(query)}); err != nil {
			t.Error(err)
		}
	}
}

// Only an answer over TLS that is verified tells where the server is.
func TestWhatMakesAServerPrivate(t *testing.T) {
	inside := pages{mcp + prm + "/mcp": resourceJSON("https://"+mcp+"/mcp", "https://"+auth), auth + asm: issuerJSON("https://" + auth)}
	f, w := finderOf(t, inside)
	w.at = "10.0.0.7:443"
	if _, err := f.discover(t.Context(), Challenge{}, ""); err != nil || !f.reach.Home() {
		t.Errorf("not private although it answered: %v", err)
	}
	f, w = finderOf(t, pages{})
	w.at = "10.0.0.7:443"
	if _, err := f.probe(t.Context()); err != nil || !f.reach.Home() {
		t.Errorf("not private although it answered the probe: %v", err)
	}

	f, w = finderOf(t, inside)
	w.at = "10.0.0.7:443"
	f.base.(*http.Transport).TLSClientConfig = nil // its certificate is nobody's
	if _, err := f.discover(t.Context(), Challenge{}, ""); err == nil || f.reach.Home() {
		t.Errorf("private by a connection alone, error %v", err)
	}

	f, w = finderOf(t, pages{})
	w.at = "10.0.0.7:443"
	f.server.OAuth.ServerURL = "https://" + auth // another host than that of reach
	if _, err := f.discover(t.Context(), Challenge{}, ""); err != nil || f.reach.Home() {
		t.Errorf("private by the answer of another host, error %v", err)
	}
}

func TestCertificateGoesToNamedHostsAlone(t *testing.T) {
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	defer as.Close()
	cert, key, err := as.WriteClientCert(t.TempDir(), "bearerd-test")
	if err != nil {
		t.Fatal(err)
	}
	s := &config.Server{URL: "https://" + mcp + "/mcp", AllowPrivate: []string{"other.example.com"}, OAuth: &config.OAuth{
		Version: "2.1", EnforceHTTPS: true, TokenURL: "https://named.example.com/token", UseMTLS: true,
		ClientCertPath: secrets.Ref{Kind: secrets.File, Name: cert}, ClientKeyPath: secrets.Ref{Kind: secrets.File, Name: key},
	}}
	like, _ := finderOf(t, pages{})
	f, err := newFinder(t.Context(), like.log, s, &secrets.Resolver{}, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	if f.base.(*http.Transport).TLSClientConfig.GetClientCertificate == nil || f.others.(*http.Transport).TLSClientConfig.GetClientCertificate != nil {
		t.Error("the certificate is in the wrong settings")
	}
	var shown, bare []string
	into := func(list *[]string) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			*list = append(*list, r.URL.Host)
			return nil, io.EOF
		}
	}
	f.base, f.others = into(&shown), into(&bare)
	for _, host := range []string{"MCP.example.com:8443", "named.example.com", auth, "other.example.com"} {
		at, err := f.address("x", "https://"+host+"/")
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.get(t.Context(), at, false)
		wantError(t, err, false, "the connection was closed")
	}
	if strings.Join(shown, " ") != "MCP.example.com:8443 named.example.com" || strings.Join(bare, " ") != auth+" other.example.com" {
		t.Errorf("shown to %q, not to %q", shown, bare)
	}
	s.OAuth.UseMTLS = false
	if f, err = newFinder(t.Context(), like.log, s, &secrets.Resolver{}, "id-1"); err != nil || f.others != nil {
		t.Errorf("%+v, error %v", f, err)
	}
}
