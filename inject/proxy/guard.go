package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"bearerd/config"
)

// guard decides who may use a server: pages of other sites (Host against DNS rebinding, Origin against cross-site
// requests) and processes without a key may not.
type guard struct {
	server string
	keys   Keys
	local  config.Local
	unix   bool // the socket's mode is the key
}

// refusal says why the request is not let through, or who is: the name inside the local key, "socket" or "anyone". It is
// answered with 403, never 401, which would send an MCP client off to sign in.
func (g *guard) refusal(r *http.Request) (client, why string) {
	if !g.unix && !g.hostAllowed(r.Host) {
		return "", "this Host is not allowed: list it in allow_hosts"
	}
	if slices.ContainsFunc(r.Header["Origin"], func(o string) bool { return o != "" && !g.originAllowed(o) }) {
		return "", "this Origin is not allowed: list it in allow_origins"
	}
	switch {
	case g.unix:
		return "socket", ""
	case g.local.LocalAuth == "none":
		return "anyone", ""
	}
	client, ok := g.keys.client(g.server, r.Header.Get("Authorization"))
	if !ok {
		return "", "a local key is needed as Authorization: Bearer KEY: `bearerd client-config " + g.server + "` prints it"
	}
	return client, ""
}

func (g *guard) hostAllowed(hostport string) bool {
	host := hostname(hostport)
	if slices.ContainsFunc(g.local.AllowHosts, func(a string) bool {
		return strings.EqualFold(a, host) || strings.EqualFold(a, hostport)
	}) {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil && g.local.AllowRemote {
		return true // an address cannot be rebound
	}
	return LoopbackHost(hostport)
}

// LoopbackHost reports whether a Host header names this machine: localhost or a loopback address. Another name in it is
// that of a page whose name has been rebound to us.
func LoopbackHost(hostport string) bool {
	host := hostname(hostport)
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func hostname(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = h
	}
	return strings.Trim(hostport, "[]")
}

func (g *guard) originAllowed(origin string) bool {
	if slices.ContainsFunc(g.local.AllowOrigins, func(a string) bool { return strings.EqualFold(a, origin) }) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	return LoopbackHost(u.Host)
}
