package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// smuggled is a request without a key: whoever lets it through has taken it for a part of another, or for no part of it.
const smuggled = "GET /s HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\n\r\n"

const opens = "POST /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n"

// ambiguous are messages whose parts others have taken differently. $KEY is the local key.
var ambiguous = map[string]string{
	"length and chunks":          opens + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX" + smuggled,
	"chunks and length":          opens + "Transfer-Encoding: chunked\r\nContent-Length: 80\r\n\r\n0\r\n\r\n" + smuggled,
	"length, chunks elsewhere":   opens + "Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n" + smuggled,
	"two codings":                opens + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
	"two codings in a line":      opens + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
	"coding in a tab":            opens + "Content-Length: 5\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding in a vertical tab":   opens + "Content-Length: 5\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding in quotes":           opens + "Content-Length: 5\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + smuggled,
	"coding, blank before colon": opens + "Content-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding, folded":             opens + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding, behind a CR":        opens + "Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding, behind a LF":        opens + "Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
	"coding, NUL":                opens + "Content-Length: 5\r\nTransfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n" + smuggled,
	"coding in HTTP/1.0":         strings.Replace(opens, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
	"two lengths":                opens + "Content-Length: 0\r\nContent-Length: 70\r\n\r\n" + smuggled,
	"the same length twice":      opens + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"lengths in a line":          opens + "Content-Length: 0, 70\r\n\r\n" + smuggled,
	"length with a sign":         opens + "Content-Length: +0\r\n\r\n" + smuggled,
	"length below zero":          opens + "Content-Length: -1\r\n\r\n" + smuggled,
	"length in hexadecimal":      opens + "Content-Length: 0x46\r\n\r\n" + smuggled,
	"length, blank before colon": opens + "Content-Length : 70\r\n\r\n" + smuggled,
	"length, overflow":           opens + "Content-Length: 18446744073709551616\r\n\r\n" + smuggled,
	"length of a GET":            strings.Replace(opens, "POST", "GET", 1) + "Content-Length: 70\r\n\r\n" + smuggled,
	"no length":                  opens + "\r\n" + smuggled,
	"chunk: size with 0x":        opens + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n" + smuggled,
	"chunk: size overflow":       opens + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n0\r\n\r\n" + smuggled,
	"chunk: size with a sign":    opens + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n" + smuggled,
	"chunk: bare LF":             opens + "Transfer-Encoding: chunked\r\n\r\n0\n\n" + smuggled,
	"chunk: CR in the extension": opens + "Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n" + smuggled,
	"chunk: LF in the extension": opens + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n46\r\n0\r\n\r\n" + smuggled + "\r\n0\r\n\r\n",
	"chunk: longer than said":    opens + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n" + smuggled,
	"chunk: no end of the data":  opens + "Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n" + smuggled,
	"trailers":                   opens + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 70\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n" + smuggled,
	"folded":                     opens + "X: a\r\n " + smuggled + "Content-Length: 0\r\n\r\n",
	"bare LF":                    strings.ReplaceAll(opens+"Content-Length: 0\r\n\r\n", "\r\n", "\n") + smuggled,
	"bare LF at the end":         opens + "Content-Length: 0\r\n\n" + smuggled,
	"a bare CR for a line end":   opens + "X: a\r\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"NUL in a name":              opens + "X\x00: a\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"NUL in a value":             opens + "X: a\x00b\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"no name":                    opens + ": a\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"no colon":                   opens + "Content-Length\r\n\r\n" + smuggled,
	"absolute target":            strings.Replace(opens, "/s", "http://evil.example/s", 1) + "Content-Length: 0\r\n\r\n" + smuggled,
	"absolute target, localhost": strings.Replace(opens, "/s", "http://localhost/s", 1) + "Content-Length: 0\r\n\r\n" + smuggled,
	"authority target":           strings.Replace(opens, "/s", "evil.example:80", 1) + "Content-Length: 0\r\n\r\n" + smuggled,
	"two Hosts":                  opens + "Host: evil.example\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"blank in the target":        strings.Replace(opens, "/s", "/s HTTP/1.1\tX", 1) + "Content-Length: 0\r\n\r\n" + smuggled,
	"LF in the target":           strings.Replace(opens, "/s", "/s\nX-Smuggled: 1", 1) + "Content-Length: 0\r\n\r\n",
	"CR in the target":           strings.Replace(opens, "/s", "/s?a\rX-Smuggled: 1", 1) + "Content-Length: 0\r\n\r\n",
	"CRLF in the query":          strings.Replace(opens, "/s", "/s?a=%0d%0aX-Smuggled:%201%0d%0a", 1) + "Content-Length: 0\r\n\r\n",
	"CRLF in the path":           strings.Replace(opens, "/s", "/s%0d%0aX-Smuggled:%201", 1) + "Content-Length: 0\r\n\r\n",
	"a list of connection names": opens + "Connection: content-length, authorization, host\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
	"switch":                     opens + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Length: 0\r\n\r\n" + smuggled,
	"expects what never comes":   opens + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
	"expects something else":     opens + "Expect: x\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
	"behind an unread body":      strings.Replace(opens, "/s", "/other", 1) + "Content-Length: 70\r\n\r\n" + smuggled,
	"behind a body without key":  strings.Replace(opens, "$KEY", "wrong", 1) + "Content-Length: 3\r\n\r\nabc" + smuggled,
	"behind a good body":         opens + "Content-Length: 3\r\n\r\nabc" + smuggled,
	"behind line ends":           opens + "Content-Length: 0\r\n\r\n\r\n\r\n" + smuggled,
}

// Upstream never sees a request that the guard did not let through, nor one inside another: each that it sees has the token,
// once, and is framed in one way.
func TestNothingIsSmuggled(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		for name, message := range ambiguous {
			for _, step := range []int{1 << 20, 7} {
				up := newRawPeer(t, whenAsked(okay))
				f.serve(f.server("s", up.url()))
				speak(t, f, strings.ReplaceAll(message, "$KEY", f.keys.Issue("s", "test").Reveal()), step)
				for _, got := range up.streams() {
					wantClean(t, name, got)
				}
			}
		}
		f.wantNoneOpen()
	})
}

