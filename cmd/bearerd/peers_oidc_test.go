package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// oidcOptions says what the authorization server knows. Clients are made by oidcClient; a client that the server
// needs for introspection is added. Without Clients, Scopes or Resources there are none.
type oidcOptions struct {
	Clients   []map[string]any        `json:"clients,omitempty"`
	Scopes    []string                `json:"scopes,omitempty"`
	Resources map[string]oidcResource `json:"resources,omitempty"` // RFC 8707, by URI; any other is invalid_target
	TTL       int                     `json:"ttl,omitempty"`       // of access tokens, in seconds; 0: 60
	PlainHTTP bool                    `json:"-"`
}

type oidcResource struct {
	Scope string `json:"scope"`         // the scopes it knows, space-separated; others are left out of its tokens
	TTL   int    `json:"ttl,omitempty"` // of its tokens, in seconds
}

// oidcClient is a client of grant client_credentials, its secret oidcSecret(id). auth is client_secret_basic,
// client_secret_post, tls_client_auth or none, and no other is accepted; tls_client_auth is known by the pki's client
// certificate.
func oidcClient(id, auth string) map[string]any {
	client := map[string]any{
		"client_id": id, "token_endpoint_auth_method": auth,
		"grant_types": []string{"client_credentials"}, "redirect_uris": []string{}, "response_types": []string{},
	}
	switch auth {
	case "tls_client_auth":
		client["tls_client_auth_san_dns"] = clientSAN
	case "none":
	default:
		client["client_secret"] = oidcSecret(id)
	}
	return client
}

// refreshing makes a client one of grant refresh_token alone; see oidcPeer.chain.
func refreshing(client map[string]any) map[string]any {
	client["grant_types"] = []string{"refresh_token"}
	return client
}

// certificateBound makes a client whose token requests must show a certificate, beside the secret, and whose tokens are
// bound to it (RFC 8705 §3).
func certificateBound(client map[string]any) map[string]any {
	client["tls_client_certificate_bound_access_tokens"] = true
	return client
}

// oidcSecret holds characters that tell form-encoding before base64 (RFC 6749 §2.3.1) from its absence.
func oidcSecret(id string) string { return "canary + secret/of:" + id + "%&=" }

// oidcPeer is a running oidc-provider.
type oidcPeer struct {
	*pki                          // CAFile is what a client must trust
	Issuer           string       `json:"issuer"`
	TokenURL         string       `json:"token_url"`
	IntrospectionURL string       `json:"introspection_url"`
	RevocationURL    string       `json:"revocation_url"`
	RequestsURL      string       `json:"requests_url"`
	client           *http.Client // shows no certificate
	node             *nodePeer    // for stopping it early, and for orders
	orders           sync.Mutex   // held from an order to its answer
}

// introspector is the resource server's own client (RFC 7662 §2.1).
const introspector = "introspector"

// startOIDC starts an authorization server with certificates of its own.
func startOIDC(t testing.TB, o oidcOptions) *oidcPeer {
	t.Helper()
	p := &oidcPeer{pki: newPKI(t)}
	o.Clients = append([]map[string]any{oidcClient(introspector, "client_secret_post")}, o.Clients...)
	order := struct {
		oidcOptions
		TLS map[string]string `json:"tls,omitempty"`
	}{oidcOptions: o}
	if !o.PlainHTTP {
		order.TLS = map[string]string{"cert": p.ServerCert, "key": p.ServerKey, "ca": p.CAFile}
	}
	p.node = startNode(t, "oidc.mjs", order)
	p.node.answer(p)
	p.client = p.httpClient(t, false)
	return p
}

// Active asks the introspection endpoint (RFC 7662) whether a token is alive. It may be called on any goroutine.
func (p *oidcPeer) Active(t testing.TB, token string) bool {
	t.Helper()
	return p.Introspect(t, token)["active"] == true
}

// Introspect is the answer about a token: active, and if it is, client_id, scope, aud, exp, cnf and so on.
func (p *oidcPeer) Introspect(t testing.TB, token string) map[string]any {
	t.Helper()
	resp, err := p.client.PostForm(p.IntrospectionURL, url.Values{
		"client_id": {introspector}, "client_secret": {oidcSecret(introspector)}, "token": {token},
	})
	if err != nil {
		t.Errorf("introspection: %v", err)
		return nil
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("introspection: %s %v %v", resp.Status, answer, err)
	}
	return answer
}

// oidcRequest is one request that the authorization server answered.
type oidcRequest struct {
	Path        string   `json:"path"`
	Status      int      `json:"status"`
	Client      string   `json:"client"` // "" when it could not be told
	Auth        string   `json:"auth"`   // the method that was used
	Resource    []string `json:"resource"`
	Scope       string   `json:"scope"`
	Correlation string   `json:"correlation"` // X-Correlation-ID
}

// Requests are those that one client made so far at an endpoint, given by its URL, in order.
func (p *oidcPeer) Requests(t testing.TB, endpoint, client string) []oidcRequest {
	t.Helper()
	resp, err := p.client.Get(p.RequestsURL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var all, found []oidcRequest
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Path == strings.TrimPrefix(endpoint, p.Issuer) && r.Client == client {
			found = append(found, r)
		}
	}
	return found
}

// ask gives an order and reads the answer.
func (p *oidcPeer) ask(order, answer any) {
	p.orders.Lock()
	defer p.orders.Unlock()
	p.node.order(order)
	p.node.answer(answer)
}

// chain starts a grant for a client of grant refresh_token, as if a person had authorized it, and gives the first refresh
// token. Each may be spent once; spending one again revokes the grant.
func (p *oidcPeer) chain(client string) (refreshToken string) {
	p.node.t.Helper()
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	p.ask(map[string]string{"chain": client}, &answer)
	if answer.RefreshToken == "" {
		p.node.t.Fatalf("no chain was started for %s", client)
	}
	return answer.RefreshToken
}

// oidcChain is how a client's chain does.
type oidcChain struct {
	Alive    bool        `json:"alive"`    // the latest one: its grant was not revoked
	Revoked  int         `json:"revoked"`  // grants of the client that were revoked
	Spent    int         `json:"spent"`    // refresh tokens of the client that were spent
	Requests map[int]int `json:"requests"` // token requests of the client, by HTTP status
}

// chainState may be called on any goroutine of the test; it ends the test when the server is gone.
func (p *oidcPeer) chainState(client string) (state oidcChain) {
	p.node.t.Helper()
	p.ask(map[string]string{"state": client}, &state)
	return state
}

// Stop ends the server, as an outage would.
func (p *oidcPeer) Stop() { p.node.stop() }
