package clients

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrNeedsCommand tells that a client cannot reach a Launch by its URL, but could start a command.
var ErrNeedsCommand = errors.New("it needs the stdio form")

// expands is what a client replaces in all texts of its file; there is no way to write it so that it stays.
var expands = map[string]*regexp.Regexp{
	"claude-code": regexp.MustCompile(`\$\{`),
	"cursor":      regexp.MustCompile(`\$\{`),
	"vscode":      regexp.MustCompile(`\$\{`),
	"windsurf":    regexp.MustCompile(`\$\{`),
	"gemini":      regexp.MustCompile(`\$[{A-Za-z_]`),
}

// launch is the entry for l, once it is known that the client takes it as it is meant.
func (f *Format) launch(l Launch) (map[string]any, error) {
	if l.Helper != "" && f.Name != claudeCodeName {
		return nil, fmt.Errorf("%s runs no command for headers: only Claude Code does", f.Title)
	}
	for _, text := range append([]string{l.Command, l.URL, l.Socket}, l.Args...) {
		if mark := expands[f.Name]; mark != nil && mark.MatchString(text) {
			return nil, fmt.Errorf("%s would replace the variable in %q: use a path without $", f.Title, text)
		}
	}
	if l.URL == "" {
		return f.entry(l)
	}
	if l.Socket != "" && f.Name != vscodeName {
		return nil, fmt.Errorf("%s cannot reach a unix socket: %w", f.Title, ErrNeedsCommand)
	}
	return f.entry(l)
}

// The clients that can do something of their own.
const (
	claudeCodeName = "claude-code"
	vscodeName     = "vscode"
)

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

func claudeDesktopEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return nil, fmt.Errorf("the file of Claude Desktop takes no address: %w", ErrNeedsCommand)
	}
	return l.stdio(), nil
}

func claudeCodeEntry(l Launch) (map[string]any, error) {
	entry := l.stdio()
	if l.URL != "" {
		entry = l.remote("url")
	}
	if l.URL != "" && l.Helper != "" {
		delete(entry, "headers")
		entry["headersHelper"] = l.Helper
	}
	entry["type"] = l.transport()
	return entry, nil
}

// Cursor finds out by itself which of the two HTTP transports it is.
func cursorEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return l.remote("url"), nil
	}
	entry := l.stdio()
	entry["type"] = "stdio"
	return entry, nil
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

func windsurfEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return l.remote("serverUrl"), nil
	}
	return l.stdio(), nil
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

func codexEntry(l Launch) (map[string]any, error) {
	switch {
	case l.SSE:
		return nil, fmt.Errorf("the older HTTP+SSE transport is unknown to Codex: %w", ErrNeedsCommand)
	case l.URL == "":
		return l.stdio(), nil
	}
	entry := map[string]any{"url": l.URL}
	if len(l.Headers) > 0 {
		entry["http_headers"] = l.Headers
	}
	return entry, nil
}

// Gemini CLI takes url alone for HTTP+SSE in some versions and for both in others; type says it to the latter.
func geminiEntry(l Launch) (map[string]any, error) {
	switch {
	case l.URL == "":
		return l.stdio(), nil
	case !l.SSE:
		return l.remote("httpUrl"), nil
	}
	entry := l.remote("url")
	entry["type"] = "sse"
	return entry, nil
}

// Bifrost takes no tool of a server unless it is told to.
func bifrostEntry(l Launch) (map[string]any, error) {
	entry := map[string]any{"name": bifrostServer(l.Server), "connection_type": l.transport(), "auth_type": "none",
		"tools_to_execute": []string{"*"}}
	if l.URL == "" {
		stdio := l.stdio()
		stdio["envs"] = []string{}
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
