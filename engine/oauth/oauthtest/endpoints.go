package oauthtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is what a request carried.
type Request struct {
	Path        string // with its query
	Header      http.Header
	Form        url.Values // of the body alone
	Body        string
	CertSubject string // the common name of the verified client certificate; "": none
	CertSerial  string
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /token", s.endpoint(s.token, true))
	mux.Handle("POST /revoke", s.endpoint(s.revoke, true))
	mux.Handle("POST /introspect", s.endpoint(s.introspect, false))
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.metadata)
	return mux
}

// endpoint records the request, lets the next fault at it, and keeps Close waiting.
func (s *Server) endpoint(answer func(http.ResponseWriter, Request), faulty bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := read(r)
		if err != nil {
			fail(w, http.StatusBadRequest, "invalid_request", "the body cannot be read")
			return
		}
		fault, ok := s.enter(req, faulty)
		if !ok {
			return
		}
		defer s.handlers.Done()
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, req) })
		if fault != nil {
			fault(w, r, next)
			return
		}
		next(w, r)
	})
}

func (s *Server) enter(req Request, faulty bool) (f Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.handlers.Add(1)
	s.requests = append(s.requests, req)
	if faulty && len(s.faults) > 0 {
		f, s.faults = s.faults[0], s.faults[1:]
	}
	return f, true
}

func read(r *http.Request) (Request, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return Request{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body)) // for a fault that wants it
	form, err := url.ParseQuery(string(body))
	req := Request{Path: r.URL.RequestURI(), Header: r.Header.Clone(), Form: form, Body: string(body)}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		cert := r.TLS.VerifiedChains[0][0]
		req.CertSubject, req.CertSerial = cert.Subject.CommonName, cert.SerialNumber.String()
	}
	return req, err
}

// credentials reads what the client authenticates with (RFC 6749 §2.3.1, RFC 8705 §2); two ways at once are refused.
func (r Request) credentials() (id, secret, method string, err error) {
	inBody := r.Form.Has("client_secret")
	user, password, basic := (&http.Request{Header: r.Header}).BasicAuth()
	switch {
	case basic && inBody:
		return "", "", "", errors.New("two ways of client authentication")
	case basic:
		if id, err = url.QueryUnescape(user); err == nil {
			secret, err = url.QueryUnescape(password)
		}
		return id, secret, Basic, err
	case inBody:
		return r.Form.Get("client_id"), r.Form.Get("client_secret"), Post, nil
	}
	return r.Form.Get("client_id"), "", MTLS, nil
}

func (s *Server) token(w http.ResponseWriter, r Request) {
	c, err := s.client(r)
	if err != nil {
		fail(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	for name, values := range r.Form {
		if len(values) > 1 && name != "resource" { // RFC 6749 §3.2; RFC 8707 §2
			fail(w, http.StatusBadRequest, "invalid_request", "a parameter is repeated")
			return
		}
	}
	scope := c.allowed(r.Form.Get("scope"))
	grant := Grant{ClientID: c.ID, Scope: scope, Resource: r.Form["resource"], Audience: r.Form.Get("audience")}
	answer := map[string]any{"token_type": "Bearer"}
	switch r.Form.Get("grant_type") {
	case "client_credentials":
	case "refresh_token":
		next, chain, err := s.spend(c, r.Form.Get("refresh_token"))
		if err != nil {
			fail(w, http.StatusBadRequest, "invalid_grant", err.Error())
			return
		}
		if grant.chain = chain; next != "" {
			answer["refresh_token"] = next
		}
	default:
		fail(w, http.StatusBadRequest, "unsupported_grant_type", "only client_credentials and refresh_token")
		return
	}
	token, lifetime := s.issue(grant)
	answer["access_token"], answer["expires_in"] = token, int(lifetime/time.Second)
	if scope != "" {
		answer["scope"] = scope
	}
	reply(w, http.StatusOK, answer)
}

// allowed is what the client gets of what it asked for; all it may have when it asked for nothing.
func (c Client) allowed(requested string) string {
	asked := strings.Fields(requested)
	switch {
	case len(c.Scopes) == 0:
	case len(asked) == 0:
		asked = c.Scopes
	default:
		asked = slices.DeleteFunc(asked, func(s string) bool { return !slices.Contains(c.Scopes, s) })
	}
	return strings.Join(asked, " ")
}

func (s *Server) revoke(w http.ResponseWriter, r Request) {
	c, err := s.client(r)
	if err != nil {
		fail(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	token := r.Form.Get("token")
	g, live := s.Introspect(token)
	chain, known := s.Chain(token)
	if live && g.ClientID == c.ID || known && chain.ClientID == c.ID {
		s.Revoke(token)
	}
	w.WriteHeader(http.StatusOK) // for an unknown token too (RFC 7009 §2.2)
}

func (s *Server) introspect(w http.ResponseWriter, r Request) {
	if _, err := s.client(r); err != nil {
		fail(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	g, ok := s.Introspect(r.Form.Get("token"))
	if !ok {
		reply(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"active": true, "client_id": g.ClientID, "scope": g.Scope, "aud": g.Audience, "exp": g.Expiry.Unix(),
	})
}

// metadata is the document of RFC 8414.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer": s.URL(), "token_endpoint": s.TokenURL(), "revocation_endpoint": s.RevocationURL(),
		"introspection_endpoint":                s.IntrospectionURL(),
		"grant_types_supported":                 []string{"client_credentials", "refresh_token"},
		"response_types_supported":              []string{},
		"token_endpoint_auth_methods_supported": []string{Basic, Post, MTLS, None},
	})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client went away
}

func fail(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]any{"error": code, "error_description": description})
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
