package clients

import (
	"errors"
	"fmt"
)

var zed = &Format{
	Name: "zed", Title: "Zed",
	owns:    ownsZed,
	read:    readZed,
	entry:   zedEntry,
	in:      []string{"context_servers"},
	drop:    []string{"command", "args", "env", "url", "headers", "oauth"},
	where:   "~/.config/zed/settings.json, or .zed/settings.json of a project",
	windows: `%APPDATA%\Zed\settings.json, or .zed\settings.json of a project`,
}

func ownsZed(path string, doc map[string]any) bool {
	if path == "" {
		return object(doc, "context_servers") != nil
	}
	return ends(path, "zed/settings.json", ".zed/settings.json")
}

// readZed reads settings.json. A server that an extension brings has settings and no command: it is told as left out.
func readZed(doc map[string]any) (*File, error) {
	file := &File{}
	return file, file.each([]string{"context_servers"}, doc["context_servers"], func(k keys, s *Server) {
		if k.name("source") == "extension" || k.has("settings") && !k.has("command") && !k.has("url") {
			k.wrong = errors.New("an extension of Zed starts it, so the file has no command")
			return
		}
		inner, nested := k, false
		if _, nested = k.values["command"].(map[string]any); nested {
			inner, _ = k.object("command")
			s.Command, s.Args, s.Env = inner.text("path"), inner.texts("args"), inner.table("env")
			inner.skip("path")
			inner.rest()
		} else {
			k.stdio(s)
		}
		k.remote(s, "url")
		k.oneOf(s)
		k.off(s)
		k.idleFolder(s, "Zed")
		if oauth, ok := k.object("oauth"); ok && !k.ahead(s, "oauth") {
			s.OAuth = signIn()
			oauth.put(s.OAuth, "client_id", "OAUTH_CLIENT_ID")
			oauth.put(s.OAuth, "client_secret", "OAUTH_CLIENT_SECRET")
			oauth.rest()
		}
	})
}

func zedEntry(l Launch) (map[string]any, error) {
	switch {
	case l.SSE:
		return nil, fmt.Errorf("the older HTTP+SSE transport is unknown to Zed: %w", ErrNeedsCommand)
	case l.URL != "":
		return l.remote("url"), nil
	}
	return l.stdio(), nil
}
