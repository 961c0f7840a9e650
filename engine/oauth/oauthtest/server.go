// Package oauthtest is an authorization server on a loopback port, for tests and for the demo: client credentials, refresh
// tokens, five ways to authenticate a client, revocation, introspection, TLS with a CA of its own, and faults on demand.
// After Delegate also what needs a person: authorization codes, device codes, registration. Resource is an MCP server
// that wants its tokens.
//
// It is linked into the binary, so it uses the standard library only. It is no model of a safe server: it keeps
// everything in memory and shows what it received.
package oauthtest

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The ways a Client may authenticate.
const (
	Basic         = "client_secret_basic"
	Post          = "client_secret_post"
	MTLS          = "tls_client_auth"
	PrivateKeyJWT = "private_key_jwt"
	None          = "none" // a public client: its id alone
)

// Client is a registered client.
type Client struct {
	ID, Secret   string
	Methods      []string         // of Basic, Post, MTLS, PrivateKeyJWT, None; empty: Basic and Post
	CertSubject  string           // with MTLS: the common name of its certificate
	Key          crypto.PublicKey // with PrivateKeyJWT: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
	Scopes       []string         // what it may have; empty: all that it asks for
	NonRotating  bool             // its refresh tokens may be spent again and again, and answers hold none
	RedirectURIs []string         // where authorization responses may go, compared as strings; empty: no codes for it
	AnyPort      bool             // a loopback redirect URI may have another port than the registered one (RFC 8252 §7.3)
}

// Grant is what an access token stands for.
type Grant struct {
	ClientID string
	Scope    string
	Resource []string
	Audience string
	Expiry   time.Time

	Thumbprint string // x5t#S256 of the client certificate that it was given to (RFC 8705 §3.1); "": none

	chain *chain // it ends with its chain; nil: it came from no refresh token
}

// Server is the authorization server. Its methods are safe for many goroutines.
type Server struct {
	base string
	ca   *authority
	tls  *tls.Config
	http *listener

	mu       sync.Mutex // guards what follows
	closed   bool
	handlers sync.WaitGroup // Add only while !closed
	clients  map[string]Client
	grants   map[string]Grant  // by access token
	chains   map[string]*chain // by every refresh token that was ever theirs
	started  []*chain          // in the order of their start
	reused   int
	lifetime time.Duration
	requests []Request
	faults   []Fault
	placed   map[string][]Fault // by path
	edit     func(map[string]any)
	jtis     map[string]bool // of client assertions, behind the client's id

	delegated     bool
	approve       func(AuthorizeRequest) Decision
	codes         map[string]*code
	devices       map[string]*device // by device code
	slow          int                // how many device token requests are told to slow down
	registrations []Registration
}

// New starts a server with TLS on a free port of 127.0.0.1. Its CA is new: see CAPEM and WriteCA.
func New() (*Server, error) { return start(true) }

// NewPlain starts a server with plain http.
func NewPlain() (*Server, error) { return start(false) }

func start(secure bool) (*Server, error) {
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		base: "http://" + l.Addr().String(), ca: ca, tls: ca.serverTLS(), lifetime: time.Hour,
		clients: map[string]Client{}, grants: map[string]Grant{}, chains: map[string]*chain{},
		placed: map[string][]Fault{}, jtis: map[string]bool{}, codes: map[string]*code{}, devices: map[string]*device{},
	}
	if secure {
		s.base = "https://" + l.Addr().String()
		l = tls.NewListener(l, s.tls)
	}
	s.http = serve(l, s.handler())
	return s, nil
}

// listener serves a handler until it is closed.
type listener struct {
	server *http.Server
	served chan struct{} // closed when the goroutine is done
}

func serve(l net.Listener, h http.Handler) *listener {
	serving := &listener{served: make(chan struct{}), server: &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          discardLog(), // failed handshakes are what tests provoke
	}}
	go func() {
		defer close(serving.served)
		_ = serving.server.Serve(l) // ends with close
	}()
	return serving
}

