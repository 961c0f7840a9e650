package clients

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

var bifrost = &Format{
	Name: "bifrost", Title: "Bifrost",
	owns:  ownsBifrost,
	read:  readBifrost,
	entry: bifrostEntry,
	in:    []string{"mcp", "client_configs"},
	drop:  []string{"connection_type", "connection_string", "stdio_config", "auth_type", "oauth_config", "headers"},
	where: "config.json of Bifrost",
	list:  true,
}

func ownsBifrost(path string, doc map[string]any) bool {
	return path == "" && object(doc, "mcp")["client_configs"] != nil
}

func readBifrost(doc map[string]any) (*File, error) {
	file, mcp := &File{}, object(doc, "mcp")
	for _, key := range slices.Sorted(maps.Keys(mcp)) {
		if key != "client_configs" && !empty(mcp[key]) {
			file.Lost = append(file.Lost, "mcp."+key)
		}
	}
	return file, file.list([]string{"mcp", "client_configs"}, mcp["client_configs"], "name", readBifrostServer)
}

func readBifrostServer(k keys, s *Server) {
	k.skip("client_id", "id", "state")
	if stdio, ok := k.object("stdio_config"); ok {
		s.Command, s.Args, s.PassEnv = stdio.text("command"), stdio.texts("args"), stdio.passed("envs")
		stdio.rest()
	}
	k.references("connection_string")
	k.expand = reference
	s.URL, s.Headers = k.text("connection_string"), k.bifrostHeaders()
	k.transport(s, "connection_type")
	k.oneOf(s)
	k.off(s)
	bifrostAuth(k, s)
}

// reference reads "env.VAR", and "vault.path", which only Bifrost can resolve.
func reference(text string) Text {
	if name, ok := strings.CutPrefix(text, "env."); ok && variable.MatchString(name) {
		return Text{{Variable: name}}
	}
	if strings.HasPrefix(text, "vault.") {
		return Text{{Other: text}}
	}
	return literal(text)
}

// references turns the long form of values, {value, env_var, from_env}, into the short one.
func (k keys) references(names ...string) {
	for _, key := range names {
		long, ok := k.values[key].(map[string]any)
		if !ok {
			continue
		}
		short := long["value"]
		if name, _ := long["env_var"].(string); name != "" && (long["from_env"] == true || short == nil || short == "") {
			short = "env." + strings.TrimPrefix(name, "env.")
		}
		k.values[key] = short
	}
}

func (k keys) bifrostHeaders() map[string]Text {
	if headers, ok := k.object("headers"); ok {
		headers.references(slices.Collect(maps.Keys(headers.values))...)
	}
	return k.table("headers")
}

// refusePerUser leaves out a server that knows the users apart: behind bearerd all would be the same one.
func (k keys) refusePerUser() {
	if k.wrong == nil {
		k.wrong = errors.New("each user of Bifrost signs in there (auth_type), and bearerd has one token for all: leave it to Bifrost, " +
			"or write a server block with an account that all may use")
	}
	k.skip("oauth_config")
}

func bifrostAuth(k keys, s *Server) {
	switch normal(k.name("auth_type")) {
	case "", "headers":
		return
	case "none":
		if s.Headers != nil {
			k.lose("headers")
		}
		s.Headers = nil
		return
	case "peruseroauth", "peruserheaders":
		k.refusePerUser()
		return
	case "oauth":
	default:
		k.lose("auth_type")
		return
	}
	s.OAuth = signIn()
	oauth, ok := k.object("oauth_config")
	if !ok {
		return
	}
	oauth.references("client_id", "client_secret")
	for key, field := range map[string]string{
		"client_id": "OAUTH_CLIENT_ID", "client_secret": "OAUTH_CLIENT_SECRET", "authorize_url": "OAUTH_AUTHORIZATION_URL",
		"token_url": "OAUTH_TOKEN_URL", "registration_url": "OAUTH_REGISTRATION_URL", "server_url": "OAUTH_SERVER_URL",
		"redirect_uri": "OAUTH_REDIRECT_URI", "resource": "OAUTH_RESOURCE",
	} {
		oauth.put(s.OAuth, key, field)
	}
	oauth.putScopes(s.OAuth, "scopes")
	if pkce, there := oauth.flag("use_pkce"); there {
		s.OAuth["OAUTH_USE_PKCE"] = pkce
	}
	oauth.rest()
}
