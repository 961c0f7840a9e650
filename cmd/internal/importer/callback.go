package importer

import (
	"net"
	"net/url"
	"path"
	"runtime"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
)

// callback is where mcp-remote has a browser sent back to, as far as its arguments say.
type callback struct {
	host, port, path string
	registered       []string // the addresses that are registered for its client
}

// redirect gives a client of its own the address that mcp-remote would name for it, which may be the only one that is registered.
func (b *bridge) redirect() {
	at := b.callback
	_, id := b.oauth["OAUTH_CLIENT_ID"]
	_, document := b.oauth["OAUTH_CLIENT_METADATA_URL"]
	_, machine := b.oauth["OAUTH_GRANT_TYPE"]
	address := ""
	switch {
	case machine:
		return
	case !id && !document:
		if at.host+at.port+at.path != "" || len(at.registered) > 0 {
			b.note("the address of mcp-remote's callback is not taken over: bearerd registers a client with its own")
		}
		return
	case at.port != "":
		address = at.address()
	case len(at.registered) > 0:
		address = at.registered[0]
	}
	u, err := url.Parse(address)
	switch {
	case address == "":
		b.note("mcp-remote chose the port of its callback by itself: register %s for the client, or write another OAUTH_REDIRECT_URI",
			config.DefaultRedirect)
	case err != nil || u.Scheme == "http" && (u.Port() == "" || !loopback(u.Hostname())):
		b.note("the address of mcp-remote's callback is not taken over, as it is none on loopback with a port: write OAUTH_REDIRECT_URI")
	default:
		b.oauth["OAUTH_REDIRECT_URI"] = clients.Text{{Literal: address}}
	}
}

// address is the one that mcp-remote 0.15 listens at.
func (c callback) address() string {
	if c.host == "" {
		if c.host = "localhost"; runtime.GOOS == "windows" {
			c.host = "127.0.0.1"
		}
	}
	if c.path == "" {
		c.path = "/oauth/callback"
	}
	return "http://" + net.JoinHostPort(strings.Trim(c.host, "[]"), c.port) + "/" + strings.TrimPrefix(c.path, "/")
}

// unwrapped is what Windows' cmd /c runs, or the command as it is. from is where its arguments begin among words.
func unwrapped(command string, words []string) (program string, from int) {
	base := strings.ToLower(path.Base(strings.ReplaceAll(command, `\`, "/")))
	if base != "cmd" && base != "cmd.exe" {
		return command, 0
	}
	for i, word := range words[:max(len(words)-1, 0)] {
		switch {
		case strings.EqualFold(word, "/c"):
			return words[i+1], i + 2
		case !strings.HasPrefix(word, "/"):
			return command, 0
		}
	}
	return command, 0
}
