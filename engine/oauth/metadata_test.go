package oauth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// discoverIssuer has one issuer in the resource's metadata and the given pages beside it.
func discoverIssuer(t *testing.T, issuer string, p pages) (*Metadata, *web, error) {
	t.Helper()
	p[mcp+prm+"/mcp"] = resourceJSON("https://"+mcp+"/mcp", issuer)
	f, w := finderOf(t, p)
	m, err := f.discover(t.Context(), Challenge{}, "")
	w.asked = w.asked[1:]
	return m, w, err
}

func TestIssuerMetadataIsLookedForInOrder(t *testing.T) {
	for _, test := range []struct {
		issuer string
		places []string
	}{
		{"https://" + auth, []string{auth + asm, auth + oidc}},
		{"https://" + auth + "/", []string{auth + asm, auth + oidc}},
		{"https://" + auth + "/t1", []string{auth + asm + "/t1", auth + oidc + "/t1", auth + "/t1" + oidc}},
		{"https://" + auth + "/a%2Fb/c/", []string{auth + asm + "/a%2Fb/c", auth + oidc + "/a%2Fb/c", auth + "/a%2Fb/c" + oidc}},
	} {
		for i, at := range test.places {
			m, w, err := discoverIssuer(t, test.issuer, pages{at: issuerJSON(test.issuer), auth + "/": issuerJSON(test.issuer)})
			if err != nil || m.Issuer != test.issuer {
				t.Errorf("%s: %+v, error %v", at, m, err)
			}
			wantAsked(t, w, test.places[:i+1]...)
		}
		// The root of an issuer with a path may be another tenant's: it is never asked.
		_, w, err := discoverIssuer(t, test.issuer, pages{})
		wantError(t, err, true, auth+" has no authorization server metadata (oauth-authorization-server: HTTP 404, ")
		wantAsked(t, w, test.places...)
	}
}

func TestPlacesAfterAFailure(t *testing.T) {
	m, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: 500, auth + oidc: issuerJSON("https://" + auth)})
	if err != nil || m.Issuer != "https://"+auth {
		t.Errorf("%+v, error %v", m, err)
	}
	_, _, err = discoverIssuer(t, "https://"+auth, pages{auth + asm: 500})
	wantError(t, err, false, auth+" answered HTTP 500 Internal Server Error (HTTP 500, ")
}

func TestMixUpIsRefused(t *testing.T) {
	for _, named := range []string{
		"https://evil.example.com", "https://" + auth + "/other", "http://" + auth, "https://AUTH.example.com", "https://" + auth + ":443",
		"https://" + auth + "//", "",
	} {
		_, w, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: issuerJSON(named), auth + oidc: issuerJSON("https://" + auth)})
		wantError(t, err, true, "the metadata at "+auth+" names another issuer than the one that it was asked for: none of it is used")
		wantAsked(t, w, auth+asm)
	}
	_, _, err := discoverIssuer(t, "https://"+auth+"/t", pages{auth + asm + "/t": issuerJSON("https://" + auth + "/t/")})
	wantError(t, err, true, "names another issuer")
}

// Only the slash after a bare host may differ. What the document says is kept, as iss (RFC 9207) is compared with it.
func TestSlashAfterABareHost(t *testing.T) {
	for _, pair := range [][2]string{{"https://" + auth, "https://" + auth + "/"}, {"https://" + auth + "/", "https://" + auth}} {
		m, _, err := discoverIssuer(t, pair[0], pages{auth + asm: issuerJSON(pair[1])})
		if err != nil || m.Issuer != pair[1] {
			t.Errorf("%q: %+v, error %v", pair, m, err)
		}
	}
	for _, pair := range [][2]string{{"", ""}, {"/", ""}, {"https://", "https:///"}, {"https:/", "https://"}, {"a", "a/"}} {
		if sameIssuer(pair[0], pair[1]) {
			t.Errorf("%q are the same", pair)
		}
	}
}

var members = []string{
	"authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint", "device_authorization_endpoint",
}

// withMember is a document whose endpoints are good but for one.
func withMember(name, value string) string {
	d := fmt.Sprintf(`{"issuer":"https://%s"`, auth)
	for _, member := range members {
		good := "https://" + auth + "/" + member
		if member == name {
			good = value
		}
		d += fmt.Sprintf(`,%q:%q`, member, good)
	}
	return d + "}"
}

