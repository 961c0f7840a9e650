package oauthtest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func newPlain(t *testing.T) *Server {
	t.Helper()
	s, err := NewPlain()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Register(Client{ID: "a", Secret: "b"})
	return s
}

// post sends a form with client_secret_basic and gives the decoded answer.
func post(t *testing.T, to string, form url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("a", "b")
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if len(body) > 0 {
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%v in %q", err, body)
		}
	}
	return resp.StatusCode, answer
}

func TestTokenLivesUntilRevokedOrExpired(t *testing.T) {
	s := newPlain(t)
	grant := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}
	active := func(token string) any {
		_, answer := post(t, s.IntrospectionURL(), url.Values{"token": {token}})
		return answer["active"]
	}
	_, answer := post(t, s.TokenURL(), grant)
	token, _ := answer["access_token"].(string)
	if active(token) != true {
		t.Error("a new token is not active")
	}
	if g, ok := s.Introspect(token); !ok || g.Scope != "read" || g.ClientID != "a" {
		t.Errorf("grant %+v", g)
	}
	if status, _ := post(t, s.RevocationURL(), url.Values{"token": {token}}); status != 200 || active(token) != false {
		t.Errorf("revocation: status %d", status)
	}
	s.SetLifetime(0)
	_, answer = post(t, s.TokenURL(), grant)
	if token, _ := answer["access_token"].(string); token == "" || active(token) != false {
		t.Errorf("a token without a lifetime is active: %v", answer)
	}
}

func TestRefusals(t *testing.T) {
	s := newPlain(t)
	s.Register(Client{ID: "m", Methods: []string{MTLS}, CertSubject: "m"})
	s.Register(Client{ID: "n", Methods: []string{None}})
	s.Register(Client{ID: "p", Secret: "b", Methods: []string{Post}})
	grant := "grant_type=client_credentials"
	for _, test := range []struct {
		name, user, body, code string
	}{
		{"two methods", "a", grant + "&client_id=a&client_secret=b", "invalid_client"},
		{"method not registered", "p", grant, "invalid_client"},
		{"secret of a public client left out", "", "grant_type=password&client_id=n", "unsupported_grant_type"},
		{"no certificate", "", grant + "&client_id=m", "invalid_client"},
		{"secret left out", "", grant + "&client_id=p", "invalid_client"},
		{"unknown client", "x", grant, "invalid_client"},
		{"other grant", "a", "grant_type=password", "unsupported_grant_type"},
		{"repeated parameter", "a", grant + "&scope=a&scope=b", "invalid_request"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.TokenURL(), strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.user != "" {
			req.SetBasicAuth(test.user, "b")
		}
		if _, answer := do(t, req); answer["error"] != test.code {
			t.Errorf("%s: %v", test.name, answer)
		}
	}
}

// renew spends a refresh token as client a and gives what came: the next one, or the error code.
func renew(t *testing.T, s *Server, token string) (next, code string) {
	t.Helper()
	_, answer := post(t, s.TokenURL(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	next, _ = answer["refresh_token"].(string)
	code, _ = answer["error"].(string)
	if access, _ := answer["access_token"].(string); code == "" {
		if _, ok := s.Introspect(access); !ok {
			t.Error("the access token is not active")
		}
	}
	return next, code
}

func TestReuseRevokesTheChain(t *testing.T) {
	s := newPlain(t)
	first, other := s.Grant("a"), s.Grant("a")
	second, _ := renew(t, s, first)
	third, code := renew(t, s, second)
	if code != "" || third == "" || third == second || second == first {
		t.Fatalf("%s, %d bytes", code, len(third))
	}
	if c, ok := s.Chain(first); !ok || c != (Chain{ClientID: "a", Current: third, Rotations: 2}) {
		t.Errorf("%+v", c)
	}
	_, answer := post(t, s.TokenURL(), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {third}})
	access, _ := answer["access_token"].(string)
	last, _ := answer["refresh_token"].(string)
	for _, token := range []string{first, last} {
		if _, code := renew(t, s, token); code != "invalid_grant" {
			t.Errorf("code %q", code)
		}
	}
	if _, ok := s.Introspect(access); ok {
		t.Error("an access token outlives its chain")
	}
	if c, _ := s.Chain(last); !c.Revoked || c.Current != "" || s.Reused() != 1 {
		t.Errorf("%+v, %d reused", c, s.Reused())
	}
	if _, code := renew(t, s, other); code != "" {
		t.Errorf("the other chain: %s", code)
	}
}

func TestRefreshTokensThatDoNotRotate(t *testing.T) {
	s := newPlain(t)
	s.Register(Client{ID: "a", Secret: "b", NonRotating: true})
	token := s.Grant("a")
	for range 2 {
		if next, code := renew(t, s, token); next != "" || code != "" {
			t.Errorf("%q %q", next, code)
		}
	}
	if s.Reused() != 0 {
		t.Error("reuse was seen")
	}
}

func TestRefreshTokenOfAnother(t *testing.T) {
	s := newPlain(t)
	s.Register(Client{ID: "other", Secret: "b"})
	theirs := s.Grant("other")
	if _, code := renew(t, s, theirs); code != "invalid_grant" {
		t.Errorf("code %q", code)
	}
	post(t, s.RevocationURL(), url.Values{"token": {theirs}})
	if c, _ := s.Chain(theirs); c.Revoked || c.Rotations != 0 {
		t.Errorf("%+v", c)
	}
	mine := s.Grant("a")
	post(t, s.RevocationURL(), url.Values{"token": {mine}, "token_type_hint": {"refresh_token"}})
	if _, code := renew(t, s, mine); code != "invalid_grant" {
		t.Errorf("after the revocation: code %q", code)
	}
}

func TestMetadataNamesTheEndpoints(t *testing.T) {
	s := newPlain(t)
	address := s.URL() + "/.well-known/oauth-authorization-server"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, answer := do(t, req)
	if answer["issuer"] != s.URL() || answer["token_endpoint"] != s.TokenURL() ||
		answer["revocation_endpoint"] != s.RevocationURL() {
		t.Errorf("%v", answer)
	}
}

func TestCloseEndsAFaultThatHangs(t *testing.T) {
	s := newPlain(t)
	entered := make(chan struct{})
	s.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(entered)
		Hang()(w, r, next)
	})
	done := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, s.TokenURL(), nil)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-entered
	s.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("an answer was given")
		}
	case <-time.After(10 * time.Second):
		t.Error("the client still waits")
	}
}