// close ends every connection, and with them the contexts of the requests. It does not wait for their handlers.
func (l *listener) close() {
	_ = l.server.Close()
	<-l.served
}

// Close ends every connection and waits for the handlers.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.http.close() // this ends the requests' contexts, and so the faults that hang
	s.handlers.Wait()
}

// URL is the issuer, without a slash at its end.
func (s *Server) URL() string { return s.base }

// TokenURL is the token endpoint.
func (s *Server) TokenURL() string { return s.base + "/token" }

// RevocationURL is the revocation endpoint (RFC 7009).
func (s *Server) RevocationURL() string { return s.base + "/revoke" }

// IntrospectionURL is the introspection endpoint (RFC 7662).
func (s *Server) IntrospectionURL() string { return s.base + "/introspect" }

// Register adds a client, or replaces the one with its ID.
func (s *Server) Register(c Client) {
	if len(c.Methods) == 0 {
		c.Methods = []string{Basic, Post}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// SetLifetime sets how long later tokens live; one hour at first. The answers tell it in whole seconds.
func (s *Server) SetLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// Introspect reports what a live access token stands for.
func (s *Server) Introspect(token string) (Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.grants[token]
	if !ok || !time.Now().Before(g.Expiry) || g.chain != nil && g.chain.revoked {
		return Grant{}, false
	}
	g.Resource = slices.Clone(g.Resource)
	return g, true
}

// Revoke ends an access token, or the whole chain of a refresh token.
func (s *Server) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, token)
	if c, ok := s.chains[token]; ok {
		c.revoked = true
	}
}

// Requests are those that reached the token, revocation and introspection endpoints, oldest first.
func (s *Server) Requests() []Request {
	return s.seen(func(path string) bool { return path == "/token" || path == "/revoke" || path == "/introspect" })
}

// RequestsTo are those that reached one endpoint, oldest first; path as in "/authorize".
func (s *Server) RequestsTo(path string) []Request {
	return s.seen(func(p string) bool { return p == path })
}

func (s *Server) seen(wanted func(path string) bool) (found []Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if path, _, _ := strings.Cut(r.Path, "?"); wanted(path) {
			found = append(found, r)
		}
	}
	return found
}

// Fail puts a fault before each of the next n requests to the token and revocation endpoints, after those already set.
func (s *Server) Fail(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults = append(s.faults, f)
	}
}

// FailAt puts a fault before each of the next n requests to any one endpoint; path as in "/register". It comes before
// what Fail set.
func (s *Server) FailAt(path string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.placed[path] = append(s.placed[path], f)
	}
}

// issue makes an opaque token for a grant.
func (s *Server) issue(g Grant) (token string, lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token = rand.Text() + rand.Text()
	g.Expiry = time.Now().Add(s.lifetime)
	s.grants[token] = g
	return token, s.lifetime
}

var errAuthentication = errors.New("Client authentication failed")

// client finds who sent the request, by exactly one method that the client is registered for.
func (s *Server) client(r Request) (Client, error) {
	id, secret, method, err := r.credentials()
	if err != nil {
		return Client{}, err
	}
	s.mu.Lock()
	c, ok := s.clients[id]
	s.mu.Unlock()
	if method == MTLS && slices.Contains(c.Methods, None) { // neither has anything in the body
		return c, nil
	}
	switch {
	case !ok || !slices.Contains(c.Methods, method):
		return Client{}, errAuthentication
	case method == PrivateKeyJWT:
		return c, s.checkAssertion(c, secret)
	case method == MTLS && (r.CertSubject == "" || r.CertSubject != c.CertSubject):
		return Client{}, fmt.Errorf("%w: certificate subject %q", errAuthentication, r.CertSubject)
	case method != MTLS && secret != c.Secret:
		return Client{}, errAuthentication
	}
	return c, nil
}