// speak sends a message in pieces and reads what comes, until nothing does.
func speak(t *testing.T, f *fixture, message string, step int) string {
	t.Helper()
	c := f.dial()
	for len(message) > 0 {
		n := min(step, len(message))
		if _, err := io.WriteString(c, message[:n]); err != nil {
			break // it was answered already
		}
		message = message[n:]
	}
	_ = c.(*net.TCPConn).CloseWrite()
	all, _ := io.ReadAll(c)
	_ = c.Close()
	return string(all)
}

// wantClean checks that got is one strictly framed request after the other.
func wantClean(t *testing.T, name, got string) {
	t.Helper()
	for rest := got; rest != ""; {
		head, _, whole := strings.Cut(rest, "\r\n\r\n")
		lower := strings.ToLower(head)
		if !whole && strings.Count(lower, "\r\n") == 0 {
			t.Errorf("%s: upstream got %q", name, got)
		}
		if strings.Contains(lower, "smuggled:") || strings.Count(lower, "\r\nauthorization: bearer ") != 1 || strings.Count(lower, "\r\nhost:") != 1 ||
			strings.Count(lower, "\r\ncontent-length:")+strings.Count(lower, "\r\ntransfer-encoding:") > 1 ||
			strings.Count(head, "\n") != strings.Count(head, "\r\n") || strings.Count(head, "\r") != strings.Count(head, "\n") || strings.Contains(head, "\x00") {
			t.Errorf("%s: upstream got %q", name, got)
			return
		}
		r := bufio.NewReader(strings.NewReader(rest))
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Errorf("%s: upstream got %q: %v", name, got, err)
			return
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(req.Body); err != nil {
			return // cut off, and so seen to be
		}
		left, _ := io.ReadAll(r)
		rest = string(left)
	}
}

// What a caller puts into values reaches upstream as it is, or not at all; what is bearerd's own cannot be set.
func TestHeadersAreNotInjected(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		up := newRawPeer(t, whenAsked(okay))
		f.serve(f.server("s", up.url()))
		key := f.keys.Issue("s", "test").Reveal()
		for _, field := range []string{
			"X: a\r\n\tAuthorization: Bearer evil", "X: a\rAuthorization: Bearer evil", "X: a\nAuthorization: Bearer evil", "Authorization: Bearer evil",
			"authorization : Bearer evil", "Connection: authorization\r\nX-A: b", "Proxy-Authorization: Bearer evil", "Authorization\x00: Bearer evil",
			"Mcp-Session-Id: a%0d%0aAuthorization: Bearer evil", "Authorization\t: Bearer evil", "Connection: close, host",
		} {
			speak(t, f, strings.Replace(opens, "$KEY", key, 1)+field+"\r\nContent-Length: 0\r\n\r\n", 1<<20)
		}
		for _, got := range up.streams() {
			wantClean(t, "injected", got)
			if strings.Contains(got, "\r\nAuthorization: Bearer evil") || strings.Contains(got, key) || strings.Contains(got, "Proxy-Auth") {
				t.Errorf("upstream got %q", got)
			}
		}
	})
}

// A request behind another whose body does not come is not looked at before that is answered and closed.
func TestNothingPassesBehindAnUnfinishedBody(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.cfg.Proxy.BodyTimeout = 200 * time.Millisecond
		up := newRawPeer(t, whenAsked(okay))
		f.serve(f.server("s", up.url()))
		c := f.dial()
		opening := strings.Replace(opens, "$KEY", f.keys.Issue("s", "test").Reveal(), 1)
		_ = must(io.WriteString(c, opening+"Content-Length: 1000\r\n\r\n"+opening+"Content-Length: 0\r\n\r\n"))(t)
		if status := readStatus(t, c); status != http.StatusRequestTimeout || len(up.streams()) != 0 {
			t.Errorf("%d, upstream got %q", status, up.streams())
		}
		f.wantNoneOpen()
	})
}
