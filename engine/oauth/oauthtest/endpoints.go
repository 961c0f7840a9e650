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
	Thumbprint  string // its x5t#S256 (RFC 8705 §3.1)
	CertSerial  string
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /token", s.endpoint(s.token, true))
	mux.Handle("POST /revoke", s.endpoint(s.revoke, true))
	mux.Handle("POST /introspect", s.endpoint(s.introspect, false))
	mux.Handle("GET /.well-known/oauth-authorization-server", s.endpoint(s.metadata, false))
	mux.Handle("GET /.well-known/openid-configuration", s.person(s.endpoint(s.metadata, false)))
	mux.Handle("GET /authorize", s.person(s.entry(s.authorize, false)))
	mux.Handle("POST /register", s.person(s.endpoint(s.register, false)))
	mux.Handle("POST /device_authorization", s.person(s.endpoint(s.authorizeDevice, false)))
	mux.Handle("GET /device", s.person(s.entry(s.visitDevice, false)))
	return mux
}

// person is an endpoint that is there after Delegate only.
func (s *Server) person(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.delegates() {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) endpoint(answer func(http.ResponseWriter, Request), faulty bool) http.Handler {
	return s.entry(func(w http.ResponseWriter, _ *http.Request, r Request) { answer(w, r) }, faulty)
}

// entry records the request, lets the next fault at it, and keeps Close waiting.
func (s *Server) entry(answer func(http.ResponseWriter, *http.Request, Request), faulty bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := read(r)
		if err != nil {
			fail(w, http.StatusBadRequest, "invalid_request", "the body cannot be read")
			return
		}
		fault, ok := s.enter(r.URL.Path, req, faulty)
		if !ok {
			return
		}
		defer s.handlers.Done()
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, req) })
		if fault != nil {
			fault(w, r, next)
			return
		}
		next(w, r)
	})
}

func (s *Server) enter(path string, req Request, faulty bool) (f Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	s.handlers.Add(1)
	s.requests = append(s.requests, req)
	switch here := s.placed[path]; {
	case len(here) > 0:
		f, s.placed[path] = here[0], here[1:]
	case faulty && len(s.faults) > 0:
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
	req := Request{Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: string(body)}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		req.Form, err = url.ParseQuery(req.Body)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		cert := r.TLS.VerifiedChains[0][0]
		req.CertSubject, req.CertSerial = cert.Subject.CommonName, cert.SerialNumber.String()
		req.Thumbprint = thumbprint(cert)
	}
	return req, err
}

// credentials reads what the client authenticates with (RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2); two ways at once
// are refused. The secret is the assertion where the method is PrivateKeyJWT.
func (r Request) credentials() (id, secret, method string, err error) {
	inBody, signed := r.Form.Has("client_secret"), r.Form.Has("client_assertion")
	user, password, basic := (&http.Request{Header: r.Header}).BasicAuth()
	switch {
	case basic && inBody || basic && signed || inBody && signed:
		return "", "", "", errors.New("two ways of client authentication")
	case signed:
		id, err = r.assertedClient()
		return id, r.Form.Get("client_assertion"), PrivateKeyJWT, err
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
	grant, refresh, err := s.grant(c, r.Form)
	if err != nil {
		refused := refusal{"invalid_grant", err.Error()}
		_ = errors.As(err, &refused)
		fail(w, http.StatusBadRequest, refused.code, refused.description)
		return
	}
	answer := map[string]any{"token_type": "Bearer"}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	grant.Thumbprint = r.Thumbprint
	token, lifetime := s.issue(grant)
	answer["access_token"], answer["expires_in"] = token, int(lifetime/time.Second)
	if grant.Scope != "" {
		answer["scope"] = grant.Scope
	}
	reply(w, http.StatusOK, answer)
}

// refusal is an error answer that is not invalid_grant.
type refusal struct{ code, description string }

func (r refusal) Error() string { return r.description }

// grant is what a token request gets; refresh is "" where it gets no new refresh token.
func (s *Server) grant(c Client, form url.Values) (g Grant, refresh string, err error) {
	g = Grant{
		ClientID: c.ID, Scope: c.allowed(form.Get("scope")), Resource: form["resource"], Audience: form.Get("audience"),
	}
	switch kind := form.Get("grant_type"); {
	case kind == "client_credentials":
		return g, "", nil
	case kind == "refresh_token":
		refresh, g.chain, err = s.spend(c, form)
	case kind == "authorization_code" && s.delegates():
		refresh, g.chain, err = s.exchange(c, form)
	case kind == deviceGrant && s.delegates():
		refresh, g.chain, err = s.deviceToken(c, form)
	default:
		return g, "", refusal{"unsupported_grant_type", "only client_credentials and refresh_token"}
	}
	if err == nil && g.chain.delegated {
		g.Scope, g.Resource = g.chain.narrowed(form)
	}
	return g, refresh, err
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
