package oauthtest

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Protection is how a Resource asks for tokens. The zero value wants any scope, names its document in the challenge and
// serves it at both well-known places (RFC 9728 §3.1: with the path, and at the root).
type Protection struct {
	Require        map[string]string    // by JSON-RPC method, "" for all others: the scope a token needs; else a 403
	Open           []string             // JSON-RPC methods that need no token
	AnyResource    bool                 // tokens need not name the Resource (RFC 8707)
	NoChallenge    bool                 // a 401 or 403 has no WWW-Authenticate header
	NoMetadataURL  bool                 // the challenge does not name the document
	ChallengeScope string               // the scope of a 401's challenge; "": none
	MetadataPath   string               // the one place of the document, as "/custom"; "": the well-known ones
	NoPathDocument bool                 // of the well-known places only the root has it
	NoRootDocument bool                 // of the well-known places only the one with the path has it
	Scopes         []string             // scopes_supported of the document; empty: left out
	Document       func(map[string]any) // changes the document before it is sent; may be nil
}

// ResourceRequest is a request that a Resource answered.
type ResourceRequest struct {
	Method, Path string // Path with its query
	RPC          string // the JSON-RPC method of the body; "": none
	Status       int
	Token        string // Fingerprint of the token; "": there was none
	Header       http.Header
}

// Resource is an MCP server over Streamable HTTP, as little of one as a proxy needs behind it, that takes the tokens of
// its authorization servers (RFC 9728). Its methods are safe for many goroutines.
type Resource struct {
	base string
	http *listener

	mu         sync.Mutex // guards what follows
	closed     bool
	handlers   sync.WaitGroup // Add only while !closed
	servers    []*Server
	protection Protection
	requests   []ResourceRequest
	placed     map[string][]Fault // by path
}

// NewResource starts a resource with TLS on a free port of 127.0.0.1, its certificate of the first server's CA.
func NewResource(as ...*Server) (*Resource, error) { return startResource(true, as) }

// NewPlainResource starts a resource with plain http.
func NewPlainResource(as ...*Server) (*Resource, error) { return startResource(false, as) }

func startResource(secure bool, as []*Server) (*Resource, error) {
	if secure && len(as) == 0 {
		return nil, errors.New("a resource with TLS takes its certificate from its first server: name one")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Resource{base: "http://" + l.Addr().String(), servers: as, placed: map[string][]Fault{}}
	if secure {
		r.base = "https://" + l.Addr().String()
		l = tls.NewListener(l, as[0].TLS())
	}
	r.http = serve(l, r)
	return r, nil
}

// Close ends every connection and waits for the handlers.
func (r *Resource) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.http.close()
	r.handlers.Wait()
}

// URL is the MCP endpoint, and the resource that tokens must be for. It has a path.
func (r *Resource) URL() string { return r.base + "/mcp" }

// Protect sets how tokens are asked for from now on.
func (r *Resource) Protect(p Protection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.protection = p
}

// SetServers moves the resource to other authorization servers. Tokens of the former ones are invalid from now on.
func (r *Resource) SetServers(as ...*Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers = as
}

// FailAt puts a fault before each of the next n requests to a path, as "/mcp" or a document's.
func (r *Resource) FailAt(path string, n int, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		r.placed[path] = append(r.placed[path], f)
	}
}

// Requests are all so far, those for documents too, oldest first.
func (r *Resource) Requests() []ResourceRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Counts is how many requests came with each token, by its Fingerprint; "" is for those without one.
func (r *Resource) Counts() map[string]int {
	counts := map[string]int{}
	for _, req := range r.Requests() {
		counts[req.Token]++
	}
	return counts
}

// Fingerprint stands for a token where the token itself must not be kept. It is "" for "".
func Fingerprint(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}

// ServeHTTP serves the MCP endpoint and the documents.
func (r *Resource) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	p, servers, fault, ok := r.enter(req.URL.Path)
	if !ok {
		return
	}
	defer r.handlers.Done()
	token, _ := bearer(req)
	seen := ResourceRequest{
		Method: req.Method, Path: req.URL.RequestURI(), Token: Fingerprint(token), Header: req.Header.Clone(),
	}
	seen.Header.Del("Authorization") // Token tells what is to be known of it
	noted := &statusWriter{w, func(status int) { r.note(seen, status) }}
	next := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(w, req, p, servers, &seen) })
	if fault != nil {
		fault(noted, req, next)
		return
	}
	next(noted, req)
}

