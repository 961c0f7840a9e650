package oauthtest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Registration is a client that was made at the registration endpoint.
type Registration struct {
	ClientID string
	Asked    map[string]any // the metadata as they were sent (RFC 7591 §2)
}

// RegistrationURL is the registration endpoint (RFC 7591), there after Delegate.
func (s *Server) RegistrationURL() string { return s.base + "/register" }

// Registrations are those that succeeded, oldest first, forgotten ones too.
func (s *Server) Registrations() []Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.registrations)
}

// ForgetClients removes the clients that were made at the registration endpoint; what they ask for from then on is
// invalid_client.
func (s *Server) ForgetClients() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.registrations {
		delete(s.clients, r.ClientID)
	}
}

// register makes a client: without a secret for the method none, with one for client_secret_basic (where none is named)
// and client_secret_post.
func (s *Server) register(w http.ResponseWriter, r Request) {
	var asked struct {
		RedirectURIs []string `json:"redirect_uris"`
		GrantTypes   []string `json:"grant_types"`
		Method       string   `json:"token_endpoint_auth_method"`
	}
	var all map[string]any
	if json.Unmarshal([]byte(r.Body), &asked) != nil || json.Unmarshal([]byte(r.Body), &all) != nil {
		fail(w, http.StatusBadRequest, "invalid_client_metadata", "the body is not a JSON object of client metadata")
		return
	}
	if asked.Method == "" {
		asked.Method = Basic
	}
	withCode := len(asked.GrantTypes) == 0 || slices.Contains(asked.GrantTypes, "authorization_code")
	switch {
	case !slices.Contains([]string{None, Basic, Post}, asked.Method):
		fail(w, http.StatusBadRequest, "invalid_client_metadata", "the token_endpoint_auth_method is not supported")
		return
	case withCode && len(asked.RedirectURIs) == 0:
		fail(w, http.StatusBadRequest, "invalid_redirect_uri", "redirect_uris are missing")
		return
	}
	c := Client{ID: "registered-" + rand.Text(), Methods: []string{asked.Method}, RedirectURIs: asked.RedirectURIs}
	answer := maps.Clone(all)
	answer["client_id"], answer["client_id_issued_at"] = c.ID, time.Now().Unix()
	answer["token_endpoint_auth_method"] = asked.Method
	if asked.Method != None {
		c.Secret = rand.Text()
		answer["client_secret"], answer["client_secret_expires_at"] = c.Secret, 0
	}
	s.Register(c)
	s.mu.Lock()
	s.registrations = append(s.registrations, Registration{ClientID: c.ID, Asked: all})
	s.mu.Unlock()
	reply(w, http.StatusCreated, answer)
}