func TestHostileEndpoints(t *testing.T) {
	f, _ := finderOf(t, pages{})
	for _, test := range []struct{ value, want string }{
		{"file:///etc/passwd?canary", "is no https URL"},
		{"javascript:alert(canary)", "is no https URL"},
		{"data:text/html,canary", "is no https URL"},
		{"https:canary", "is no https URL"},
		{"/canary", "is no https URL"},
		{"http://" + auth + "/canary", "is plain http, and https is required"},
		{"http://127.0.0.1/canary", "is plain http"},
		{"https:///canary", "names no host"},
		{"https://:443/canary", "names no host"},
		{"https://2130706433/canary", "names no host"},
		{"https://0x7f.1/canary", "names no host"},
		{"https://127.0.0.08/canary", "names no host"},
		{"https://user:canary@" + auth + "/", "holds a user name"},
		{"https://" + auth + "/#canary", "has a fragment"},
		{"https://" + auth + "/ canary", "is no URL"},
		{"https://" + auth + "/\ncanary", "is no URL"},
		{`https://` + auth + `\canary`, "is no URL"},
		{"https://аuth.example.com/canary", "is no URL"},
		{"https://" + auth + "/" + strings.Repeat("x", 2048), "is over 2 KiB"},
		{"https://169.254.169.254/canary", "169.254.169.254 is a cloud metadata address, which is never connected to"},
		{"https://[::ffff:169.254.169.254]/canary", "is a cloud metadata address, which is never connected to"},
		{"https://127.0.0.1/canary", "127.0.0.1 is a loopback address, and metadata named it: add it to allow_private"},
		{"https://localhost/canary", "localhost is at 127.0.0.1, a loopback address, and metadata named it"},
		{"https://10.0.0.8/canary", "10.0.0.8 is a private address, and metadata named it"},
	} {
		for _, member := range members {
			var d issuerDocument
			if err := json.Unmarshal([]byte(withMember(member, test.value)), &d); err != nil {
				t.Fatal(err)
			}
			_, err := f.metadata(auth, &d, "https://"+auth)
			wantError(t, err, true, member+" in the metadata at "+auth)
			wantError(t, err, true, test.want)
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows more than the host: %v", err)
			}
		}
		_, err := f.issuer(t.Context(), test.value)
		wantError(t, err, true, "an authorization server of the protected resource metadata")
		wantError(t, err, true, test.want)
	}
	_, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: withMember("token_endpoint", "file:///etc/passwd")})
	wantError(t, err, true, "token_endpoint in the metadata at "+auth+" is no https URL")
	_, w, err := discoverIssuer(t, "javascript:alert(1)", pages{})
	wantError(t, err, true, "is no https URL")
	wantAsked(t, w)
	_, w, err = discoverIssuer(t, "https://"+auth+"/?tenant=canary", pages{})
	wantError(t, err, true, "the issuer at "+auth+" has a query")
	wantAsked(t, w)
}

func TestPlainHTTPIsOneRule(t *testing.T) {
	for _, test := range []struct {
		version string
		enforce bool
		want    bool
	}{{"2.0", false, true}, {"2.0", true, false}, {"2.1", false, false}, {"2.1", true, false}} {
		f, _ := finderOf(t, pages{})
		f.server.OAuth.Version, f.server.OAuth.EnforceHTTPS = test.version, test.enforce
		if _, err := f.address("x", "HTTP://"+auth+"/"); (err == nil) != test.want {
			t.Errorf("%+v: error %v", test, err)
		}
		if _, err := f.address("x", "http://169.254.169.254/"); err == nil {
			t.Errorf("%+v: metadata service", test)
		}
	}
}

