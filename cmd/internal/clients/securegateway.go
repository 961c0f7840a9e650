package clients

import (
	"maps"
	"slices"
)

var secureGateway = &Format{
	Name: "secure-mcp-gateway", Title: "Secure MCP Gateway",
	owns:  ownsSecureGateway,
	read:  readSecureGateway,
	entry: secureGatewayEntry,
	in:    []string{"mcp_config"},
	drop:  []string{"config", "oauth_config", "mcp_oauth"},
	where: "~/.enkrypt/enkrypt_mcp_config.json, among mcp_configs",
	list:  true,
}

func ownsSecureGateway(path string, doc map[string]any) bool {
	if path != "" {
		return ends(path, "enkrypt_mcp_config.json", "example_enkrypt_mcp_config.json")
	}
	return object(doc, "mcp_configs") != nil || object(doc, "gateways") != nil || doc["mcp_config"] != nil ||
		doc["oauth_config"] != nil || doc["server_name"] != nil && object(doc, "config") != nil
}

// readSecureGateway reads the servers of all configurations of the file, of one of them alone, or a single server as the
// guide of the gateway shows it.
func readSecureGateway(doc map[string]any) (*File, error) {
	file := &File{}
	if doc["local_server_overrides"] != nil {
		file.Lost = append(file.Lost, "local_server_overrides")
	}
	if doc["oauth_config"] != nil || doc["server_name"] != nil {
		return file, file.single(doc)
	}
	if err := file.list([]string{"mcp_config"}, doc["mcp_config"], "server_name", readGatewayServer); err != nil {
		return nil, err
	}
	for _, group := range []string{"mcp_configs", "gateways"} {
		configs := object(doc, group)
		for _, id := range slices.Sorted(maps.Keys(configs)) {
			one, _ := configs[id].(map[string]any)
			if err := file.list([]string{group, id, "mcp_config"}, one["mcp_config"], "server_name", readGatewayServer); err != nil {
				return nil, err
			}
		}
	}
	return file, nil
}

// single reads a file that is one server.
func (f *File) single(doc map[string]any) error {
	name, _ := doc["server_name"].(string)
	if name == "" {
		name = "server"
	}
	if doc["config"] == nil {
		f.Lost = append(f.Lost, "oauth_config: no server stands with it; it can be put into a server block as it is")
		return nil
	}
	f.one(Server{Name: name}, doc, func(k keys, s *Server) {
		k.skip("server_name")
		readGatewayServer(k, s)
	})
	return nil
}

// readGatewayServer reads texts as they are: the gateway puts nothing in.
func readGatewayServer(k keys, s *Server) {
	if how, ok := k.object("config"); ok {
		how.usual(s, "url")
		s.Dir = how.text("cwd")
		how.rest()
	}
	if oauth, ok := k.object("oauth_config"); ok {
		s.OAuth = oauth.documented()
	}
	k.off(s)
}

func secureGatewayEntry(l Launch) (map[string]any, error) {
	entry := map[string]any{"server_name": l.Server}
	if l.URL == "" {
		entry["config"] = l.stdio()
		return entry, nil
	}
	config := l.remote("url")
	config["transport"] = "streamable_http"
	if l.SSE {
		config["transport"] = "sse"
	}
	entry["config"] = config
	return entry, nil
}
