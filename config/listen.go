package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxUnixPath is the longest path of a unix socket that bearerd binds, in bytes: some systems take no more than 103.
const maxUnixPath = 99

// controlSocket is what bearerd binds in the state folder.
const controlSocket = "bearerd.sock"

// listener is one address with what is allowed on it.
type listener struct {
	block *block // nil: not written, or what is wrong with it is said elsewhere
	attr  string
	what  string // for messages: "proxy", "admin", a server's name
	addr  string
}

// listeners checks every address, then that no two are the same.
func (l *loader) listeners(t *tree) {
	all := l.sharedListeners(t)
	for _, w := range t.servers {
		b := w.block
		if !b.has("url") {
			continue
		}
		l.local(b, w.Local)
		if !b.has("listen") {
			l.onProxy(t, w)
			continue
		}
		l.listen(b, &w.Listen, w.Local, `allow_remote = true`)
		l.socket(b, w.Listen, &w.Local)
		if wellKnown(w.URL) {
			l.fail(b, "listen", "listen would serve the path of url, and nothing below /.well-known is served: there clients look for an OAuth of their own",
				"remove listen: the shared one serves this server at /"+w.Name)
		}
		all = append(all, listener{b, "listen", fmt.Sprintf("server %q", w.Name), w.Listen})
	}
	taken := map[string]listener{}
	for _, a := range all {
		if a.block != nil && a.block.failed[a.attr] {
			continue
		}
		binds, clashes := places(a.addr)
		if i := slices.IndexFunc(clashes, func(p string) bool { return taken[p].what != "" }); i >= 0 && a.block != nil {
			l.report(Error, a.block.at(a.attr), a.attr+" is the address of "+taken[clashes[i]].what+" too",
				"choose another port or path")
			continue
		}
		for _, p := range binds {
			taken[p] = a
		}
	}
}

// wellKnown reports whether an address lies where clients look for metadata (RFC 8615).
func wellKnown(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Path == "/.well-known" || strings.HasPrefix(u.Path, "/.well-known/"))
}

func (l *loader) sharedListeners(t *tree) []listener {
	proxy, admin := t.single["proxy"], t.single["admin"]
	if proxy != nil {
		l.listen(proxy, &t.cfg.Proxy.Listen, t.cfg.Proxy.Local, "allow_remote = true")
		l.local(proxy, t.cfg.Proxy.Local)
		l.limits(proxy, t.cfg.Proxy.Limits)
	}
	all := []listener{{proxy, "listen", "the proxy", t.cfg.Proxy.Listen}}
	if t.cfg.Use != nil {
		all = append([]listener{{nil, "", "use", "unix:" + t.cfg.Use.Socket}}, all...)
	}
	if admin != nil {
		l.listen(admin, &t.cfg.Admin.Listen, Local{}, "")
		all = append(all, listener{admin, "listen", "admin", t.cfg.Admin.Listen})
	}
	if admin.has("metrics_listen") {
		l.metricsListen(admin, &t.cfg.Admin)
		all = append(all, listener{admin, "metrics_listen", "metrics_listen", t.cfg.Admin.MetricsListen})
	}
	return all
}

// onProxy checks a url server that the shared listener serves.
func (l *loader) onProxy(t *tree, w *written) {
	for _, name := range []string{"allow_remote", "socket_mode", "socket_group"} {
		if w.block.has(name) {
			l.report(Error, w.block.at(name), name+" needs a listen of its own", "write it into the proxy block, or set listen")
		}
	}
	if t.cfg.Proxy.AllowRemote && w.LocalAuth != "key" && w.block.has("local_auth") {
		l.report(Error, w.block.at("local_auth"), `allow_remote = true needs local_auth = "key"`,
			"remove local_auth: every caller needs a key")
	}
}

