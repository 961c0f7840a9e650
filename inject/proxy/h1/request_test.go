package h1

import (
	"fmt"
	"strings"
	"testing"
)

// read shows all that was read of a request.
func (r *Request) read() string {
	return fmt.Sprintf("%s %s %s %s %d %s", r.Method, r.Path, r.Query, r.Host, r.Length, shown(r.Fields))
}

func shown(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "[%s=%s]", f.Name, f.Value)
	}
	return b.String()
}

func TestRequest(t *testing.T) {
	var r Request // the same for all: nothing stays of the one before
	for head, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n":                                            "GET /  h 0 ",
		"DELETE /a HTTP/1.1\r\nhost: h\r\n\r\n":                                        "DELETE /a  h 0 ",
		"DELETE /a HTTP/1.1\r\nhost: h\r\nContent-Length: 0\r\n\r\n":                   "DELETE /a  h 0 ",
		"POST /a HTTP/1.1\r\nHOST: h\r\nContent-Length: 5\r\n\r\n":                     "POST /a  h 5 ",
		"POST /a?b=c?d HTTP/1.1\r\nHost: [::1]:80\r\ncontent-length: 0\r\n\r\n":        "POST /a b=c?d [::1]:80 0 ",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n":    "POST /a  h 999999999999999999 ",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 007\r\n\r\n":                   "POST /a  h 7 ",
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: \t7 \r\n\r\n":                  "POST /a  h 7 ",
		"GET /%7e%2F//[a]/.. HTTP/1.1\r\nHost: h\r\n\r\n":                              "GET /%7e%2F//[a]/..  h 0 ",
		"GET /?\"<>\\^`{|} HTTP/1.1\r\nHost: h\r\n\r\n":                                "GET / \"<>\\^`{|} h 0 ",
		"GET / HTTP/1.1\r\nB: 1\r\nA:2 \r\nHost: h\r\nb:\r\nA: 3\r\n\r\n":              "GET /  h 0 [B=1][A=2][b=][A=3]",
		"GET / HTTP/1.1\r\nConnection: Keep-Alive\r\nHost: h\r\nKeep-Alive: 5\r\n\r\n": "GET /  h 0 ",
		"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\nAuthorization: Bearer k\r\n\r\n":  "GET /  h 0 [Cookie=a=b][Authorization=Bearer k]",
	} {
		n, err := r.Parse([]byte(head + "{}\r\n\r\n"))
		if n != len(head) || err != nil || r.read() != want {
			t.Errorf("%q: %d, %v, %s; want %d, %s", head, n, err, r.read(), len(head), want)
		}
		for i := range head {
			if n, err := r.Parse([]byte(head[:i])); n != 0 || err != ErrIncomplete {
				t.Errorf("%q: %d, %v; want ErrIncomplete", head[:i], n, err)
			}
		}
	}
}

func TestUncommonRequest(t *testing.T) {
	lines := []string{ // a request line, or fields of a request that is common without them
		"PUT / HTTP/1.1", "post / HTTP/1.1", "HEAD / HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT h:80 HTTP/1.1", "PRI * HTTP/2.0",
		" / HTTP/1.1", "/ HTTP/1.1", "GET", "GET ", "GET /", "GET / ", "GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
		"GET\t/ HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1.1\r",
		"GET * HTTP/1.1", "GET http://h/ HTTP/1.1", "GET a HTTP/1.1", "GET ?a HTTP/1.1",
		"GET /a b HTTP/1.1", "GET /a#b HTTP/1.1", "GET /?a#b HTTP/1.1", "GET /\x00 HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /é HTTP/1.1",
		"GET /?\x01 HTTP/1.1", "GET /?é HTTP/1.1", "GET /?a\tb HTTP/1.1", "GET /? HTTP/1.1", "GET /% HTTP/1.1", "GET /%4 HTTP/1.1", "GET /%4g HTTP/1.1", "GET /%%41 HTTP/1.1",
		"GET /\" HTTP/1.1", "GET /a\\b HTTP/1.1", "GET /{a} HTTP/1.1", "GET /a|b HTTP/1.1", "GET /a^b HTTP/1.1", "GET /<a> HTTP/1.1", "GET /` HTTP/1.1",

		"Host: h", "Host: other", "host: other",
		"Content-Length: 1", "Content-Length: 0\r\nContent-Length: 0",
		"Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding:", "TRANSFER-ENCODING: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 0",
		"Expect: 100-continue", "Upgrade: h2c", "TE: trailers", "Trailer: a", "HTTP2-Settings: AAA", "Pragma: no-cache",
		"Proxy-Connection: keep-alive", "Proxy-Authorization: x", "proxy-", "PROXY-anything: x",
		"User-Agent:", "User-Agent: a\r\nuser-agent: b", "Authorization: ", "Authorization: a\r\nauthorization: b", "Authorization:\r\nAuthorization: a",
		"Connection: close", "Connection: upgrade", "Connection: keep-alive, close", "Connection: keep-alive, x-a", "Connection:", "Connection: keep-alive,", "Connection: keep-alive\r\nConnection: close",
	}
	for _, line := range lines {
		head := "GET / HTTP/1.1\r\nHost: h\r\n" + line + "\r\n\r\n"
		if strings.Contains(line, "HTTP/") || !strings.Contains(line, ":") {
			head = line + "\r\nHost: h\r\n\r\n"
		}
		wantUncommonRequest(t, head)
	}
	for _, host := range []string{"", " ", "a b", "a/b", "a@b", "a,b", "a%41", "a?b", "a#b", "a\\b", "a\x00", "é", "a\tb", "<a>"} {
		wantUncommonRequest(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	}
	for _, length := range []string{
		"", "+1", "-1", "1,1", "1, 1", "1 1", "0x1", "1.0", "1e1", "a", "1a", "1000000000000000000", "99999999999999999999999", "\x001", "٣", "1;a",
	} {
		wantUncommonRequest(t, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: "+length+"\r\n\r\n")
	}
	for _, head := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\n\r\n",
		"DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\nHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: h\n\r\n",
		"GET / HTTP/1.1\rHost: h\r\n\r\n",
		"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
	} {
		wantUncommonRequest(t, head)
	}
}

func wantUncommonRequest(t *testing.T, head string) {
	t.Helper()
	var r Request
	if n, err := r.Parse([]byte(head)); n != 0 || err != ErrUncommon {
		t.Errorf("%q: %d, %v; want ErrUncommon", head, n, err)
	}
}
