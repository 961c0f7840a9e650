package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

func TestVerifierAndStateAreFresh(t *testing.T) {
	allowed := regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`) // RFC 7636 §4.1
	for _, make := range []func() secrets.Secret{oauth.NewVerifier, oauth.NewState} {
		a, b := make(), make()
		if !allowed.MatchString(a.Reveal()) || a.Equal(b) {
			t.Errorf("%q, %q", a.Reveal(), b.Reveal())
		}
	}
}

func TestAuthorizationURL(t *testing.T) {
	c := delegated("https://auth.example.com/authorize?owner=user&state=old")
	c.Resource = []string{"https://mcp.example.com", "https://b.example.com/"}
	c.Audience, c.Organization = "api", "org-1"
	c.AuthorizationParams = map[string]secrets.Ref{"access_type": secrets.LiteralRef("offline"), "owner": secrets.LiteralRef("me")}
	a := authorization()
	a.Scope = "read write"
	text, err := target(c).URL(t.Context(), nothing, a)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme+u.Host+u.Path != "httpsauth.example.com/authorize" {
		t.Fatalf("%s: %v", text, err)
	}
	sum := sha256.Sum256([]byte("canary-verifier"))
	want := url.Values{
		"owner": {"me"}, "access_type": {"offline"}, "audience": {"api"}, "organization": {"org-1"},
		"response_type": {"code"}, "client_id": {"client-123"}, "redirect_uri": {a.RedirectURI}, "state": {"canary-state"},
		"scope": {"read write"}, "resource": c.Resource,
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if u.RawQuery != want.Encode() {
		t.Errorf("query\n got %s\nwant %s", u.RawQuery, want.Encode())
	}
}

func TestAuthorizationURLHoldsNothingThatIsNotThere(t *testing.T) {
	a := authorization()
	a.Verifier = secrets.Secret{}
	text, err := target(delegated("https://auth.example.com/authorize?owner=user")).URL(t.Context(), nothing, a)
	want := "https://auth.example.com/authorize?client_id=client-123&owner=user&" +
		"redirect_uri=http%3A%2F%2F127.0.0.1%3A8765%2Fcallback&response_type=code&state=canary-state"
	if err != nil || text != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
}

func TestAuthorizationURLThatNoBrowserMayOpen(t *testing.T) {
	const general = "OAuth authorization not sent: OAUTH_AUTHORIZATION_URL cannot be used: "
	for address, reason := range map[string]string{
		"":                              "OAuth authorization not sent: there is no authorization endpoint: set OAUTH_AUTHORIZATION_URL",
		"https://a.example/?canary=%zz": general + "its query cannot be read",
	} {
		_, err := target(delegated(address)).URL(t.Context(), nothing, authorization())
		if e := asError(t, err); e.Error() != reason || !e.Unsent {
			t.Errorf("%s: %v", address, e)
		}
	}
	for _, address := range []string{
		"javascript:alert('canary')", "file:///etc/canary", "data:text/html,canary", "https:///canary", "//a.example/canary",
		"https://user:canary@a.example/", "https://a.example/#canary", "https://a.example/canary\n", "https://a.example/ca nary",
		"https://a.example/" + strings.Repeat("canary", 400), "canary",
	} {
		_, err := target(delegated(address)).URL(t.Context(), nothing, authorization())
		want := general + "it must be an http or https address without user name and fragment"
		if e := asError(t, err); e.Error() != want {
			t.Errorf("%s: %v", address, e)
		}
	}
}

func TestReservedAuthorizationParams(t *testing.T) {
	for _, name := range []string{
		"response_type", "client_id", "redirect_uri", "state", "scope", "code_challenge", "code_challenge_method", "resource",
		"response_mode", "request", "request_uri",
	} {
		c := delegated("https://auth.example.com/authorize")
		c.AuthorizationParams = map[string]secrets.Ref{name: secrets.LiteralRef("canary")}
		_, err := target(c).URL(t.Context(), nothing, authorization())
		want := `OAuth authorization not sent: OAUTH_AUTHORIZATION_PARAMS may not set "` + name + `", which is set otherwise`
		if e := asError(t, err); e.Error() != want {
			t.Error(e)
		}
	}
	c := delegated("https://auth.example.com/authorize")
	c.AuthorizationParams = map[string]secrets.Ref{"login_hint": {Kind: secrets.Env, Name: "BEARERD_TEST_ABSENT"}}
	if _, err := target(c).URL(t.Context(), nothing, authorization()); !strings.Contains(asError(t, err).Error(), `"login_hint": env(`) {
		t.Error(err)
	}
}

// The table of RFC 9207 §2.4: what m says, and what the answer holds.
func TestIssuerOfAnAuthorizationResponse(t *testing.T) {
	const issuer = "https://auth.example.com"
	const other = "OAuth authorization failed: the answer comes from another authorization server than the one that was asked: " +
		"nothing of it is used"
	const silent = "OAuth authorization failed: the answer does not name its authorization server, which announced that it " +
		"would: nothing of it is used"
	plain, announced := &oauth.Metadata{Issuer: issuer}, &oauth.Metadata{Issuer: issuer, IssuerInResponse: true}
	fallback := &oauth.Metadata{Issuer: issuer, DefaultEndpoints: true}
	for _, test := range []struct {
		m     *oauth.Metadata
		query string
		want  string // "": the code
	}{
		{nil, "code=canary-code", ""},
		{nil, "code=canary-code&iss=https://evil.example", ""},
		{plain, "code=canary-code", ""},
		{plain, "code=canary-code&iss=https://auth.example.com", ""},
		{plain, "code=canary-code&iss=https://evil.example", other},
		{plain, "code=canary-code&iss=https://auth.example.com/", other}, // no normalisation
		{plain, "code=canary-code&iss=https://AUTH.example.com", other},
		{plain, "code=canary-code&iss=", other},
		{plain, "error=canary&error_description=canary&iss=https://evil.example", other},
		{announced, "code=canary-code&iss=https://auth.example.com", ""},
		{announced, "code=canary-code", silent},
		{announced, "error=canary&error_description=canary", silent},
		{fallback, "code=canary-code", ""},
		{fallback, "code=canary-code&iss=https://evil.example", other},
	} {
		q, _ := url.ParseQuery(test.query)
		code, err := oauth.Code(test.m, q)
		if test.want == "" {
			if err != nil || !code.Equal(testCode) {
				t.Errorf("%s: %v", test.query, err)
			}
			continue
		}
		if e := asError(t, err); e.Error() != test.want || !e.Final || !code.IsZero() || e.Code+e.Description != "" {
			t.Errorf("%s: %+v", test.query, *e)
		}
	}
}

func TestAuthorizationResponseThatIsNoCode(t *testing.T) {
	for _, test := range []struct {
		query, want string
		final       bool
	}{
		{"", "the answer holds neither a code nor an error", false},
		{"code=", "the answer holds neither a code nor an error", false},
		{"code=" + strings.Repeat("c", 4<<10+1), "the code in the answer is over 4 KiB", false},
		{"code=a&code=b", "the answer holds code more than once, which is refused", true},
		{"code=a&state=b&state=b", "the answer holds state more than once, which is refused", true},
		{"error=a&error=canary", "the answer holds error more than once, which is refused", true},
		{"code=a&error=access_denied", "access_denied", true},
		{"error=access_denied&error_description=The+user+said+no", "access_denied - The user said no", true},
		{"error=invalid_scope", "invalid_scope", true},
		{"error=unsupported_response_type", "unsupported_response_type", true},
		{"error=login_required", "login_required", true},
		{"error=server_error", "server_error", false},
		{"error=temporarily_unavailable", "temporarily_unavailable", false},
		{"error=of+our+own", "of our own", false},
		{"error=", "no reason was given", false},
		{"error=x%0A%1B[31m&error_description=" + strings.Repeat("d", 300), "x??[31m - " + strings.Repeat("d", 200), false},
		{"state=canary&error=x&error_description=your+state+canary", "x - your state [secret]", false},
		{"code=canary&error=x&error_description=%2563anary", "x - [secret]", false},
	} {
		q, _ := url.ParseQuery(test.query)
		_, err := oauth.Code(nil, q)
		if e := asError(t, err); e.Error() != "OAuth authorization failed: "+test.want || e.Final != test.final {
			t.Errorf("%.60s: final %v\n got %v\nwant %s", test.query, e.Final, e, test.want)
		}
	}
}

func TestExchangeOnTheWire(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, `{"access_token":"at","token_type":"Bearer","refresh_token":"rt","scope":"read","expires_in":60}`)
	c := delegated(e.url)
	c.Scope, c.Resource = "of another request", []string{"https://mcp.example.com"}
	a := authorization()
	a.Scope = "read"
	token, err := spend(t, c, a)
	if err != nil || token.AccessToken.Reveal() != "at" || token.RefreshToken.Reveal() != "rt" || token.Scope != "read" {
		t.Fatalf("%+v, %v", token, err)
	}
	want := "client_id=client-123&code=canary-code&code_verifier=canary-verifier&grant_type=authorization_code&" +
		"redirect_uri=http%3A%2F%2F127.0.0.1%3A8765%2Fcallback&resource=https%3A%2F%2Fmcp.example.com"
	if r := e.only(t); r.body != want || r.header.Get("Authorization") != "" {
		t.Errorf("body\n got %s\nwant %s", r.body, want)
	}
	a.Scope = "read write"
	if _, err := spend(t, c, a); !strings.HasPrefix(asError(t, err).Error(), "Token scopes validation failed. Requested: read write") {
		t.Error(err)
	}
}

func TestExchangeIsNeverRepeated(t *testing.T) {
	e := newEndpoint(t, 503, "text/html", "<p>")
	a := authorization()
	a.Verifier = secrets.Secret{}
	if _, err := spend(t, delegated(e.url), a); asError(t, err).Status != 503 {
		t.Error(err)
	}
	if r := e.only(t); r.form.Has("code_verifier") {
		t.Error("a verifier was made up")
	}
}

func TestScopeInARefresh(t *testing.T) {
	for grant, want := range map[string][]string{"authorization_code": nil, "refresh_token": {"read"}} {
		e := newEndpoint(t, 200, jsonType, testAnswer)
		c := delegated(e.url)
		c.GrantType, c.Scope, c.Resource = grant, "read", []string{"https://mcp.example.com"}
		if _, err := refresh(t.Context(), c, secrets.New("rt")); err != nil {
			t.Fatal(err)
		}
		r := e.only(t)
		if !slices.Equal(r.form["scope"], want) || !slices.Equal(r.form["resource"], c.Resource) {
			t.Errorf("%s: %s", grant, r.body)
		}
	}
}

func TestGrantParametersCannotBeReplaced(t *testing.T) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier", "client_assertion", "client_assertion_type", "client_id"} {
		e := newEndpoint(t, 200, jsonType, testAnswer)
		c := delegated(e.url)
		c.AdditionalParams = map[string]secrets.Ref{name: secrets.LiteralRef("mine")}
		if _, err := spend(t, c, authorization()); !strings.Contains(asError(t, err).Error(), `may not set "`+name+`"`) {
			t.Error(err)
		}
	}
}
