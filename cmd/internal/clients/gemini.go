package clients

import (
	"fmt"
	"regexp"
	"slices"
)

var gemini = &Format{
	Name: "gemini", Title: "Gemini CLI", Also: "gemini-cli",
	owns:    ownsGemini,
	read:    readGemini,
	entry:   geminiEntry,
	in:      []string{"mcpServers"},
	drop:    []string{"command", "args", "env", "cwd", "url", "httpUrl", "tcp", "type", "headers", "oauth", "authProviderType"},
	where:   "~/.gemini/settings.json, or .gemini/settings.json of a project",
	expands: regexp.MustCompile(`\$[{A-Za-z_]`),
}

func ownsGemini(path string, doc map[string]any) bool {
	return ends(path, ".gemini/settings.json") || path == "" && dialect(doc) == "gemini"
}

// readGemini reads settings.json. A server that the lists of allowed and excluded ones keep from starting is off.
func readGemini(doc map[string]any) (*File, error) {
	file, mcp := &File{}, object(doc, "mcp")
	allowed, restricted := first(mcp["allowed"], doc["allowMCPServers"])
	excluded, _ := first(mcp["excluded"], doc["excludeMCPServers"])
	if mcp["serverCommand"] != nil {
		file.Lost = append(file.Lost, "mcp.serverCommand")
	}
	return file, file.each([]string{"mcpServers"}, doc["mcpServers"], func(k keys, s *Server) {
		k.expand = dollars
		readGeminiServer(k, s)
		s.Off = s.Off || restricted && !slices.Contains(allowed, any(s.Name)) || slices.Contains(excluded, any(s.Name))
	})
}

// first is the first value that is a list.
func first(values ...any) (list []any, ok bool) {
	for _, value := range values {
		if list, ok = value.([]any); ok {
			return list, true
		}
	}
	return nil, false
}

func readGeminiServer(k keys, s *Server) {
	if k.has("tcp") {
		k.refuseTransport("tcp")
	}
	sse := !k.has("httpUrl") && k.has("url") && normal(k.name("type")) != "http"
	k.stdio(s)
	k.remote(s, "httpUrl", "url")
	if len(s.URL) > 0 { // it goes before a command there
		s.Command = k.without(s.Command, "command")
	}
	k.skip("type")
	k.oneOf(s)
	k.off(s)
	s.SSE, s.Dir = sse && len(s.URL) > 0, k.text("cwd")
	if provider := k.name("authProviderType"); provider != "" && provider != "dynamic_discovery" {
		k.refuseProvider(s, provider)
		return
	}
	oauth, ok := k.object("oauth")
	if !ok {
		return
	}
	s.OAuth = signIn()
	if enabled, there := oauth.flag("enabled"); there {
		s.OAuth["enabled"] = enabled
	}
	for key, field := range map[string]string{
		"clientId": "OAUTH_CLIENT_ID", "clientSecret": "OAUTH_CLIENT_SECRET", "authorizationUrl": "OAUTH_AUTHORIZATION_URL",
		"tokenUrl": "OAUTH_TOKEN_URL", "registrationUrl": "OAUTH_REGISTRATION_URL", "redirectUri": "OAUTH_REDIRECT_URI",
	} {
		oauth.put(s.OAuth, key, field)
	}
	oauth.putScopes(s.OAuth, "scopes")
	if audiences := oauth.texts("audiences"); len(audiences) == 1 {
		s.OAuth["OAUTH_AUDIENCE"] = audiences[0]
	} else {
		oauth.lose("audiences")
	}
	oauth.rest()
}

// refuseProvider leaves out a server whose token bearerd could not get; a program gets none there.
func (k keys) refuseProvider(s *Server, provider string) {
	k.skip("oauth")
	if len(s.Command) > 0 {
		k.lose("authProviderType")
		return
	}
	if provider != "google_credentials" && provider != "service_account_impersonation" {
		provider = "one that is not known"
	}
	if k.wrong == nil {
		k.wrong = fmt.Errorf("authProviderType, %s, gets its token from where bearerd gets none: leave it to Gemini CLI, "+
			"or write a server block with an oauth_config", provider)
	}
}

// Gemini CLI takes url alone for HTTP+SSE in some versions and for both in others; type says it to the latter. It keeps variables
// from a command whose names look secret, unless env has them.
func geminiEntry(l Launch) (map[string]any, error) {
	switch {
	case l.URL == "":
		entry, env := l.stdio(), map[string]string{}
		for _, name := range l.PassEnv {
			env[name] = "$" + name
		}
		if len(env) > 0 {
			entry["env"] = env
		}
		return entry, nil
	case !l.SSE:
		return l.remote("httpUrl"), nil
	}
	entry := l.remote("url")
	entry["type"] = "sse"
	return entry, nil
}
