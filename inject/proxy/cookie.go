package proxy

import (
	"net/http"
	"slices"
	"strings"
)

// OwnCookies begins the names of the cookies that bearerd gives to browsers itself, which send them to every port of a host.
const OwnCookies = "bearerd_flow_"

// withoutOwnCookies takes bearerd's own cookies out of a request. All others pass as they are.
func withoutOwnCookies(h http.Header) {
	lines, ok := h["Cookie"]
	if !ok || !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, OwnCookies) }) {
		return
	}
	var kept []string
	for _, line := range lines {
		pairs := slices.DeleteFunc(strings.Split(line, ";"), func(pair string) bool { return ownCookie(pair) })
		if line = strings.TrimLeft(strings.Join(pairs, ";"), " \t"); line != "" {
			kept = append(kept, line)
		}
	}
	if h["Cookie"] = kept; len(kept) == 0 {
		delete(h, "Cookie")
	}
}

// ownCookie reports whether a pair is one of bearerd's own, or would be sent back as one: browsers keep "=a=b" as a cookie
// without a name, and send it as "a=b" (RFC 6265bis).
func ownCookie(pair string) bool {
	return strings.HasPrefix(strings.TrimLeft(pair, " \t="), OwnCookies)
}

// confineCookies has the cookies of an answer to a request for the path asked of upstream count for this server alone, and
// takes out those that are for other paths of upstream or named like bearerd's own. Browsers keep cookies by host, and every
// server has the same one here. They then refuse a name that begins with __Host-, as its path is not "/"; with that it would
// go to the other servers too.
func (rt *route) confineCookies(h http.Header, asked string) {
	lines, ok := h["Set-Cookie"]
	if !ok {
		return
	}
	var kept []string
	for _, line := range lines {
		if cookie, ok := confined(line, rt.path, asked, upstreamPath(rt.server.URL)); ok {
			kept = append(kept, cookie)
		}
	}
	if h["Set-Cookie"] = kept; len(kept) == 0 {
		delete(h, "Set-Cookie")
	}
}

// confined is a Set-Cookie for the local path, if it is for the path asked or for own at upstream (RFC 6265 §5.2). All but its
// domain and path stays byte for byte.
func confined(line, local, asked, own string) (cookie string, ok bool) {
	cookie, attributes, more := strings.Cut(line, ";")
	path := ""
	for more {
		var one string
		one, attributes, more = strings.Cut(attributes, ";")
		name, value, _ := strings.Cut(one, "=")
		switch strings.ToLower(strings.Trim(name, " \t")) {
		case "domain":
		case "path":
			path = strings.Trim(value, " \t") // the last one counts
		default:
			cookie += ";" + one
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = defaultPath(asked)
	}
	if ownCookie(line) || strings.Contains(local, ";") || !pathMatches(asked, path) && !pathMatches(own, path) {
		return "", false
	}
	return cookie + "; Path=" + local, true
}

// defaultPath is the path of a cookie that names none (RFC 6265 §5.1.4).
func defaultPath(asked string) string {
	if last := strings.LastIndex(asked, "/"); last > 0 {
		return asked[:last]
	}
	return "/"
}

// pathMatches reports whether a cookie for a path is sent to another (RFC 6265 §5.1.4).
func pathMatches(request, cookie string) bool {
	rest, ok := strings.CutPrefix(request, cookie)
	return ok && (rest == "" || strings.HasSuffix(cookie, "/") || rest[0] == '/')
}
