package main_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
)

// renewed is an answer to a refresh token.
type renewed struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
	ExpiresIn    int    `json:"expires_in"`
	Error        string `json:"error"`
}

// renew spends a refresh token by plain net/http, with client_secret_post or, without a secret, as a public client. It
// may be called on any goroutine.
func renew(t testing.TB, p *oidcPeer, client, secret, token string) (answer renewed) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {client}}
	if secret != "" {
		form.Set("client_secret", secret)
	}
	resp, err := p.client.PostForm(p.TokenURL, form)
	if err != nil {
		t.Error(err)
		return answer
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Error(err)
	}
	if (resp.StatusCode == http.StatusOK) != (answer.Error == "") {
		t.Errorf("%s beside the error %q", resp.Status, answer.Error)
	}
	return answer
}

func TestPeersOIDCRefreshReuseKillsTheGrant(t *testing.T) {
	p := startOIDC(t, oidcOptions{
		Clients: []map[string]any{refreshing(oidcClient("c", "client_secret_post")), refreshing(oidcClient("open", "none"))},
		Scopes:  []string{"read"},
		TTL:     7,
	})
	first, other := p.chain("c"), p.chain("open")
	second := renew(t, p, "c", oidcSecret("c"), first)
	third := renew(t, p, "c", oidcSecret("c"), second.RefreshToken)
	if second.Error != "" || third.Error != "" || third.RefreshToken == second.RefreshToken || second.RefreshToken == first {
		t.Fatalf("errors %q, %q", second.Error, third.Error)
	}
	if third.ExpiresIn != 7 || third.Scope != "offline_access read" || !p.Active(t, third.AccessToken) {
		t.Errorf("%d s, scope %q", third.ExpiresIn, third.Scope)
	}
	if s := p.chainState("c"); !s.Alive || s.Revoked != 0 || s.Spent != 2 || !maps.Equal(s.Requests, map[int]int{200: 2}) {
		t.Errorf("before: %+v", s)
	}
	for _, token := range []string{first, third.RefreshToken} { // reuse, and what it leaves
		if got := renew(t, p, "c", oidcSecret("c"), token); got.Error != "invalid_grant" {
			t.Errorf("error %q", got.Error)
		}
	}
	if p.Active(t, third.AccessToken) {
		t.Error("the access token outlives its grant")
	}
	want := map[int]int{200: 2, 400: 2}
	if s := p.chainState("c"); s.Alive || s.Revoked != 1 || s.Spent != 2 || !maps.Equal(s.Requests, want) {
		t.Errorf("after: %+v", s)
	}
	if got := renew(t, p, "open", "", other); got.Error != "" || got.RefreshToken == "" {
		t.Errorf("the other chain: %q", got.Error)
	}
	p.chain("c") // a new one is supplied
	if s := p.chainState("c"); !s.Alive || s.Revoked != 1 {
		t.Errorf("anew: %+v", s)
	}
}

// TestPeersOIDCRefreshTwiceAtOnce: a spender that comes in the same instant is reuse too.
func TestPeersOIDCRefreshTwiceAtOnce(t *testing.T) {
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{refreshing(oidcClient("c", "client_secret_post"))}})
	for round := range 5 {
		token := p.chain("c")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { renew(t, p, "c", oidcSecret("c"), token) })
		}
		wg.Wait()
		if s := p.chainState("c"); s.Alive || s.Revoked != round+1 || s.Spent != round+1 {
			t.Errorf("%+v", s)
		}
	}
}

func TestPeersOIDCRefreshRevocation(t *testing.T) {
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{refreshing(oidcClient("c", "client_secret_post"))}})
	token := p.chain("c")
	resp, err := p.client.PostForm(p.RevocationURL, url.Values{
		"token": {token}, "token_type_hint": {"refresh_token"}, "client_id": {"c"}, "client_secret": {oidcSecret("c")},
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := renew(t, p, "c", oidcSecret("c"), token); got.Error != "invalid_grant" {
		t.Errorf("error %q", got.Error)
	}
	if s := p.chainState("c"); resp.StatusCode != http.StatusOK || s.Alive || s.Revoked != 1 {
		t.Errorf("%s, %+v", resp.Status, s)
	}
}

// TestPeersOIDCRefreshMany: the server still knows what was spent a thousand tokens ago.
func TestPeersOIDCRefreshMany(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand requests")
	}
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{refreshing(oidcClient("c", "client_secret_post"))}})
	first := p.chain("c")
	token := first
	for range 1000 {
		if token = renew(t, p, "c", oidcSecret("c"), token).RefreshToken; token == "" {
			t.Fatal("no token")
		}
	}
	if s := p.chainState("c"); !s.Alive || s.Spent != 1000 {
		t.Errorf("%+v", s)
	}
	renew(t, p, "c", oidcSecret("c"), first)
	if s := p.chainState("c"); s.Alive || s.Revoked != 1 {
		t.Errorf("after the reuse: %+v", s)
	}
}
