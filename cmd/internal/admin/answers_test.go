package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/prometheus/client_golang/prometheus"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// described are all schemas of bodies and events in the document, each by the place where it stands.
var described = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	var doc node
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, err
	}
	places := node{}
	var walk func(v any, place string)
	walk = func(v any, place string) {
		n, _ := v.(node)
		if schema, ok := n["schema"].(node); ok {
			places[place] = closed(schema)
		}
		if events, ok := n["x-events"].(node); ok {
			for name, schema := range events {
				places["event "+name] = closed(schema.(node))
			}
		}
		for key, next := range n {
			walk(next, place+" "+key)
		}
	}
	walk(doc["paths"], "paths")
	walk(doc["components"].(node)["responses"], "components responses")
	text, err := json.Marshal(node{"$defs": doc["components"].(node)["schemas"], "properties": places, "additionalProperties": false})
	if err != nil {
		return nil, err
	}
	var whole jsonschema.Schema
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("#/components/schemas/"), []byte("#/$defs/")), &whole); err != nil {
		return nil, err
	}
	return whole.Resolve(nil)
})

// closed is a schema that knows no other properties than it names. Clients are better off with the open one.
func closed(schema node) node { return node{"allOf": []any{schema}, "unevaluatedProperties": false} }

// checkSchema wants value to be as the schema at a place says.
func checkSchema(t testing.TB, place string, value any) {
	t.Helper()
	all, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Validate(node{place: value}); err != nil {
		t.Errorf("%s: %v: %v", place, value, err)
	}
}

// answers compares requests and their answers with the document.
type answers struct {
	t          *testing.T
	doc        node
	operations map[string]node
	patterns   *http.ServeMux
	seen       map[string]bool // operations that were done
}

func newAnswers(t *testing.T) *answers {
	a := &answers{t: t, doc: apiDocument(t), patterns: http.NewServeMux(), seen: map[string]bool{}}
	a.operations = operations(t, a.doc)
	for pattern := range a.operations {
		a.patterns.Handle(pattern, http.NotFoundHandler())
	}
	return a
}

// ask sends a request, wants this status, and compares the answer.
func (a *answers) ask(h http.Handler, r *http.Request, want int) (body node, header http.Header) {
	a.t.Helper()
	w := httptest.NewRecorder()
	what := r.Method + " " + r.URL.Path
	h.ServeHTTP(w, r)
	if w.Code != want {
		a.t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, want)
	}
	_, pattern := a.patterns.Handler(r)
	op := a.operations[pattern]
	if op == nil {
		a.t.Fatalf("%s is not in the document", what)
	}
	if w.Code < 400 {
		a.seen[pattern] = true
	}
	place, response := a.response(pattern, w.Code)
	content, _ := response["content"].(node)
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	_, ok := content[kind]
	switch {
	case !ok && (w.Body.Len() > 0 || len(content) > 0):
		a.t.Errorf("%s: %d is %q, the document has %v", what, w.Code, kind, content)
	case ok && kind == "application/json" && pattern != "GET /api/openapi.json":
		var value any
		if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
			a.t.Fatalf("%s: %v", what, err)
		}
		checkSchema(a.t, place+" content application/json", value)
		body, _ = value.(node)
	}
	return body, w.Header()
}

// response is what the document has for a status, and where.
func (a *answers) response(pattern string, code int) (place string, response node) {
	a.t.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	responses := at(a.t, a.operations[pattern], "responses")
	for _, status := range []string{strconv.Itoa(code), strconv.Itoa(code/100) + "XX"} {
		response, ok := responses[status].(node)
		if !ok {
			continue
		}
		if ref, shared := response["$ref"].(string); shared {
			return strings.ReplaceAll(strings.TrimPrefix(ref, "#/"), "/", " "), resolved(a.t, a.doc, response)
		}
		return fmt.Sprintf("paths %s %s responses %s", path, strings.ToLower(method), status), response
	}
	a.t.Fatalf("%s: %d is not in the document", pattern, code)
	return "", nil
}

// do asks with JSON, which it compares too.
func (a *answers) do(h http.Handler, method, path, body string, want int) node {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	_, pattern := a.patterns.Handler(r)
	if want < 400 && strings.HasPrefix(body, "{") {
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			a.t.Fatal(err)
		}
		_, path, _ := strings.Cut(pattern, " ")
		checkSchema(a.t, fmt.Sprintf("paths %s %s requestBody content application/json", path, strings.ToLower(method)), value)
	}
	answer, _ := a.ask(h, r, want)
	return answer
}