func TestEndpointsThatTheGrantNeeds(t *testing.T) {
	only := func(members string) string { return `{"issuer":"https://` + auth + `"` + members + `}` }
	token, authorize := `,"token_endpoint":"https://`+auth+`/t"`, `,"authorization_endpoint":"https://`+auth+`/a"`
	device := `,"device_authorization_endpoint":"https://` + auth + `/d"`
	for _, test := range []struct {
		grant, members string
		tokenURL       string
		want           string
	}{
		{"authorization_code", token + authorize, "", ""},
		{"authorization_code", token + device, "", ""},
		{"authorization_code", token, "", "names no authorization_endpoint: set OAUTH_AUTHORIZATION_URL"},
		{"authorization_code", authorize, "", "names no token_endpoint: set OAUTH_TOKEN_URL"},
		{"authorization_code", authorize, "https://" + auth + "/t", ""},
		{"client_credentials", token, "", ""},
		{"client_credentials", authorize, "", "names no token_endpoint: set OAUTH_TOKEN_URL"},
	} {
		f, _ := finderOf(t, pages{
			mcp + prm: resourceJSON("https://"+mcp, "https://"+auth), auth + asm: only(test.members),
		})
		f.server.OAuth.GrantType, f.server.OAuth.TokenURL = test.grant, test.tokenURL
		_, err := f.discover(t.Context(), Challenge{}, "")
		if test.want != "" {
			wantError(t, err, true, test.want)
		} else if err != nil {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestWhatIsKeptOfMetadata(t *testing.T) {
	d := strings.TrimSuffix(withMember("", ""), "}") + `,"scopes_supported":["openid","offline_access"],
		"token_endpoint_auth_methods_supported":["none","private_key_jwt"],"token_endpoint_auth_signing_alg_values_supported":["ES256"],
		"code_challenge_methods_supported":["S256"],"client_id_metadata_document_supported":true,
		"authorization_response_iss_parameter_supported":true,"resource":"https://evil.example.com","default_endpoints":true,"unknown":{}}`
	m, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: d})
	if err != nil {
		t.Fatal(err)
	}
	want := Metadata{
		Resource: "https://" + mcp + "/mcp", Scopes: "read write", Issuer: "https://" + auth,
		AuthorizationURL: "https://" + auth + "/authorization_endpoint", TokenURL: "https://" + auth + "/token_endpoint",
		RegistrationURL: "https://" + auth + "/registration_endpoint", RevocationURL: "https://" + auth + "/revocation_endpoint",
		DeviceURL: "https://" + auth + "/device_authorization_endpoint", IssuerScopes: []string{"offline_access"},
		AuthMethods: []string{"none", "private_key_jwt"}, SigningAlgs: []string{"ES256"}, ChallengeMethods: []string{"S256"},
		ClientMetadata: true, IssuerInResponse: true,
	}
	if got := fmt.Sprintf("%+v", *m); got != fmt.Sprintf("%+v", want) {
		t.Errorf("\n got %s\nwant %+v", got, want)
	}
}

func TestListsAreLimited(t *testing.T) {
	list := func(items ...string) string { return `["` + strings.Join(items, `","`) + `"]` }
	many := slices.Repeat([]string{"a"}, 257)
	long := strings.Repeat("x", 5000)
	for value, want := range map[string]string{
		list(many...): "a", list(long): "others", list(`a\u0000`): "others", list("é"): "others", list(""): "others",
		list(append(many, "none", "ES256")...): "known", `[]`: "", `null`: "",
	} {
		d := strings.TrimSuffix(withMember("", ""), "}") + `,"token_endpoint_auth_methods_supported":` + value +
			`,"token_endpoint_auth_signing_alg_values_supported":` + value + `,"code_challenge_methods_supported":` + value + "}"
		m, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: d})
		methods, algs := []string{want}, []string{want}
		switch want {
		case "known":
			methods, algs = []string{"none"}, []string{"ES256"}
		case "":
			methods, algs = nil, nil
		}
		if err != nil || !slices.Equal(m.AuthMethods, methods) || !slices.Equal(m.SigningAlgs, algs) || m.ChallengeMethods != nil {
			t.Errorf("%.60s: %+v, error %v", value, m, err)
		}
	}
	// What the resource says of scopes is left out where it is of no use.
	hundreds := strings.TrimSpace(strings.Repeat("a ", 300))
	for value, want := range map[string]string{
		list(strings.Fields(hundreds)...): hundreds, list(long): "", list(`a\u0000`): "", list("é"): "", list(`a\"`): "",
		list(strings.Repeat("<", 400)): "", `"read write"`: "", `{}`: "", `[1]`: "", `null`: "", list("read write"): "read write",
	} {
		f, _ := finderOf(t, pages{mcp + prm: `{"resource":"https://` + mcp + `","authorization_servers":["https://` + auth +
			`"],"scopes_supported":` + value + `}`, auth + asm: issuerJSON("https://" + auth)})
		m, err := f.discover(t.Context(), Challenge{}, "")
		if err != nil || m.Scopes != want {
			t.Errorf("%.60s: %+v, error %v", value, m, err)
		}
	}
	// A provider may have hundreds of scopes: of those one matters.
	for scopes, want := range map[string][]string{list(many...): nil, list(append(many, "offline_access")...): {"offline_access"}} {
		d := strings.TrimSuffix(withMember("", ""), "}") + `,"scopes_supported":` + scopes + "}"
		m, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: d})
		if err != nil || !slices.Equal(m.IssuerScopes, want) {
			t.Errorf("%+v, error %v", m, err)
		}
	}
	f, w := finderOf(t, pages{mcp + prm: resourceJSON("https://"+mcp, slices.Repeat([]string{"https://" + auth}, 200)...)})
	_, err := f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "no authorization server metadata")
	if len(w.asked) != 2+2*maxIssuers {
		t.Errorf("%d requests", len(w.asked))
	}
}
