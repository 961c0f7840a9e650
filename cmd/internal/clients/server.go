package clients

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// usual reads an entry of the common form: command, args, env, or the address at one of the keys urls, with headers. The first
// of urls that is there counts.
func (k keys) usual(s *Server, urls ...string) {
	k.stdio(s)
	k.remote(s, urls...)
	k.transport(s, "type", "transport")
	k.oneOf(s)
	k.off(s)
}

// stdio reads how a server is started. A placeholder in args for a variable that the server itself is given is left as it is
// written where the client has no such variable: it is meant for the server, as mcp-remote's are.
func (k keys) stdio(s *Server) {
	s.Command, s.Args, s.Env = k.text("command"), k.texts("args"), k.table("env")
	for _, arg := range s.Args {
		for i := range arg {
			if _, own := s.Env[arg[i].Variable]; own && arg[i].Default == nil {
				written := "${" + arg[i].Variable + "}"
				arg[i].Default = &written
			}
		}
	}
}

func (k keys) remote(s *Server, urls ...string) {
	for _, key := range urls {
		if len(s.URL) > 0 {
			k.lose(key)
			continue
		}
		s.URL = k.text(key)
	}
	s.Headers = k.table("headers")
}

// transport reads what names the transport; where that is none of MCP's two, the server is left out.
func (k keys) transport(s *Server, names ...string) {
	for _, key := range names {
		if !k.has(key) {
			continue
		}
		switch normal(k.name(key)) {
		case "sse":
			s.SSE = true
		case "stdio", "local":
			if len(s.Command) > 0 {
				s.URL = k.without(s.URL, "url")
			}
		case "http", "streamablehttp", "remote":
			if len(s.URL) > 0 {
				s.Command = k.without(s.Command, "command")
			}
		case "ws", "websocket", "inprocess", "sdk":
			k.refuseTransport(key)
		default:
			k.lose(key)
		}
	}
}

func (k keys) refuseTransport(key string) {
	if k.wrong == nil {
		k.wrong = errors.New(k.under + key + " is a transport that bearerd does not speak")
	}
}

// without is no text; one that was there is lost.
func (k keys) without(text Text, key string) Text {
	if len(text) > 0 {
		k.lost = append(k.lost, k.under+key)
	}
	return nil
}

// refuseHelper leaves out a server whose headers a program gives: bearerd has none to run, so it would stop to work. One whose
// program is `bearerd headers` uses bearerd already, which is told by its address.
func (k keys) refuseHelper(key string) {
	if k.has(key) && k.wrong == nil && !ownHelper.MatchString(fmt.Sprint(k.values[key])) {
		k.wrong = errors.New(k.under + key + " is a program that gives its headers, which bearerd does not run: " +
			"write the header into the file as it is, or as a variable, or remove the program and sign in, and import again")
	}
	k.skip(key)
}

var ownHelper = regexp.MustCompile(`(?i)\bbearerd(\.exe)?\b.*\bheaders\b`)

func normal(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// oneOf decides for a server that has both a command and an address: the command, unless the older transport was named. What
// belongs to the other is lost.
func (k keys) oneOf(s *Server) {
	if len(s.Command) > 0 && len(s.URL) > 0 {
		if s.SSE {
			s.Command = k.without(s.Command, "command")
		} else {
			s.URL = k.without(s.URL, "url")
		}
	}
	if len(s.Command) > 0 {
		if len(s.Headers) > 0 {
			k.lose("headers")
		}
		s.Headers, s.SSE = nil, false
		return
	}
	if len(s.Args) > 0 {
		k.lose("args")
	}
	if len(s.Env) > 0 {
		k.lose("env")
	}
	if len(s.EnvFile) > 0 {
		k.lose("envFile")
	}
	s.Args, s.Env, s.EnvFile = nil, nil, nil
}

// ahead reports whether a header goes before all sign-in; what the keys say of that is left out, and told.
func (k keys) ahead(s *Server, names ...string) bool {
	header := func(name string) bool { return strings.EqualFold(name, "Authorization") }
	if !slices.ContainsFunc(slices.Collect(maps.Keys(s.Headers)), header) {
		return false
	}
	k.skip(names...)
	if names = slices.DeleteFunc(names, func(key string) bool { return empty(k.values[key]) }); len(names) > 0 {
		k.said = append(k.said, "its Authorization header goes before a sign-in: left out is "+strings.Join(names, ", "))
	}
	return true
}

// idleFolder tells of a working directory that the client itself does not heed.
func (k keys) idleFolder(s *Server, title string) {
	if len(s.Command) == 0 || empty(k.values["cwd"]) {
		return
	}
	k.skip("cwd")
	k.said = append(k.said, "cwd is not heeded by "+title+": write `dir` into the server's block if it is wanted")
}

// off reads the two ways in which clients switch a server off.
func (k keys) off(s *Server) {
	disabled, _ := k.flag("disabled")
	enabled, there := k.flag("enabled")
	s.Off = s.Off || disabled || there && !enabled
}
