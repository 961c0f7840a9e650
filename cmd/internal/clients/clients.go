// Package clients knows the files in which MCP clients and gateways keep their servers: what is in them, and what a client
// has to write there to use bearerd. One file for each format. It touches no disk and no network, resolves no variable and
// no secret, and knows nothing of bearerd's configuration but the names of an oauth_config.
package clients

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Format is one kind of file.
type Format struct {
	Name  string // as in `client-config --for`
	Title string // what people call the client
	Also  string // another name that `--for` takes; "": none
	// Helper is the key of an entry that names a command which prints headers; "": the client runs none.
	Helper string

	// owns reports whether a file is of this format, by its path and its decoded JSON or TOML.
	owns func(path string, doc map[string]any) bool
	// read takes the servers out of the decoded file.
	read func(doc map[string]any) (*File, error)
	// entry is what stands for a server in the file: the value at its name.
	entry func(l Launch) (map[string]any, error)
	// drop are the keys of an entry that say how its server is reached; Rewrite replaces them and keeps all others.
	drop []string
	// in are the keys that lead to the servers, for a snippet that is shown; list tells that they are a list, not a table.
	in   []string
	list bool
	// toml tells that the file is TOML; else it is JSON, with comments and trailing commas accepted.
	toml bool
	// where is the file for people to read: ~ is the home folder, DATA that of programs' data. windows: there, if it differs.
	where, windows string
	// expands is what the client replaces in all texts of its file; there is no way to write it so that it stays. nil: nothing.
	expands *regexp.Regexp
	// socket tells that the client reaches a unix socket.
	socket bool
}

// File is what a file says.
type File struct {
	Format  *Format
	Servers []Server
	Lost    []string // what it says of all of them that bearerd has no place for, in words that hold no value
}

// Server is what a file says of one MCP server.
type Server struct {
	Name    string
	At      []string // the keys that lead to it in the file; an index of a list in decimal; none: the file is its entry
	Command Text     // with Args: a stdio server
	Args    []Text
	Env     map[string]Text
	EnvFile Text     // a file of further variables; those of Env go before them
	PassEnv []string // names of variables that it gets as they are
	Dir     Text     // working directory
	URL     Text     // a remote server
	SSE     bool     // the older HTTP+SSE transport was named
	Headers map[string]Text
	OAuth   map[string]any // an oauth_config: documented names; Text, bool, json.Number, []Text or map[string]Text. nil: none
	Off     bool           // it is switched off there
	Lost    []string       // as in File, of this one
	Said    []string       // what else a person should know of it; holds no value
}

// Text is a value, with the places where its client would put something in. nil: there is none; without parts: it is empty.
type Text []Part

// Part is one piece of a Text: exactly one of Literal, Variable, Input, Path and Other is set.
type Part struct {
	Literal  string
	Variable string  // an environment variable
	Default  *string // what stands for Variable where it is not set; nil: nothing does
	Input    *Input  // what the client asks a person for
	Path     string  // the contents of a file
	Other    string  // what only the client knows, such as workspaceFolder
}

// Input is a value that a client asks a person for (VS Code).
type Input struct {
	ID, Description string
	Secret          bool // it is not shown while it is typed
	Default         string
}

// Plain is the text, if nothing is to be put into it.
func (t Text) Plain() (text string, ok bool) {
	var b strings.Builder
	for _, p := range t {
		if p.Variable != "" || p.Input != nil || p.Path != "" || p.Other != "" {
			return "", false
		}
		b.WriteString(p.Literal)
	}
	return b.String(), true
}

// Launch is how a client reaches a server through bearerd: by Command, or at URL.
type Launch struct {
	Server  string
	Command string
	Args    []string
	PassEnv []string // names of variables that Command needs; most clients give it all that they have themselves
	URL     string
	SSE     bool
	Socket  string // the unix socket behind URL; "": TCP
	Headers map[string]string
	Helper  string // a shell command that prints Headers as a JSON object, in their place (Format.Helper)
}

// Formats are all that are known, in the order in which they are told.
func Formats() []*Format {
	return []*Format{claudeDesktop, claudeCode, cursor, vscode, windsurf, zed, codex, gemini, bifrost, secureGateway}
}

// Named is the format of a name that Formats has.
func Named(name string) (*Format, error) {
	var names []string
	for _, f := range Formats() {
		if name != "" && (name == f.Name || name == f.Also) {
			return f, nil
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("there is no client %q: use one of %s", name, strings.Join(names, ", "))
}
