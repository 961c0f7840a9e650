package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	callback = "http://127.0.0.1:9/callback"
	verifier = "0123456789-0123456789-0123456789-0123456789"
)

// delegating is a server with a public client p, beside the confidential client a.
func delegating(t *testing.T) *Server {
	t.Helper()
	s := newPlain(t)
	s.Delegate()
	s.Register(Client{ID: "p", Methods: []string{None}, RedirectURIs: []string{callback}, Scopes: []string{"read", "write"}})
	return s
}

// ask is the authorization request of client p, with some parameters replaced and those that are "" left out.
func ask(s *Server, other url.Values) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {"p"}, "redirect_uri": {callback}, "state": {"s+/ ="}, "scope": {"read"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for name, values := range other {
		if q[name] = values; values[0] == "" {
			q.Del(name)
		}
	}
	return s.AuthorizationURL() + "?" + q.Encode()
}

// visit gives the parameters of the redirect.
func visit(t *testing.T, s *Server, address string) url.Values {
	t.Helper()
	back, err := s.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil || !strings.HasPrefix(back, callback+"?") {
		t.Fatalf("sent to %s", back)
	}
	return u.Query()
}

// public sends a form without client authentication but the id.
func public(t *testing.T, to, client string, form url.Values) map[string]any {
	t.Helper()
	form.Set("client_id", client)
	return postForm(t, to, form)
}

func postForm(t *testing.T, to string, form url.Values) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	_, answer := do(t, req)
	return answer
}

func redemption(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}
}

