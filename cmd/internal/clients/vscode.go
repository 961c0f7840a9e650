package clients

import (
	"regexp"
	"strings"
)

var vscode = &Format{
	Name: "vscode", Title: "VS Code", Also: "vs-code",
	owns:    ownsVSCode,
	read:    readVSCode,
	entry:   vscodeEntry,
	in:      []string{"servers"},
	drop:    []string{"type", "command", "args", "env", "envFile", "cwd", "url", "headers", "oauth"},
	where:   ".vscode/mcp.json of a project, or DATA/Code/User/mcp.json",
	expands: braced,
	socket:  true,
}

func ownsVSCode(path string, doc map[string]any) bool {
	if path == "" {
		return object(doc, "servers") != nil || object(doc, "mcp", "servers") != nil
	}
	return ends(path, ".vscode/mcp.json", ".vscode/settings.json") || profile.MatchString(path)
}

// profile are the files of a user's profile: of VS Code, of its builds by others, and on a remote host.
var profile = regexp.MustCompile(
	`/(code|code - insiders|code - oss|vscodium|\.vscode-server/data|\.vscode-remote/data)/user/(profiles/[^/]+/)?(mcp|settings)\.json$`)

// readVSCode reads mcp.json, or the "mcp" of settings.json, with the inputs that stand beside the servers. Some files have
// them in mcpServers, as other clients want it.
func readVSCode(doc map[string]any) (*File, error) {
	file, at, table := &File{}, []string{}, "servers"
	if mcp := object(doc, "mcp"); mcp != nil && doc["servers"] == nil {
		doc, at = mcp, []string{"mcp"}
	}
	if doc["servers"] == nil && doc["mcpServers"] != nil {
		table = "mcpServers"
	}
	inputs := inputsOf(doc["inputs"])
	return file, file.each(append(at, table), doc[table], func(k keys, s *Server) {
		k.expand = func(text string) Text {
			return braces(text, func(name string) (Part, bool) {
				if id, ok := strings.CutPrefix(name, "input:"); ok {
					return Part{Input: inputs(id)}, id != ""
				}
				return editorVariable(name)
			})
		}
		s.EnvFile = k.text("envFile")
		k.usual(s, "url")
		s.Dir = k.text("cwd")
		k.skip("gallery", "version")
		if oauth, ok := k.object("oauth"); ok && !k.ahead(s, "oauth") {
			s.OAuth = signIn()
			oauth.put(s.OAuth, "clientId", "OAUTH_CLIENT_ID")
			oauth.rest()
		}
	})
}

// inputsOf finds the input of an ID. One that the file does not have is asked for by its ID alone.
func inputsOf(list any) func(id string) *Input {
	known := map[string]*Input{}
	items, _ := list.([]any)
	for _, item := range items {
		input, _ := item.(map[string]any)
		id, _ := input["id"].(string)
		if id == "" {
			continue
		}
		description, _ := input["description"].(string)
		secret, _ := input["password"].(bool)
		fallback, _ := scalar(input["default"])
		if command, ok := input["command"].(string); ok {
			description, secret = "what the command "+command+" gives", true
		}
		known[id] = &Input{ID: id, Description: strings.TrimPrefix(description+choices(input["options"]), "; "), Secret: secret, Default: fallback}
	}
	return func(id string) *Input {
		if known[id] == nil {
			known[id] = &Input{ID: id}
		}
		return known[id]
	}
}

// choices are the options of a pickString, to be said to the person.
func choices(list any) string {
	var all []string
	options, _ := list.([]any)
	for _, option := range options {
		if labelled, ok := option.(map[string]any); ok {
			option = labelled["value"]
		}
		if text, ok := scalar(option); ok {
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; one of " + strings.Join(all, ", ")
}

// VS Code takes unix:///SOCKET#/PATH for an address.
func vscodeEntry(l Launch) (map[string]any, error) {
	entry := l.stdio()
	if l.URL != "" {
		entry = l.remote("url")
	}
	if l.Socket != "" {
		_, path, _ := strings.Cut(strings.TrimPrefix(l.URL, "http://"), "/")
		entry["url"] = "unix://" + l.Socket + "#/" + path
	}
	entry["type"] = l.transport()
	return entry, nil
}
