package oauthtest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Delegate turns on what needs a person: the authorization, registration and device authorization endpoints, their
// grants, and the metadata that names them. Before it they are not there. The person approves at once; see Approve.
func (s *Server) Delegate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delegated = true
}

func (s *Server) delegates() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delegated
}

// AuthorizationURL is the authorization endpoint, there after Delegate.
func (s *Server) AuthorizationURL() string { return s.base + "/authorize" }

// AuthorizeRequest is a request of the authorization endpoint in which client, redirect URI and PKCE are right.
type AuthorizeRequest struct {
	ClientID, RedirectURI, State string
	Scope                        string // what the client may have of what it asks for, space-separated
	Resource                     []string
	Query                        url.Values // the whole request
}

// Decision is how the person decides, or how the server misbehaves. The zero value approves all that was asked for. See
// also Deny and Iss.
type Decision struct {
	Error, Description string                    // with Error no code is given (RFC 6749 §4.1.2.1)
	Scope              string                    // what is granted in place of the scope asked for; "": that one
	Hang               bool                      // no answer until the browser gives up or the server is closed
	Edit               func(response url.Values) // changes the parameters of the redirect, as the last step; may be nil
}

// Deny is a person's refusal.
func Deny(description string) Decision {
	return Decision{Error: "access_denied", Description: description}
}

// Iss approves with these values as the iss of RFC 9207: none leaves it out, one that differs is a mix-up.
func Iss(values ...string) Decision {
	return Decision{Edit: func(response url.Values) { response["iss"] = values }}
}

// Approve sets who decides on later requests; nil approves them all. The function may wait, but must have returned for
// Close to end.
func (s *Server) Approve(decide func(AuthorizeRequest) Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.approve = decide
}

func (s *Server) decision(r AuthorizeRequest) Decision {
	s.mu.Lock()
	decide := s.approve
	s.mu.Unlock()
	if decide == nil {
		return Decision{}
	}
	return decide(r)
}

// Visit is the browser: it opens an authorization URL of this server and tells where it is sent, without going there.
func (s *Server) Visit(ctx context.Context, authorizeURL string) (callback string, err error) {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return "", fmt.Errorf("the authorization endpoint sends the browser nowhere: %s", resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

// authorize is the authorization endpoint (RFC 6749 §4.1.1, RFC 7636, RFC 8707, RFC 9207). A request whose client or
// redirect URI is wrong is not redirected.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, _ Request) {
	q := r.URL.Query()
	s.mu.Lock()
	c, ok := s.clients[q.Get("client_id")]
	s.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if !ok || err != nil || !c.redirectsTo(q.Get("redirect_uri")) {
		fail(w, http.StatusBadRequest, "invalid_request", "client_id or redirect_uri is not registered")
		return
	}
	var d Decision
	if d.Error, d.Description = c.flaw(q); d.Error == "" {
		d = s.decision(AuthorizeRequest{
			ClientID: c.ID, RedirectURI: q.Get("redirect_uri"), State: q.Get("state"),
			Scope: c.allowed(q.Get("scope")), Resource: q["resource"], Query: q,
		})
	}
	if d.Hang {
		Hang()(w, r, nil)
		return
	}
	back.RawQuery = s.response(c, q, d, back.Query()).Encode()
	w.Header().Set("Location", back.String())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

// response adds the authorization response to the query that the redirect URI has.
func (s *Server) response(c Client, q url.Values, d Decision, response url.Values) url.Values {
	response.Set("iss", s.URL())
	if q.Has("state") {
		response.Set("state", q.Get("state"))
	}
	switch {
	case d.Error == "":
		if d.Scope == "" {
			d.Scope = c.allowed(q.Get("scope"))
		}
		response.Set("code", s.newCode(c, q, d.Scope))
	default:
		response.Set("error", d.Error)
		if d.Description != "" {
			response.Set("error_description", d.Description)
		}
	}
	if d.Edit != nil {
		d.Edit(response)
	}
	return response
}

// newCode remembers what was granted.
func (s *Server) newCode(c Client, q url.Values, scope string) string {
	value := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[value] = &code{
		clientID: c.ID, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		scope: scope, resource: q["resource"], expiry: time.Now().Add(codeLifetime),
	}
	return value
}

// flaw is what is wrong with a request, as RFC 6749 §4.1.2.1 and RFC 7636 §4.4.1 name it; "": nothing.
func (c Client) flaw(q url.Values) (code, description string) {
	for name, values := range q {
		if len(values) > 1 && name != "resource" {
			return "invalid_request", "a parameter is repeated"
		}
	}
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "only code"
	case challenge == "" && slices.Contains(c.Methods, None):
		return "invalid_request", "a public client must use PKCE"
	case challenge != "" && method != "S256":
		return "invalid_request", "code_challenge_method must be S256"
	case challenge != "" && len(challenge) != 43: // SHA-256 in base64
		return "invalid_request", "the code_challenge is not one of S256"
	}
	return "", ""
}

// redirectsTo compares as strings (RFC 9700 §4.1.3), but for the port of a loopback URI where the client has AnyPort.
func (c Client) redirectsTo(uri string) bool {
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		return registered == uri || c.AnyPort && withoutPort(registered) == withoutPort(uri)
	})
}

// withoutPort leaves the port out of a URI of the loopback host.
func withoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return uri
	}
	u.Host = u.Hostname()
	return u.String()
}