// grants makes what the whole API needs beside watch: an authorization server, an MCP server behind it, and a proxy that says
// yes to everything.
func grants(t *testing.T) (w *watched, as *oauthtest.Server, mcp string) {
	t.Helper()
	as = plainServer(t)
	as.Delegate()
	rs, err := oauthtest.NewPlainResource(as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
	}))
	t.Cleanup(front.Close)
	w = watch(t)
	w.cfg.Store(&config.Config{Proxy: config.Proxy{Listen: front.Listener.Addr().String()}, Admin: config.Admin{AllowPrivate: []string{"127.0.0.1"}}})
	w.Redirect, w.Key, w.Registry = "http://127.0.0.1:7412/api/oauth/callback", secrets.New("the admin key"), prometheus.NewRegistry()
	if w.Keys, err = proxy.LoadKeys(t.Context(), w.Local); err != nil {
		t.Fatal(err)
	}
	w.Edit = func(_ context.Context, name string, s *config.Server) (config.Changes, error) {
		rest := slices.DeleteFunc(slices.Clone(w.cfg.Load().Servers), func(o *config.Server) bool { return o.Name == name })
		if s != nil {
			rest = append(rest, s)
		}
		return w.reload(rest...), nil
	}
	w.Reload = func(context.Context, string) (config.Changes, error) {
		return config.Changes{{Action: config.Add, Server: "x"}, {Action: config.Modify, Server: "y", Fields: []config.Field{{Name: "url", Class: config.Retoken}}}}, nil
	}
	return w, as, rs.URL()
}

