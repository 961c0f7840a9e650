package clients

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNeedsCommand tells that a client cannot reach a Launch by its URL, but could start a command.
var ErrNeedsCommand = errors.New("it needs the stdio form")

// launch is the entry for l, once it is known that the client takes it as it is meant.
func (f *Format) launch(l Launch) (map[string]any, error) {
	if l.Helper != "" && f.Helper == "" {
		return nil, fmt.Errorf("%s runs no command for headers", f.Title)
	}
	for _, text := range append([]string{l.Command, l.URL, l.Socket}, l.Args...) {
		if f.expands != nil && f.expands.MatchString(text) {
			return nil, fmt.Errorf("%s would replace the variable in %q: use a path without $", f.Title, text)
		}
	}
	if l.URL != "" && l.Socket != "" && !f.socket {
		return nil, fmt.Errorf("%s cannot reach a unix socket: %w", f.Title, ErrNeedsCommand)
	}
	return f.entry(l)
}

// stdio is what most clients need to start a command.
func (l Launch) stdio() map[string]any {
	return map[string]any{"command": l.Command, "args": append([]string{}, l.Args...)}
}

// remote is what most clients need to reach a URL; address is their name for it.
func (l Launch) remote(address string) map[string]any {
	entry := map[string]any{address: l.URL}
	if len(l.Headers) > 0 {
		entry["headers"] = l.Headers
	}
	return entry
}

func (l Launch) transport() string {
	switch {
	case l.URL == "":
		return "stdio"
	case l.SSE:
		return "sse"
	}
	return "http"
}

// Codex starts a command with a few variables and those that env_vars names.
func codexEntry(l Launch) (map[string]any, error) {
	switch {
	case l.SSE:
		return nil, fmt.Errorf("the older HTTP+SSE transport is unknown to Codex: %w", ErrNeedsCommand)
	case l.URL == "":
		entry := l.stdio()
		if len(l.PassEnv) > 0 {
			entry["env_vars"] = l.PassEnv
		}
		return entry, nil
	}
	entry := map[string]any{"url": l.URL}
	switch {
	case l.Helper != "":
		entry["http_headers_helper"] = l.Helper
	case len(l.Headers) > 0:
		entry["http_headers"] = l.Headers
	}
	return entry, nil
}

// Bifrost takes no tool of a server unless it is told to. It starts no command for which one of envs is not set.
func bifrostEntry(l Launch) (map[string]any, error) {
	entry := map[string]any{"name": bifrostServer(l.Server), "connection_type": l.transport(), "auth_type": "none",
		"tools_to_execute": []string{"*"}}
	if l.URL == "" {
		stdio := l.stdio()
		stdio["envs"] = append([]string{}, l.PassEnv...)
		entry["stdio_config"] = stdio
		return entry, nil
	}
	entry["connection_string"] = l.URL
	if len(l.Headers) > 0 {
		entry["auth_type"], entry["headers"] = "headers", l.Headers
	}
	return entry, nil
}

// bifrostServer is the nearest name that Bifrost takes: no hyphen, and no digit in front.
func bifrostServer(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}
