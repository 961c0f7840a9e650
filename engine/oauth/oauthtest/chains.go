package oauthtest

import (
	"crypto/rand"
	"errors"
)

// chain is a grant that refresh tokens stand for, one after the other.
type chain struct {
	clientID  string
	current   string // the one token that may be spent
	rotations int
	revoked   bool
}

// Chain is the state of a chain of refresh tokens.
type Chain struct {
	ClientID  string
	Current   string // the token that may be spent; "" once Revoked
	Rotations int
	Revoked   bool
}

// Grant starts a chain for a client, as after an authorization by a person, and gives its first refresh token.
func (s *Server) Grant(clientID string) (refreshToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &chain{clientID: clientID}
	s.next(c)
	return c.current
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
	state := Chain{ClientID: c.clientID, Current: c.current, Rotations: c.rotations, Revoked: c.revoked}
	if c.revoked {
		state.Current = ""
	}
	return state, true
}

// Reused counts how often a token that had been spent was sent again, which revokes its chain.
func (s *Server) Reused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reused
}

// spend takes a refresh token in; next is "" where the client's do not rotate (RFC 9700 §4.14.2).
func (s *Server) spend(client Client, token string) (next string, c *chain, err error) {
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
	case client.NonRotating:
		return "", c, nil
	}
	s.next(c)
	c.rotations++
	return c.current, c, nil
}