func (r *Resource) serve(w http.ResponseWriter, req *http.Request, p Protection, servers []*Server, seen *ResourceRequest) {
	switch {
	case req.URL.Path == "/mcp":
		body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20)) // what is missing does not parse
		call := parseCall(body)
		seen.RPC = call.Method
		if r.admit(w, req, p, servers, call.Method) {
			call.answer(w, req)
		}
	case req.Method == http.MethodGet && p.hasDocument(req.URL.Path):
		reply(w, http.StatusOK, r.document(p, servers))
	default:
		http.NotFound(w, req)
	}
}

// note keeps a request before its answer goes out, so that whoever has the answer finds it.
func (r *Resource) note(seen ResourceRequest, status int) {
	seen.Status = status
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, seen)
}

func (r *Resource) enter(path string) (p Protection, servers []*Server, f Fault, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return p, nil, nil, false
	}
	r.handlers.Add(1)
	if here := r.placed[path]; len(here) > 0 {
		f, r.placed[path] = here[0], here[1:]
	}
	return r.protection, r.servers, f, true
}

// statusWriter tells the status before it is sent.
type statusWriter struct {
	http.ResponseWriter
	tell func(status int)
}

func (w *statusWriter) WriteHeader(status int) {
	w.tell(status)
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for a fault that breaks the connection; such a request is not noted.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

const (
	rootDocument = "/.well-known/oauth-protected-resource"
	pathDocument = rootDocument + "/mcp"
)

func (p Protection) hasDocument(path string) bool {
	switch {
	case p.MetadataPath != "":
		return path == p.MetadataPath
	case path == pathDocument:
		return !p.NoPathDocument
	}
	return path == rootDocument && !p.NoRootDocument
}

// document is the metadata of the resource (RFC 9728 §2).
func (r *Resource) document(p Protection, servers []*Server) map[string]any {
	issuers := []string{}
	for _, s := range servers {
		issuers = append(issuers, s.URL())
	}
	document := map[string]any{
		"resource": r.URL(), "authorization_servers": issuers, "bearer_methods_supported": []string{"header"},
	}
	if len(p.Scopes) > 0 {
		document["scopes_supported"] = p.Scopes
	}
	if p.Document != nil {
		p.Document(document)
	}
	return document
}

// admit lets a request pass, or answers it (RFC 6750 §3.1).
func (r *Resource) admit(w http.ResponseWriter, req *http.Request, p Protection, servers []*Server, method string) bool {
	if method != "" && slices.Contains(p.Open, method) {
		return true
	}
	required, ok := p.Require[method]
	if !ok {
		required = p.Require[""]
	}
	token, sent := bearer(req)
	grant, live := introspect(servers, token)
	switch {
	case !sent:
		r.challenge(w, p, http.StatusUnauthorized, map[string]string{"scope": p.ChallengeScope})
	case !live || !p.AnyResource && !slices.Contains(grant.Resource, r.URL()):
		r.challenge(w, p, http.StatusUnauthorized, map[string]string{"error": "invalid_token", "scope": p.ChallengeScope})
	case !within(strings.Fields(required), strings.Fields(grant.Scope)):
		r.challenge(w, p, http.StatusForbidden, map[string]string{"error": "insufficient_scope", "scope": required})
	default:
		return true
	}
	return false
}

func (r *Resource) challenge(w http.ResponseWriter, p Protection, status int, parameters map[string]string) {
	if !p.NoMetadataURL {
		parameters["resource_metadata"] = r.base + p.metadataPath()
	}
	var written []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if parameters[name] != "" {
			written = append(written, name+`="`+parameters[name]+`"`)
		}
	}
	if !p.NoChallenge {
		w.Header().Set("WWW-Authenticate", strings.TrimSpace("Bearer "+strings.Join(written, ", ")))
	}
	w.WriteHeader(status)
}

func (p Protection) metadataPath() string {
	switch {
	case p.MetadataPath != "":
		return p.MetadataPath
	case p.NoPathDocument:
		return rootDocument
	}
	return pathDocument
}

func bearer(req *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func introspect(servers []*Server, token string) (Grant, bool) {
	for _, s := range servers {
		if g, ok := s.Introspect(token); ok {
			return g, true
		}
	}
	return Grant{}, false
}
