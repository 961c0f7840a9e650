package oauthtest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func newResource(t *testing.T, as ...*Server) *Resource {
	t.Helper()
	r, err := NewPlainResource(as...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// tokenFor is a token of client a.
func tokenFor(t *testing.T, s *Server, resource, scope string) string {
	t.Helper()
	_, answer := post(t, s.TokenURL(), url.Values{
		"grant_type": {"client_credentials"}, "resource": {resource}, "scope": {scope},
	})
	token, _ := answer["access_token"].(string)
	return token
}

func rpc(t *testing.T, r *Resource, token, method string) (status int, challenge, body string) {
	t.Helper()
	call := `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{"name":"echo","arguments":{"a":1}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL(), strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), string(text)
}

func TestResourceTakesTheRightTokens(t *testing.T) {
	s, other := newPlain(t), newPlain(t)
	r := newResource(t, s)
	good := tokenFor(t, s, r.URL(), "read")
	if status, _, body := rpc(t, r, good, "tools/call"); status != 200 || !strings.Contains(body, `{\"a\":1}`) {
		t.Errorf("%d %s", status, body)
	}
	for name, token := range map[string]string{
		"another resource": tokenFor(t, s, "https://r.example.com/mcp", "read"),
		"no resource":      tokenFor(t, s, "", "read"),
		"another server":   tokenFor(t, other, r.URL(), "read"), "made up": "x",
	} {
		if status, challenge, _ := rpc(t, r, token, "ping"); status != 401 || !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("%s: %d %s", name, status, challenge)
		}
	}
	document := r.base + pathDocument
	if status, challenge, _ := rpc(t, r, "", "ping"); status != 401 || challenge != `Bearer resource_metadata="`+document+`"` {
		t.Errorf("%d %s", status, challenge)
	}
	counts := r.Counts()
	if counts[Fingerprint(good)] != 1 || counts[""] != 1 || len(r.Requests()) != 6 || r.Requests()[0].RPC != "tools/call" {
		t.Errorf("%v", counts)
	}
	r.SetServers(other)
	if status, _, _ := rpc(t, r, good, "ping"); status != 401 {
		t.Errorf("a token of the former server: %d", status)
	}
	if status, _, _ := rpc(t, r, tokenFor(t, other, r.URL(), ""), "ping"); status != 200 {
		t.Errorf("a token of the new server: %d", status)
	}
}

func TestResourceAsksForScope(t *testing.T) {
	s := newPlain(t)
	r := newResource(t, s)
	r.Protect(Protection{
		Require: map[string]string{"": "read", "tools/call": "read write"}, Open: []string{"initialize"},
		ChallengeScope: "read", NoMetadataURL: true,
	})
	if status, _, body := rpc(t, r, "", "initialize"); status != 200 || !strings.Contains(body, "oauthtest") {
		t.Errorf("open: %d %s", status, body)
	}
	if status, challenge, _ := rpc(t, r, "", "tools/list"); status != 401 || challenge != `Bearer scope="read"` {
		t.Errorf("%d %s", status, challenge)
	}
	token := tokenFor(t, s, r.URL(), "read")
	if status, _, _ := rpc(t, r, token, "tools/list"); status != 200 {
		t.Errorf("status %d", status)
	}
	want := `Bearer error="insufficient_scope", scope="read write"`
	if status, challenge, _ := rpc(t, r, token, "tools/call"); status != 403 || challenge != want {
		t.Errorf("%d %s", status, challenge)
	}
	r.Protect(Protection{NoChallenge: true})
	if status, challenge, _ := rpc(t, r, "", "ping"); status != 401 || challenge != "" {
		t.Errorf("%d %s", status, challenge)
	}
}

func TestResourceDocuments(t *testing.T) {
	s := newPlain(t)
	r := newResource(t, s)
	for _, tt := range []struct {
		p       Protection
		present string
	}{
		{Protection{Scopes: []string{"read"}}, pathDocument + " " + rootDocument},
		{Protection{NoPathDocument: true}, rootDocument},
		{Protection{NoRootDocument: true}, pathDocument},
		{Protection{MetadataPath: "/custom"}, "/custom"},
	} {
		r.Protect(tt.p)
		var found []string
		for _, path := range []string{pathDocument, rootDocument, "/custom"} {
			resp, err := http.Get(r.base + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				continue
			}
			found = append(found, path)
			if !strings.Contains(string(body), s.URL()) || strings.Contains(string(body), `"read"`) != (len(tt.p.Scopes) > 0) {
				t.Errorf("%s", body)
			}
		}
		if got := strings.Join(found, " "); got != tt.present {
			t.Errorf("%+v: %s", tt.p, got)
		}
	}
	r.FailAt("/mcp", 1, OAuthError(503, "x", ""))
	if status, _, _ := rpc(t, r, "", "ping"); status != 503 || r.Requests()[len(r.Requests())-1].Status != 503 {
		t.Errorf("status %d", status)
	}
}

// A resource with TLS is trusted like its first server.
func TestResourceWithTLS(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := NewResource(s)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := s.Visit(t.Context(), r.URL()); err == nil || !strings.HasSuffix(err.Error(), "401 Unauthorized") {
		t.Errorf("%v", err)
	}
}
