package proxy

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// hopByHop are the headers that belong to one connection (RFC 9110 §7.6.1).
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade"}

func removeHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// requestHeaders are what upstream gets of the caller's: all but what belongs to the connection or to the local hop.
func requestHeaders(in http.Header) http.Header {
	h := in.Clone()
	removeHopByHop(h)
	delete(h, "Authorization") // the local key
	delete(h, "Origin")
	delete(h, "Expect") // net/http has answered it
	withoutOwnCookies(h)
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{""} // else net/http names itself
	}
	return h
}

// pass gives the caller upstream's answer, chunk by chunk as it comes when its length is not known.
func (rt *route) pass(w http.ResponseWriter, resp *http.Response) {
	h := w.Header()
	removeHopByHop(resp.Header)
	for name, values := range resp.Header {
		h[name] = values
	}
	for _, name := range []string{"Date", "Content-Type"} {
		if _, ok := h[name]; !ok {
			h[name] = nil // else net/http adds one
		}
	}
	w.WriteHeader(resp.StatusCode)
	push := http.NewResponseController(w).Flush
	flush := func() error { return nil }
	if resp.ContentLength < 0 {
		flush = push
		_ = flush() // a caller that went away is noticed below
	}
	if err := copyBody(w, resp.Body, flush); err != nil {
		_ = push() // what has come so far is the caller's
		// The one way net/http offers to cut the connection, so that a truncated answer is seen as such.
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Trailer {
		if rt.passesBehind(name) {
			h[http.TrailerPrefix+name] = values
		}
	}
}

// passesBehind reports whether a field of upstream's may stand behind a body. What changes the framing of a message or the
// state of a caller counts before it only (RFC 9110 §6.5.1).
func (rt *route) passesBehind(name string) bool {
	switch name = http.CanonicalHeaderKey(name); name {
	case ReasonHeader, "Content-Length", "Set-Cookie", "Expect":
		return false
	case "Www-Authenticate":
		return rt.source == nil
	}
	return !slices.Contains(hopByHop, name)
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func copyBody(w io.Writer, r io.Reader, flush func() error) error {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
			if ferr := flush(); ferr != nil {
				return ferr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func redirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
		return true
	}
	return false
}

// withoutToken removes an inbound access_token: the caller's token is never upstream's. Some servers still take a
// semicolon for an ampersand.
func withoutToken(query string) string {
	if tokenless(query) {
		return query
	}
	var kept strings.Builder
	separator, some := "", false
	for {
		end := strings.IndexAny(query, "&;")
		part := query
		if end >= 0 {
			part = query[:end]
		}
		if !namesToken(part) {
			if some {
				kept.WriteString(separator)
			}
			kept.WriteString(part)
			some = true
		}
		if end < 0 {
			return kept.String()
		}
		separator, query = query[end:end+1], query[end+1:]
	}
}

// tokenless reports that a query surely holds no access_token, however it is read.
func tokenless(query string) bool {
	return !strings.Contains(query, "%") && !strings.Contains(strings.ToLower(query), "access")
}

func namesToken(part string) bool {
	name, _, _ := strings.Cut(part, "=")
	plain, err := url.QueryUnescape(name)
	return err == nil && strings.EqualFold(plain, "access_token")
}

func joinQuery(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}
