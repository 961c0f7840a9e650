package oauthtest

import (
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// chain is a grant that refresh tokens stand for, one after the other.
type chain struct {
	clientID  string
	current   string // the one token that may be spent
	rotations int
	revoked   bool

	delegated bool     // by a person, to what follows (RFC 6749 §6)
	scope     string   // space-separated
	resource  []string // RFC 8707
}

// narrowed is what a request gets of a chain that a person granted: all of it unless it asks for less.
func (c *chain) narrowed(form url.Values) (scope string, resource []string) {
	scope, resource = c.scope, c.resource
	if form.Get("scope") != "" {
		scope = form.Get("scope")
	}
	if form.Has("resource") {
		resource = form["resource"]
	}
	return scope, resource
}

// beyond says how a request asks for more than a person granted; nil: it does not.
func (c *chain) beyond(form url.Values) error {
	switch scope, resource := c.narrowed(form); {
	case !c.delegated:
	case !within(strings.Fields(scope), strings.Fields(c.scope)):
		return refusal{"invalid_scope", "the scope was not granted"}
	case !within(resource, c.resource):
		return refusal{"invalid_target", "the resource was not granted"}
	}
	return nil
}

func within(asked, granted []string) bool {
	return !slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(granted, s) })
}

// Chain is the state of a chain of refresh tokens.
type Chain struct {
	ClientID  string
	Scope     string // that a person granted; "": not told
	Current   string // the token that may be spent; "" once Revoked
	Rotations int
	Revoked   bool
}

// Grant starts a chain for a client, as after an authorization by a person, and gives its first refresh token.
func (s *Server) Grant(clientID string) (refreshToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chain{clientID: clientID}
	s.begin(c)
	return c.current
}

// begin gives a new chain its first token. The caller holds the lock, as for next.
func (s *Server) begin(c *chain) {
	s.started = append(s.started, c)
	s.next(c)
}

// next gives a chain a new token. The old ones are remembered.
func (s *Server) next(c *chain) {
	c.current = rand.Text() + rand.Text()
	s.chains[c.current] = c
}

// Chain finds the chain that a refresh token belongs to, spent or not.
func (s *Server) Chain(refreshToken string) (Chain, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.chains[refreshToken]
	if !ok {
		return Chain{}, false
	}
	return c.state(), true
}

// Chains are those of a client, oldest first.
func (s *Server) Chains(clientID string) (list []Chain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.started {
		if c.clientID == clientID {
			list = append(list, c.state())
		}
	}
	return list
}

func (c *chain) state() Chain {
	state := Chain{ClientID: c.clientID, Scope: c.scope, Current: c.current, Rotations: c.rotations, Revoked: c.revoked}
	if c.revoked {
		state.Current = ""
	}
	return state
}

// Reused counts how often a token that had been spent was sent again, which revokes its chain.
func (s *Server) Reused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reused
}

// spend takes a refresh token in; next is "" where the client's do not rotate (RFC 9700 §4.14.2).
func (s *Server) spend(client Client, form url.Values) (next string, c *chain, err error) {
	token := form.Get("refresh_token")
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.chains[token]
	switch {
	case !ok || c.clientID != client.ID:
		return "", nil, errors.New("the refresh token is not known")
	case c.revoked:
		return "", nil, errors.New("the grant is revoked")
	case token != c.current:
		c.revoked = true
		s.reused++
		return "", nil, errors.New("the refresh token was used before: the grant is revoked")
	}
	if err := c.beyond(form); err != nil || client.NonRotating {
		return "", c, err
	}
	s.next(c)
	c.rotations++
	return c.current, c, nil
}
