package clients

import (
	"maps"
	"slices"
	"strings"
)

var codex = &Format{
	Name: "codex", Title: "Codex", toml: true,
	owns:  ownsCodex,
	read:  readCodex,
	entry: codexEntry,
	in:    []string{"mcp_servers"},
	drop: []string{"command", "args", "env", "env_vars", "cwd", "url", "bearer_token_env_var", "bearer_token", "http_headers",
		"env_http_headers", "http_headers_helper", "oauth", "oauth_resource", "scopes", "auth"},
	where:  "~/.codex/config.toml",
	Helper: "http_headers_helper",
}

func ownsCodex(path string, doc map[string]any) bool {
	return ends(path, ".codex/config.toml") || path == "" && object(doc, "mcp_servers") != nil
}

// readCodex reads config.toml. Codex puts nothing into its texts: what comes from a variable has keys of its own.
func readCodex(doc map[string]any) (*File, error) {
	file := &File{}
	for _, key := range slices.Sorted(maps.Keys(doc)) {
		if strings.HasPrefix(key, "mcp_oauth_") {
			file.Lost = append(file.Lost, key)
		}
	}
	return file, file.each([]string{"mcp_servers"}, doc["mcp_servers"], func(k keys, s *Server) {
		k.stdio(s)
		k.skip("name")
		s.URL, s.Headers = k.text("url"), k.table("http_headers")
		s.PassEnv, s.Dir = k.passed("env_vars"), k.text("cwd")
		k.refuseHelper("http_headers_helper")
		codexHeaders(k, s)
		k.oneOf(s)
		k.off(s)
		codexOAuth(k, s)
	})
}

// codexHeaders adds the headers whose values are in variables.
func codexHeaders(k keys, s *Server) {
	if s.Headers == nil {
		s.Headers = map[string]Text{}
	}
	for header, name := range k.table("env_http_headers") {
		v, _ := name.Plain()
		s.Headers[header] = Text{{Variable: v}}
	}
	bearer := k.text("bearer_token")
	if name := k.name("bearer_token_env_var"); name != "" {
		bearer = Text{{Variable: name}}
	}
	if len(bearer) > 0 {
		s.Headers["Authorization"] = append(Text{{Literal: "Bearer "}}, bearer...)
	}
}

// passed are the names of variables that go to the child; Codex writes one as a name or as a table.
func (k keys) passed(key string) []string {
	list, ok := k.value(key).([]any)
	if !ok && k.has(key) {
		k.refuse(key, "a list of names")
	}
	var names []string
	for _, item := range list {
		if table, ok := item.(map[string]any); ok {
			if table["source"] == "remote" {
				k.lost = append(k.lost, k.under+key+passedName(table["name"])+" (source remote)")
				continue
			}
			item = table["name"]
		}
		name, _ := item.(string)
		if !variable.MatchString(name) {
			k.lost = append(k.lost, k.under+key)
			continue
		}
		names = append(names, name)
	}
	return names
}

// passedName is a name as it may be told, behind its key; "": it is none.
func passedName(item any) string {
	if name, _ := item.(string); variable.MatchString(name) {
		return " " + name
	}
	return ""
}

// codexOAuth reads how Codex signs in; it does so only where no header has a credential.
func codexOAuth(k keys, s *Server) {
	if k.ahead(s, "oauth", "oauth_resource", "scopes") {
		return
	}
	oauth, ok := k.object("oauth")
	if !ok && !k.has("scopes") && !k.has("oauth_resource") {
		return
	}
	s.OAuth = signIn()
	k.putScopes(s.OAuth, "scopes")
	k.put(s.OAuth, "oauth_resource", "OAUTH_RESOURCE")
	if ok {
		oauth.put(s.OAuth, "client_id", "OAUTH_CLIENT_ID")
		oauth.rest()
	}
}
