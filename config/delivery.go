package config

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// Delivery says how the server gets its token, and which rule decided. A server whose oauth_config is missing or not
// enabled gets no token, whatever the delivery.
//
// The guide's rule (any npx, any http URL among the arguments is remote) breaks local servers, so only the mcp-remote
// package itself and curl are taken for remote.
func (s *Server) Delivery() (d Delivery, why string) {
	switch {
	case s.URL != "":
		return DeliverHTTP, "url is set"
	case s.OAuth != nil && s.OAuth.IsRemote != nil && *s.OAuth.IsRemote:
		return DeliverArguments, "is_remote = true"
	case s.OAuth != nil && s.OAuth.IsRemote != nil:
		return DeliverEnv, "is_remote = false"
	}
	if program := s.RemoteProgram(); program != "" {
		return DeliverArguments, "command runs " + program
	}
	return DeliverEnv, "command is a local server: neither the mcp-remote package nor curl"
}

// URLArgument is the index in Args of the one URL that is_remote and mcp-remote are about: the first http or https URL
// after the package; for curl, the one address; -1 when there is none.
func (s *Server) URLArgument() int {
	if programName(s.Command) == "curl" {
		urls, _ := curlURLs(s.Args)
		if len(urls) != 1 || !isHTTP(s.Args[urls[0]]) {
			return -1
		}
		return urls[0]
	}
	from := max(s.packageArgument(), 0)
	for i := from; i < len(s.Args); i++ {
		if isHTTP(s.Args[i]) {
			return i
		}
	}
	return -1
}

// Origin is where the token goes, as SCHEME://HOST: the origin of the url, or of the URL among the arguments of a remote
// program. A plain child has none, "": new arguments give it no right to another token.
func (s *Server) Origin() string {
	u, err := url.Parse(s.upstream())
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// upstream is the url, or the URL among the arguments of a remote program; "": a plain child has none.
func (s *Server) upstream() string {
	if delivery, _ := s.Delivery(); delivery == DeliverArguments {
		if at := s.URLArgument(); at >= 0 {
			return s.Args[at]
		}
	}
	return s.URL
}

// RemoteProgram names the program that reaches a remote server by itself: "mcp-remote", "curl", or "" when the command
// is none that we know.
func (s *Server) RemoteProgram() string {
	switch {
	case programName(s.Command) == "curl":
		return "curl"
	case isMCPRemote(s.Command), s.packageArgument() >= 0:
		return "mcp-remote"
	}
	return ""
}

// runners run a package or a script named by their first argument that is no flag; before it some want a verb.
var runners = map[string][]string{
	"npx": nil, "bunx": nil, "pnpx": nil, "node": nil, "nodejs": nil,
	"npm": {"exec", "x"}, "pnpm": {"dlx", "exec"}, "yarn": {"dlx", "exec"}, "bun": {"x", "run"}, "deno": {"run"},
}

// valueFlags are the flags of runners that take the next argument as their value.
var valueFlags = []string{
	"-p", "--package", "-c", "--call", "--registry", "--cache", "-w", "--workspace", "--userconfig", "--prefix", "-C",
	"-r", "--require", "--import", "--loader", "--experimental-loader", "--env-file", "--title",
}

// packageArgument is the index in Args of the mcp-remote package that a runner runs, or -1. A name elsewhere among the
// arguments says nothing: it may be a folder that a local server works on.
func (s *Server) packageArgument() int {
	verbs, ok := runners[programName(s.Command)]
	if !ok {
		return -1
	}
	for i := 0; i < len(s.Args); i++ {
		arg := s.Args[i]
		switch {
		case slices.Contains(valueFlags, arg):
			i++
		case strings.HasPrefix(arg, "-"):
		case len(verbs) > 0 && slices.Contains(verbs, arg):
			verbs = nil
		case isMCPRemote(arg):
			return i
		default:
			return -1
		}
	}
	return -1
}

// isMCPRemote reports whether a word names the package: mcp-remote, mcp-remote@1.2, or a path to it or into it.
func isMCPRemote(word string) bool {
	parts := strings.Split(strings.ToLower(strings.ReplaceAll(word, `\`, "/")), "/")
	if len(parts) == 2 && strings.HasPrefix(parts[0], "@") {
		return false // another package with a scope
	}
	last := parts[len(parts)-1]
	if name, _, _ := strings.Cut(last, "@"); trimExe(name) == "mcp-remote" {
		return true
	}
	for i, part := range parts[:len(parts)-1] {
		if part == "mcp-remote" && (parts[i+1] == "dist" || i > 0 && parts[i-1] == "node_modules") {
			return true
		}
	}
	return false
}

// programName is the program's base name in lower case.
func programName(command string) string {
	return trimExe(strings.ToLower(path.Base(strings.ReplaceAll(command, `\`, "/"))))
}

func trimExe(name string) string {
	for _, ext := range []string{".exe", ".cmd", ".ps1"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}

func isHTTP(s string) bool {
	s = strings.ToLower(s)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}
