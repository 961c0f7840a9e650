package oauthtest

import (
	"net/http"
	"slices"
)

// EditMetadata changes the documents of RFC 8414 and OpenID Connect Discovery each time before they are sent: members may
// be set, replaced and deleted. It replaces the change before it; nil sends them as they are. What the endpoints do stays
// the same.
func (s *Server) EditMetadata(change func(document map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit = change
}

func (s *Server) metadata(w http.ResponseWriter, _ Request) {
	document, edit := s.document()
	if edit != nil {
		edit(document)
	}
	reply(w, http.StatusOK, document)
}

// document is what is true of the server, and what else is to be done to it.
func (s *Server) document() (document map[string]any, edit func(map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	document = map[string]any{
		"issuer": s.URL(), "token_endpoint": s.TokenURL(), "revocation_endpoint": s.RevocationURL(),
		"introspection_endpoint":                s.IntrospectionURL(),
		"grant_types_supported":                 []string{"client_credentials", "refresh_token"},
		"response_types_supported":              []string{},
		"token_endpoint_auth_methods_supported": []string{Basic, Post, MTLS, None},
	}
	if !s.delegated {
		return document, s.edit
	}
	document["authorization_endpoint"] = s.AuthorizationURL()
	document["registration_endpoint"] = s.RegistrationURL()
	document["device_authorization_endpoint"] = s.DeviceAuthorizationURL()
	document["grant_types_supported"] = []string{"authorization_code", "client_credentials", "refresh_token", deviceGrant}
	document["response_types_supported"] = []string{"code"}
	document["token_endpoint_auth_methods_supported"] = []string{Basic, Post, MTLS, PrivateKeyJWT, None}
	document["token_endpoint_auth_signing_alg_values_supported"] = signingAlgorithms
	document["code_challenge_methods_supported"] = []string{"S256"}
	document["authorization_response_iss_parameter_supported"] = true
	if scopes := s.scopes(); len(scopes) > 0 {
		document["scopes_supported"] = scopes
	}
	return document, s.edit
}

// scopes are all that any client may have by name.
func (s *Server) scopes() (all []string) {
	for _, c := range s.clients {
		all = append(all, c.Scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