func TestCodeIsExchangedAndRefreshed(t *testing.T) {
	s := delegating(t)
	resource := []string{"https://r.example.com/mcp"}
	back := visit(t, s, ask(s, url.Values{"resource": resource}))
	if back.Get("state") != "s+/ =" || back.Get("iss") != s.URL() {
		t.Errorf("%v", back)
	}
	form := redemption(back.Get("code"))
	form["resource"] = resource
	answer := public(t, s.TokenURL(), "p", form)
	refresh, _ := answer["refresh_token"].(string)
	access, _ := answer["access_token"].(string)
	if g, ok := s.Introspect(access); !ok || g.Scope != "read" || len(g.Resource) != 1 || answer["scope"] != "read" {
		t.Fatalf("%v %+v", answer, g)
	}
	next := public(t, s.TokenURL(), "p", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	access, _ = next["access_token"].(string)
	if g, ok := s.Introspect(access); !ok || g.Scope != "read" || len(g.Resource) != 1 {
		t.Errorf("refreshed: %v %+v", next, g)
	}
	if list := s.Chains("p"); len(list) != 1 || list[0].Rotations != 1 || list[0].Scope != "read" {
		t.Errorf("%+v", list)
	}
	again := public(t, s.TokenURL(), "p", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
	if _, live := s.Introspect(access); live || again["error"] != "invalid_grant" || s.Reused() != 1 {
		t.Errorf("a reused refresh token: %v", again)
	}
}

func TestExchangeRefusals(t *testing.T) {
	s := delegating(t)
	s.Register(Client{ID: "q", Methods: []string{None}, RedirectURIs: []string{callback}})
	for _, tt := range []struct {
		name, client, error string
		form                url.Values
	}{
		{"wrong verifier", "p", "invalid_grant", url.Values{"code_verifier": {strings.ToUpper("x" + verifier)}}},
		{"no verifier", "p", "invalid_grant", url.Values{"code_verifier": {""}}},
		{"wrong redirect", "p", "invalid_grant", url.Values{"redirect_uri": {callback + "/"}}},
		{"another's code", "q", "invalid_grant", nil},
		{"wrong resource", "p", "invalid_target", url.Values{"resource": {"https://other.example.com"}}},
		{"wider scope", "p", "invalid_scope", url.Values{"scope": {"read write"}}},
		{"no such code", "p", "invalid_grant", url.Values{"code": {"x"}}},
	} {
		form := redemption(visit(t, s, ask(s, url.Values{"resource": {"https://r.example.com"}})).Get("code"))
		for name, values := range tt.form {
			form[name] = values
		}
		if answer := public(t, s.TokenURL(), tt.client, form); answer["error"] != tt.error || answer["access_token"] != nil {
			t.Errorf("%s: %v", tt.name, answer)
		}
	}
}

func TestCodeIsForOneUseWithinAMinute(t *testing.T) {
	s := delegating(t)
	form := redemption(visit(t, s, ask(s, nil)).Get("code"))
	access, _ := public(t, s.TokenURL(), "p", form)["access_token"].(string)
	if _, ok := s.Introspect(access); !ok {
		t.Fatal("no token")
	}
	if answer := public(t, s.TokenURL(), "p", form); answer["error"] != "invalid_grant" {
		t.Errorf("a replayed code: %v", answer)
	}
	if _, ok := s.Introspect(access); ok || !s.Chains("p")[0].Revoked {
		t.Error("a replayed code revokes nothing")
	}
	form = redemption(visit(t, s, ask(s, nil)).Get("code"))
	s.mu.Lock()
	s.codes[form.Get("code")].expiry = time.Now()
	s.mu.Unlock()
	if answer := public(t, s.TokenURL(), "p", form); answer["error"] != "invalid_grant" {
		t.Errorf("an old code: %v", answer)
	}
}

func TestAuthorizationRefusals(t *testing.T) {
	s := delegating(t)
	for name, other := range map[string]url.Values{
		"unknown client": {"client_id": {"x"}}, "client without redirects": {"client_id": {"a"}},
		"other port": {"redirect_uri": {"http://127.0.0.1:10/callback"}}, "other path": {"redirect_uri": {callback + "/x"}},
		"no redirect": {"redirect_uri": {""}},
	} {
		if back, err := s.Visit(t.Context(), ask(s, other)); err == nil {
			t.Errorf("%s: sent to %s", name, back)
		}
	}
	for code, other := range map[string]url.Values{
		"unsupported_response_type": {"response_type": {"token"}},
		"invalid_request":           {"code_challenge": {""}, "code_challenge_method": {""}},
	} {
		if back := visit(t, s, ask(s, other)); back.Get("error") != code || back.Has("code") || back.Get("iss") != s.URL() {
			t.Errorf("%s: %v", code, back)
		}
	}
	for name, other := range map[string]url.Values{
		"plain": {"code_challenge_method": {"plain"}}, "repeated": {"state": {"a", "b"}},
	} {
		if back := visit(t, s, ask(s, other)); back.Get("error") != "invalid_request" || back.Has("code") {
			t.Errorf("%s: %v", name, back)
		}
	}
	s.Register(Client{ID: "p", Methods: []string{None}, RedirectURIs: []string{"http://127.0.0.1/callback"}, AnyPort: true})
	visit(t, s, ask(s, nil))
	if back, err := s.Visit(t.Context(), ask(s, url.Values{"redirect_uri": {"http://localhost:9/callback"}})); err == nil {
		t.Errorf("another host: sent to %s", back)
	}
}

func TestDecisions(t *testing.T) {
	s := delegating(t)
	decide := func(d Decision) url.Values {
		s.Approve(func(r AuthorizeRequest) Decision {
			if r.ClientID != "p" || r.Scope != "read" || r.State != "s+/ =" {
				t.Errorf("%+v", r)
			}
			return d
		})
		return visit(t, s, ask(s, nil))
	}
	if back := decide(Deny("not today")); back.Get("error") != "access_denied" || back.Has("code") ||
		back.Get("error_description") != "not today" {
		t.Errorf("denied: %v", back)
	}
	if back := decide(Iss()); back.Has("iss") || !back.Has("code") {
		t.Errorf("no iss: %v", back)
	}
	if back := decide(Iss("https://a", "https://b")); len(back["iss"]) != 2 || !back.Has("code") {
		t.Errorf("two iss: %v", back)
	}
	asked := make(chan struct{})
	s.Approve(func(AuthorizeRequest) Decision {
		close(asked)
		return Decision{Hang: true}
	})
	done := make(chan error, 1)
	go func() {
		_, err := s.Visit(t.Context(), ask(s, nil))
		done <- err
	}()
	<-asked
	s.Close()
	if err := <-done; err == nil {
		t.Error("a server that hangs answered")
	}
}

func TestRegistration(t *testing.T) {
	s := delegating(t)
	register := func(body string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.RegistrationURL(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		return do(t, req)
	}
	for body, code := range map[string]string{
		`{"redirect_uris":[]}`: "invalid_redirect_uri", `[]`: "invalid_client_metadata",
		`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"x"}`: "invalid_client_metadata",
	} {
		if status, answer := register(body); status != 400 || answer["error"] != code {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	status, answer := register(`{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none","client_name":"a;b"}`)
	id, _ := answer["client_id"].(string)
	if status != 201 || id == "" || answer["client_secret"] != nil || answer["client_name"] != "a;b" {
		t.Fatalf("%d %v", status, answer)
	}
	if _, answer := register(`{"redirect_uris":["` + callback + `"]}`); answer["client_secret"] == nil ||
		answer["token_endpoint_auth_method"] != Basic {
		t.Errorf("%v", answer)
	}
	code := visit(t, s, ask(s, url.Values{"client_id": {id}})).Get("code")
	if made := s.Registrations(); len(made) != 2 || made[0].ClientID != id || made[0].Asked["client_name"] != "a;b" {
		t.Errorf("%+v", made)
	}
	s.ForgetClients()
	if answer := public(t, s.TokenURL(), id, redemption(code)); answer["error"] != "invalid_client" {
		t.Errorf("a forgotten client: %v", answer)
	}
}

func TestDeviceGrant(t *testing.T) {
	s := delegating(t)
	begin := func() (poll func() any, userCode, complete string) {
		answer := public(t, s.DeviceAuthorizationURL(), "p", url.Values{"scope": {"read"}})
		device, _ := answer["device_code"].(string)
		userCode, _ = answer["user_code"].(string)
		complete, _ = answer["verification_uri_complete"].(string)
		return func() any {
			answer := public(t, s.TokenURL(), "p", url.Values{"grant_type": {deviceGrant}, "device_code": {device}})
			if answer["error"] == nil {
				return answer["scope"]
			}
			return answer["error"]
		}, userCode, complete
	}
	expect := func(poll func() any, want any) {
		t.Helper()
		if got := poll(); got != want {
			t.Errorf("%v, not %v", got, want)
		}
	}
	poll, userCode, _ := begin()
	expect(poll, "authorization_pending")
	s.SlowDown(1)
	expect(poll, "slow_down")
	if !s.ApproveDevice(userCode) || s.ApproveDevice(userCode) || s.ApproveDevice("x") {
		t.Error("one code waits once")
	}
	expect(poll, "read")
	expect(poll, "invalid_grant")
	poll, userCode, _ = begin()
	s.DenyDevice(userCode)
	expect(poll, "access_denied")
	poll, userCode, _ = begin()
	s.ExpireDevice(userCode)
	expect(poll, "expired_token")
	poll, _, complete := begin()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, complete, nil)
	if err != nil {
		t.Fatal(err)
	}
	do(t, req)
	expect(poll, "read")
}

func TestMetadataOfDelegation(t *testing.T) {
	s := newPlain(t)
	get := func(path string) (status int, document map[string]any) {
		resp, err := http.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_ = json.NewDecoder(resp.Body).Decode(&document) // a 404 holds none
		return resp.StatusCode, document
	}
	const oidc, rfc = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
	if _, d := get(rfc); d["authorization_endpoint"] != nil {
		t.Errorf("before Delegate: %v", d)
	}
	for _, path := range []string{oidc, "/authorize"} {
		if status, _ := get(path); status != 404 {
			t.Errorf("before Delegate: %s gives %d", path, status)
		}
	}
	s.Delegate()
	s.Register(Client{ID: "c", Scopes: []string{"write", "read"}})
	s.EditMetadata(func(d map[string]any) { delete(d, "registration_endpoint") })
	s.FailAt(rfc, 1, OAuthError(503, "x", ""))
	if status, _ := get(rfc); status != 503 {
		t.Errorf("status %d", status)
	}
	for _, path := range []string{oidc, rfc} {
		_, d := get(path)
		if d["authorization_endpoint"] != s.AuthorizationURL() || d["registration_endpoint"] != nil ||
			len(d["scopes_supported"].([]any)) != 2 {
			t.Errorf("%v", d)
		}
	}
	if len(s.Requests()) != 0 || len(s.RequestsTo(rfc)) != 3 {
		t.Error("requests for documents are counted elsewhere")
	}
}
