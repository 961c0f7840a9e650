package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/inject/peer"
	"bearerd/secrets"
)

// guard decides who may use a server: pages of other sites (Host against DNS rebinding, Origin against cross-site
// requests) and processes without a key may not. It allocates nothing for a request that is let through.
type guard struct {
	server string
	keys   Keys
	known  known
	local  config.Local
	unix   bool // the kernel tells who calls
}

// caller is what a request shows of who has made it.
type caller struct {
	host          string
	origins       []string   // each Origin header
	authorization string     // the first Authorization header
	peer          *peer.User // of a unix socket; nil: not known
	conn          *conn      // nil: none of a front
}

func callerOf(r *http.Request) caller {
	c := caller{host: r.Host, origins: r.Header["Origin"], authorization: r.Header.Get("Authorization")}
	if c.conn = connOf(r.Context()); c.conn != nil {
		c.peer = c.conn.peer
	}
	return c
}

// refusal says why the request is not let through, or who is: the name inside the local key, "socket" or "anyone". It is
// answered with 403, never 401, which would send an MCP client off to sign in.
func (g *guard) refusal(c caller) (client, why string) {
	if !g.unix && !g.hostAllowed(c.host) {
		return "", "this Host is not allowed: list it in allow_hosts"
	}
	for _, o := range c.origins {
		if o != "" && !g.originAllowed(o) {
			return "", "this Origin is not allowed: list it in allow_origins"
		}
	}
	switch {
	case g.unix:
		return "socket", g.stranger(c.peer)
	case g.local.LocalAuth == "none":
		return "anyone", ""
	}
	client, root := g.known.client(g.keys, g.server, c.authorization)
	if root == nil || !c.opened(g.keys, root) {
		return "", "a local key is needed as Authorization: Bearer KEY: `bearerd client-config " + g.server + "` prints it"
	}
	return client, ""
}

// opened notes whose key the connection lives by: it is cut when that is lost. False: it has just been lost.
func (c *caller) opened(keys Keys, root *secrets.Secret) bool {
	if c.conn == nil {
		return true
	}
	// Before the look: a rotation in between finds it, or is found. Requests that run beside each other (HTTP/2) may show keys
	// of both roots: the older one stays, as it is lost first.
	if !c.conn.root.CompareAndSwap(nil, root) && root != &keys.ring.roots.Load().present {
		c.conn.root.Store(root)
	}
	return keys.take(root)
}

// stranger says why a user may not call over a unix socket; "": bearerd's own and root may, the socket's group, and everybody
// where its mode says so.
func (g *guard) stranger(u *peer.User) string {
	switch {
	case u == nil:
		return "the system does not tell who is at the other end of this socket: run bearerd outside of a user namespace, or listen " +
			"on a loopback HOST:PORT, where a key is shown"
	case u.UID == 0 || u.UID == os.Geteuid() || socketMode(g.local)&0o002 != 0:
		return ""
	case g.local.SocketGroup == "":
		return "this socket is for the user of bearerd: set socket_group to a group of the other users, or socket_mode"
	case !u.In(g.local.SocketGroup):
		return "this socket is for the members of its group: add the user to " + g.local.SocketGroup + ", or set another socket_group"
	}
	return ""
}

func (g *guard) hostAllowed(hostport string) bool {
	if LoopbackHost(hostport) {
		return true
	}
	host := hostname(hostport)
	for _, a := range g.local.AllowHosts {
		if strings.EqualFold(a, host) || strings.EqualFold(a, hostport) {
			return true
		}
	}
	_, err := netip.ParseAddr(host)
	return err == nil && g.local.AllowRemote // an address cannot be rebound
}

// LoopbackHost reports whether a Host header names this machine: localhost or a loopback address. Another name in it is
// that of a page whose name has been rebound to us.
func LoopbackHost(hostport string) bool {
	host := hostname(hostport)
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// hostname is the name in a Host header. What is no port, such as that of 127.0.0.1:1.evil.example, is not taken for one.
func hostname(hostport string) string {
	if strings.Contains(hostport, ":") { // without one, SplitHostPort would make an error
		if h, port, err := net.SplitHostPort(hostport); err == nil && strings.Trim(port, "0123456789") == "" {
			hostport = h
		}
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