// signIn goes where a person's browser goes.
func (a *answers) signIn(h http.Handler, as *oauthtest.Server, authorize string) {
	a.t.Helper()
	start, err := url.Parse(authorize)
	if err != nil {
		a.t.Fatal(err)
	}
	_, header := a.ask(h, httptest.NewRequest(http.MethodGet, start.Path, http.NoBody), http.StatusSeeOther)
	back, err := as.Visit(a.t.Context(), header.Get("Location"))
	if err != nil {
		a.t.Fatal(err)
	}
	answer, err := http.NewRequest(http.MethodGet, back, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	a.ask(h, answer, http.StatusForbidden) // another browser
	cookie, err := http.ParseSetCookie(header.Get("Set-Cookie"))
	if err != nil {
		a.t.Fatal(err)
	}
	answer.AddCookie(cookie)
	_, header = a.ask(h, answer, http.StatusSeeOther)
	a.ask(h, httptest.NewRequest(http.MethodGet, header.Get("Location"), http.NoBody), http.StatusOK)
}

// Every operation is done once, and is answered as the document says.
func TestAnswersAreAsDescribed(t *testing.T) {
	w, as, mcp := grants(t)
	a, h := newAnswers(t), w.Handler()
	oauth := `"oauth_version":"2.0","enforce_https":false`
	request := `{"name":"a","connection_type":"http","connection_string":"` + mcp + `","auth_type":"oauth",` +
		`"oauth_config":{"scopes":["mcp:read"],` + oauth + `},"tools_to_execute":["*"]}`

	made := a.do(h, "POST", "/api/mcp/client", request, 200)
	a.do(h, "POST", "/api/mcp/client", request, 409)
	a.do(h, "GET", "/api/mcp/clients", "", 200)
	a.do(h, "GET", "/api/oauth/config/oauth_cfg.a/status", "", 200)
	a.do(h, "POST", "/api/mcp/client/a/complete-oauth", "", 409)
	a.signIn(h, as, made["authorize_url"].(string))
	a.do(h, "GET", "/api/oauth/config/a/status", "", 200)
	a.do(h, "POST", made["complete_url"].(string), "", 200)
	a.do(h, "GET", "/api/mcp/client/oauth_cfg.a", "", 200)
	a.do(h, "GET", "/api/status", "", 200)
	a.do(h, "GET", "/api/metrics?server=a", "", 200)
	a.do(h, "GET", "/readyz", "", 200)
	a.do(h, "GET", "/api/servers/a/key/claude", "", 200)
	a.do(h, "POST", "/api/keys/rotate", "", 200)
	a.do(h, "POST", "/api/keys/rotate?now=true", "", 200)
	for _, query := range []string{"now=later", "nwo=true", "now=false&now=true", "now=true&now=true", "now=true&x", "now=true;", "now=%zz", "Now=true"} {
		a.do(h, "POST", "/api/keys/rotate?"+query, "", 400)
	}
	a.do(h, "POST", "/api/keys/rotate?", "", 200)
	a.do(h, "POST", "/api/keys/rotate?now=false", "", 200)
	a.do(h, "POST", "/api/servers/a/refresh", "", 200)
	a.do(h, "POST", "/api/servers/a/invalidate", "", 200)
	a.do(h, "PUT", "/api/mcp/client/a", `{"headers":{"X-Api-Key":"k"}}`, 200)
	a.signIn(h, as, a.do(h, "POST", "/api/mcp/client/a/reauthorize", "", 200)["authorize_url"].(string))
	a.do(h, "POST", "/api/servers/a/revoke", "", 200)
	a.do(h, "GET", "/api/oauth/config/a/status", "", 200)
	a.do(h, "POST", "/api/servers/a/logout?local=true", "", 200)
	a.do(h, "DELETE", "/api/oauth/config/a", "", 200)
	a.do(h, "GET", "/api/mcp/client/a", "", 200)
	a.do(h, "GET", "/api/oauth/config/a/status", "", 404)
	a.do(h, "DELETE", "/api/mcp/client/a", "", 200)

	a.do(h, "POST", "/api/mcp/client", `{"name":"b","connection_string":"`+mcp+`","auth_type":"oauth","oauth_config":{"client_id":"id","client_secret":"s3cret",`+
		`"grant_type":"client_credentials","token_url":"`+as.TokenURL()+`",`+oauth+`}}`, 200)
	as.Fail(9, oauthtest.OAuthError(401, "invalid_client", ""))
	a.do(h, "POST", "/api/servers/b/refresh", "", 502)
	a.do(h, "POST", "/api/mcp/client", `{"name":"c","connection_string":"`+mcp+`","auth_type":"none"}`, 200)
	a.do(h, "POST", "/api/mcp/client", `{"name":"d","connection_string":"https://10.0.0.1/","auth_type":"none"}`, 400)
	w.upstream.Store("c", "HTTP 500")
	a.do(h, "GET", "/api/mcp/clients", "", 200)
	a.do(h, "GET", "/readyz", "", 200)

	a.do(h, "POST", "/api/reload", "", 200)
	a.do(h, "PUT", "/api/secrets/one", "\n", 400)
	a.do(h, "PUT", "/api/secrets/one", "a\x00b", 400)
	a.do(h, "PUT", "/api/secrets/one", "two\nlines\n", 204)
	a.do(h, "PUT", "/api/secrets/one", "value", 204)
	onlyNew := httptest.NewRequestWithContext(t.Context(), "PUT", "/api/secrets/one", strings.NewReader("other"))
	onlyNew.Header.Set("If-None-Match", "*")
	a.ask(h, onlyNew, 412)
	a.do(h, "GET", "/api/secrets", "", 200)
	a.do(h, "DELETE", "/api/secrets/one", "", 204)
	a.do(h, "DELETE", "/api/secrets/one", "", 404)
	a.do(h, "GET", "/livez", "", 200)
	a.do(h, "GET", "/metrics", "", 200)
	a.do(h, "GET", "/api/openapi.json", "", 200)
	a.overTCP(w)
	ended, end := context.WithCancel(t.Context())
	end()
	a.ask(h, httptest.NewRequestWithContext(ended, http.MethodGet, "/api/events", http.NoBody), 200)

	for pattern := range a.operations {
		if !a.seen[pattern] {
			t.Errorf("%s was not done", pattern)
		}
	}
}

// overTCP asks as callers with a key do.
func (a *answers) overTCP(w *watched) {
	a.t.Helper()
	public := w.Public()
	local := func(method, path, key string) *http.Request {
		r := httptest.NewRequestWithContext(a.t.Context(), method, "http://127.0.0.1:7412"+path, http.NoBody)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		return r
	}
	a.ask(public, local("GET", "/api/openapi.json", ""), 200)
	a.ask(public, local("GET", "/api/status", ""), 401)
	session, _ := a.ask(public, local("POST", "/api/session", "the admin key"), 200)
	a.ask(public, local("GET", "/api/mcp/clients", session["session"].(string)), 200)
	a.ask(public, local("DELETE", "/api/session", session["session"].(string)), 204)
	elsewhere := local("GET", "/api/status", "the admin key")
	elsewhere.Host = "evil.example.com"
	a.ask(public, elsewhere, 403)
}