// listen checks an address and makes the path of a unix socket absolute. opt is the switch that allows other hosts in.
func (l *loader) listen(b *block, addr *string, local Local, opt string) {
	if b.failed["listen"] {
		return
	}
	message, remedy := address(b, "listen", addr)
	if message == "" && !loopbackAddress(*addr) {
		switch {
		case opt == "":
			message, remedy = "listen must be a loopback address", "use 127.0.0.1:PORT or unix:PATH"
		case !local.AllowRemote:
			message, remedy = "listen is open to other hosts", "use 127.0.0.1:PORT or unix:PATH, or set "+opt
		case local.LocalAuth != "key":
			message, remedy = `allow_remote = true needs local_auth = "key"`, "remove local_auth: every caller needs a key"
		default:
			l.report(Warning, b.at("allow_remote"), "allow_remote is on: keys and answers cross the network in plain http",
				"put TLS in front of it; callers on other hosts need their Host name in allow_hosts")
		}
	}
	if message != "" {
		l.report(Error, b.at("listen"), message, remedy)
		b.refuse("listen")
	}
}

// address checks what attr holds, and makes the path of a unix socket absolute.
func address(b *block, attr string, addr *string) (message, remedy string) {
	if p, ok := strings.CutPrefix(*addr, "unix:"); ok {
		abs, message := conversion{name: attr, dir: b.src.dir}.path(p)
		switch {
		case message != "":
			return message, "write an absolute path"
		case p == "":
			return attr + " has no path", "write unix:PATH"
		case len(abs) > maxUnixPath:
			return fmt.Sprintf("%s is longer than the %d bytes that a unix socket's path may have", attr, maxUnixPath),
				"choose a shorter path"
		}
		*addr = "unix:" + abs
		return "", ""
	}
	host, port, err := net.SplitHostPort(*addr)
	n, convErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || convErr != nil:
		return attr + " must be HOST:PORT or unix:PATH", `write "127.0.0.1:7411" or "unix:~/bearerd.sock"`
	case host == "":
		return attr + " has no host", `write "127.0.0.1:` + port + `"`
	case n == 0:
		return attr + " has port 0, which is another one at each start", `name a port: "127.0.0.1:7411"`
	}
	return "", ""
}

func loopbackAddress(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return strings.HasPrefix(addr, "unix:") || err == nil && loopbackHost(host)
}

// places names what an address takes, and what it cannot be bound beside. An address of every host clashes with each
// other one of its port.
func places(addr string) (binds, clashes []string) {
	host, port, err := net.SplitHostPort(addr)
	if strings.HasPrefix(addr, "unix:") || err != nil {
		return []string{addr}, []string{addr}
	}
	one, every, some := oneName(host)+" "+port, "* "+port, "any "+port
	if wildcard(host) {
		return []string{every, some}, []string{some}
	}
	return []string{one, some}, []string{one, every}
}

func wildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// oneName gives 127.0.0.1, ::1 and localhost one name, since bearerd binds both loopback addresses or none.
func oneName(host string) string {
	switch host = strings.ToLower(host); host {
	case "127.0.0.1", "::1":
		return "localhost"
	}
	return host
}

// local checks how a listener treats its callers.
func (l *loader) local(b *block, local Local) {
	fail := func(name, message, remedy string) {
		if b.has(name) && !b.failed[name] {
			l.report(Error, b.at(name), message, remedy)
		}
	}
	if local.LocalAuth != "key" && local.LocalAuth != "none" {
		fail("local_auth", "local_auth must be one of key, none", "choose one of them")
	}
	for _, h := range local.AllowHosts {
		if h == "" || strings.ContainsAny(h, "/*@ \t") {
			fail("allow_hosts", "allow_hosts holds host names, with a port or without",
				`write "mcp.internal" or "mcp.internal:8080"`)
		}
	}
	for _, o := range local.AllowOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Scheme+"://"+u.Host != o {
			fail("allow_origins", "allow_origins holds origins: SCHEME://HOST or SCHEME://HOST:PORT",
				`write "https://app.example.com"`)
		}
	}
}
