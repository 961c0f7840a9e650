package stdio

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"bearerd/config"
	"bearerd/secrets"
)

// The header argument has no space after the colon, as some clients and npx on Windows cut arguments there.
const (
	headerVar = "BEARERD_AUTHORIZATION"
	headerArg = "Authorization:${" + headerVar + "}"
)

// ViaProxy reports, of a server whose delivery is arguments, whether they are to point at a local proxy, whose URL and key
// ByArguments then wants. Otherwise ByArguments wants the token itself: with via = "header", and for curl, which ends
// before its token does.
func ViaProxy(s *config.Server) bool {
	return authorized(s) && s.Via != "header" && s.RemoteProgram() != curlProgram
}

// ByArguments prepares a child that reaches a remote server by itself, such as mcp-remote. See ByEnv for declared, parent
// and errors.
//
// With ViaProxy, proxyURL replaces the URL argument and token is the key of that proxy. Without, proxyURL is ignored, the
// URL stays and token is the access token. Both travel as `--header Authorization:${BEARERD_AUTHORIZATION}`, the value in
// the environment, where mcp-remote expands it after it has hashed its arguments: so its identity stays, too. Another
// program with is_remote = true is given the same argument, as the guide documents it; a key within the URL would be one
// for every user of the host to read. curl expands nothing and gets `--header @FILE`, a file of mode 0600.
func ByArguments(s *config.Server, proxyURL string, token secrets.Secret, declared map[string]secrets.Secret,
	parent []string) (*Launch, error) {
	if !authorized(s) {
		return launch(s, s.Args, secrets.Secret{}, nil, declared, parent)
	}
	if err := checkToken(s, token); err != nil {
		return nil, err
	}
	if s.RemoteProgram() == curlProgram {
		return curl(s, token, declared, parent)
	}
	args, err := rewrite(s, proxyURL)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", s.Name, err)
	}
	return launch(s, args, token, map[string]secrets.Secret{headerVar: bearer(token)}, declared, parent)
}

// rewrite points the URL argument at the proxy, if it is wanted, and adds the header.
func rewrite(s *config.Server, proxyURL string) ([]string, error) {
	at := s.URLArgument()
	if at < 0 {
		return nil, errors.New("args hold no http or https URL to send the token to: add it")
	}
	args := slices.Clone(s.Args)
	if ViaProxy(s) {
		if _, container := containerRun(s.Command, args); container && !hostNetwork(args) {
			return nil, errors.New(`a container cannot reach the local proxy: ` +
				`add "--network=host" to args or set via = "header"`)
		}
		args[at] = proxyURL
	}
	args = append(args, "--header", headerArg)
	if s.RemoteProgram() == "mcp-remote" && needsAllowHTTP(args[at]) && !slices.Contains(args, "--allow-http") {
		args = append(args, "--allow-http")
	}
	return args, nil
}

// needsAllowHTTP is mcp-remote's rule: plain http is for these two hosts only, [::1] is none of them.
func needsAllowHTTP(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1"
}
