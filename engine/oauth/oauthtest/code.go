package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"time"
)

const codeLifetime = time.Minute

// code is an authorization code. It is kept after its use, so that a second one is seen.
type code struct {
	clientID, redirect, challenge, scope string
	resource                             []string
	expiry                               time.Time
	used                                 bool
	chain                                *chain // what it was exchanged for; nil: nothing
}

// exchange spends an authorization code (RFC 6749 §4.1.3). The first use spends it, be it right or wrong; a second one
// revokes what the first one got (RFC 6749 §4.1.2).
func (s *Server) exchange(client Client, form url.Values) (refresh string, granted *chain, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.codes[form.Get("code")]
	if !ok || c.clientID != client.ID {
		return "", nil, errors.New("the code is not known")
	}
	if c.used {
		if c.chain != nil {
			c.chain.revoked = true
		}
		return "", nil, errors.New("the code was used before: what it was exchanged for is revoked")
	}
	c.used = true
	granted = &chain{clientID: client.ID, delegated: true, scope: c.scope, resource: slices.Clone(c.resource)}
	switch {
	case !time.Now().Before(c.expiry):
		return "", nil, errors.New("the code has expired")
	case form.Get("redirect_uri") != c.redirect:
		return "", nil, errors.New("the redirect_uri is not that of the authorization request")
	case !c.proves(form):
		return "", nil, errors.New("the code_verifier does not match")
	}
	if err := granted.beyond(form); err != nil {
		return "", nil, err
	}
	c.chain = granted
	s.begin(granted)
	return granted.current, granted, nil
}

// proves checks the verifier (RFC 7636 §4.6). One for a request that had no challenge is refused too (RFC 9700 §4.8.2).
func (c *code) proves(form url.Values) bool {
	verifier := form.Get("code_verifier")
	if c.challenge == "" {
		return !form.Has("code_verifier")
	}
	sum := sha256.Sum256([]byte(verifier))
	return len(verifier) >= 43 && len(verifier) <= 128 && base64.RawURLEncoding.EncodeToString(sum[:]) == c.challenge
}
