package proxy

import (
	"fmt"
	"strconv"
	"strings"
)

// upstreamAnswers are what an upstream may say, by the X-Answer of the request.
var upstreamAnswers = map[string]string{
	"0":  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	"1":  "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nMcp-Session-Id: a\r\n\r\n",
	"2":  "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
	"3":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n7\r\ndata: 1\r\n2\r\n\n\n\r\n0\r\n\r\n",
	"4":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX-T: 1\r\nx-t: 2\r\nSet-Cookie: a=b\r\nWww-Authenticate: Bearer\r\nConnection: close\r\nBearerd-Reason: x\r\n\r\n",
	"5":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n",
	"6":  "HTTP/1.1 200 OK\r\nX-Ends: now\r\n\r\nuntil the end",
	"7":  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	"8":  "HTTP/1.1 404 Nowhere to be found\r\nContent-Length: 2\r\nX-A:b\r\nx-a: \t c\t\r\nX-Empty:\r\nBearerd-Reason: x\r\nWWW-Authenticate: Bearer\r\nKeep-Alive: 5\r\n\r\n{}",
	"9":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b; Path=/; Domain=example.com\r\nSet-Cookie: c=d; Path=/other\r\nSet-Cookie: bearerd_flow_x=1\r\nBearerd-Reason: x\r\n\r\n{}",
	"10": "HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
	"11": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nPragma: no-cache\r\n\r\n{}",
	"12": "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nX-Ends: now\r\n\r\n{}",
	"13": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
	"14": "HTTP/1.1 500 \r\nContent-Length: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTe: x\r\n\r\n{}",
	"15": "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n",
	"16": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\nX-Ends: now\r\n\r\n{} ",
	"17": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Ends: now\r\n\r\n5\r\nab",
	"18": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Ends: now\r\n\r\nab",
	"19": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Ends: now\r\n\r\n2\r\n{}\r\n0\r\nbroken\r\n\r\n",
	"20": "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nWWW-Authenticate: Basic\r\n\r\n{}",
	"21": "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
	"22": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: caf\xc3\xa9\r\nDate: Sun, 22 Nov 2026 16:00:00 GMT\r\n\r\n{}",
	"23": "HTTP/1.1 200 OK\r\nContent-Length : 2\r\nX-Ends: now\r\n\r\n{}",
	"24": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
	"25": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n23\r\nevent: endpoint\r\ndata: /mcp?a=b\r\n\r\n\r\n0\r\n\r\n",
	"26": "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	"27": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"28": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 35\r\n\r\nevent: endpoint\r\ndata: /mcp?a=b\r\n\r\n",
	"29": "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("z", 300000),
	"30": "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("z", 300000),
	"31": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + strings.Repeat("z", 300000) + "\r\n0\r\n\r\n",
}

// ends reports whether upstream closes the connection behind an answer: never behind one after which it may be used again, or a
// request that is sent at that moment would be lost.
func ends(answer string) bool {
	return strings.Contains(answer, "X-Ends: now") || strings.Contains(answer, "Connection: close\r\n") && !strings.Contains(answer, "chunked") && !strings.Contains(answer, "Chunked")
}

// The parts of the grammar. The first of each is what is common, and is weighed by how often it stands there.
var (
	methods = []string{"POST", "POST", "POST", "GET", "DELETE", "PUT", "OPTIONS", "post", "CONNECT", ""}
	targets = []string{
		"/s", "/s", "/s", "/s", "/s?a=b", "/s?access_token=x&y=1", "/s?a;b=%zz", "/s?", "/%73", "/s/", "/s/../s", "//s", "http://localhost/s",
		"*", "/s#f", "/other", "/s?\"<>{}", "/S", "/s?%61ccess_token=x", "/s?a=b?c", "/s?ACCESS_TOKEN", "/s;a", "/s\\", "",
	}
	versions = []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", ""}
	hosts    = []string{
		"Host: localhost", "Host: localhost", "Host: localhost", "Host: 127.0.0.1:7411", "Host: [::1]:1", "host:LOCALHOST", "Host: evil.example", "Host:",
		"Host: localhost\r\nHost: localhost", "X-No-Host: 1", "Host: localhost:x", "Host: local host", "Host: localhost/s", "Host: localhost\r\nhost: evil.example",
	}
	authorizations = []string{
		"Authorization: Bearer $KEY", "Authorization: Bearer $KEY", "Authorization: Bearer $KEY", "Authorization: Bearer $KEY", "authorization:bearer  $KEY ",
		"Authorization: Bearer wrong", "X-None: 1", "Authorization:\r\nAuthorization: Bearer $KEY", "Authorization: Bearer $KEY\r\nAuthorization: Bearer wrong",
		"Authorization: Bearer wrong\r\nAuthorization: Bearer $KEY", "Authorization: Basic eA==", "Authorization : Bearer $KEY",
	}
	extras = []string{
		"", "", "Accept: application/json, text/event-stream", "Mcp-Session-Id: 1", "mcp-session-id: 1\r\nMcp-Session-Id: 2", "Content-Type: application/json",
		"User-Agent: a", "User-Agent:", "User-Agent: a\r\nUser-Agent: b", "Cookie: a=b", "Cookie: bearerd_flow_x=1; a=b", "Cookie: a=b\r\ncookie: c=d", "Origin: http://localhost",
		"Origin:", "Origin: https://evil.example", "Origin: null", "Connection: keep-alive", "Connection: close", "Connection: X-Hop\r\nX-Hop: 1", "Connection: authorization, host, content-length, origin",
		"Connection: keep-alive, keep-alive", "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA", "Keep-Alive: 5", "Te: trailers", "TE: trailers\r\nConnection: te",
		"Proxy-Authorization: x", "Proxy-Connection: keep-alive", "Upgrade: websocket", "Expect: 100-continue", "Expect: x", "Trailer: X-T", "Pragma: no-cache",
		"Pragma: no-cache\r\nCache-Control: no-cache", "X-Forwarded-For: 192.0.2.1", "Forwarded: for=a", "X-Forwarded-For: a\r\nConnection: X-Forwarded-For", "Accept-Encoding: gzip",
		"X-A: b\r\n c", "X-A:\t b \t", "X-A:", "X-A: \x00", "X-A: \x7f", "X-A: caf\xc3\xa9", "X-A : b", ": b", "X-A", "X-A: b\rX-B: c", "X-A: b\nX-B: c", "X_A: b", "x-a: b\r\nX-A: c\r\nx-A: d",
		"Content-Length: 0", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Content-Encoding: gzip", "Referer: a", "Range: bytes=0-1", "If-None-Match: a",
		"X-Long: " + strings.Repeat("x", 5000), strings.TrimSuffix(strings.Repeat("X-Many: 1\r\n", 70), "\r\n"),
	}
	contents = []string{
		`{"jsonrpc":"2.0","id":1}`, `{"jsonrpc":"2.0","id":1}`, "", "\x00\xff\r\n\r\n", "GET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\nX-Smuggled: 1\r\n\r\n",
		"0\r\n\r\nGET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n", strings.Repeat("x", 5000), strings.Repeat("y", 90000), // too much for a head, with whatever net/http gives on top
	}
	// A framing is the header lines for a body and how it is written: %d stands for its length, %x for that in hexadecimal digits,
	// %s for itself.
	framings = []string{
		"Content-Length: %d\r\n\r\n%s", "Content-Length: %d\r\n\r\n%s", "Content-Length: %d\r\n\r\n%s", "Content-Length: %d\r\n\r\n%s", "\r\n", "content-length:00%d \r\n\r\n%s", "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX-T: 1\r\n\r\n", "Transfer-Encoding: CHUNKED\r\n\r\n000%x \r\n%s\r\n00\r\n\r\n", "Content-Length: 0\r\n\r\n",
		"Content-Length: %d\r\nContent-Length: %d\r\n\r\n%s", "Content-Length: %d\r\nContent-Length: 0\r\n\r\n%s", "Content-Length: +%d\r\n\r\n%s", "Content-Length: %d, %d\r\n\r\n%s", "Content-Length: -1\r\n\r\n%s",
		"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n%s", "Transfer-Encoding: chunked, identity\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		"Transfer-Encoding:\x0bchunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", "Transfer-Encoding : chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", "Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n\r\n%s",
		"Transfer-Encoding: chunked\r\n\r\n%x\n%s\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1%x\r\n%s\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n%s", "Content-Length: 9%d\r\n\r\n%s", "Content-Length: 1\r\n\r\n%s",
		"Content-Length: %d\r\n X: y\r\n\r\n%s", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", "\r\n%s",
	}
)

// rawSeeds are messages that the grammar does not make.
var rawSeeds = []string{
	"", "\r\n", "\n\n", "GET\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "\r\nGET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n",
	"GET /s HTTP/1.1\nHost: localhost\nAuthorization: Bearer $KEY\n\n", "GET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r",
	"POST /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\nContent-Length: 2\r\n\r\n{}\r\nGET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n",
	"GET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n\r\nGET /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n",
	"GET  /s  HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n", "POST /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\nContent-Length: 10\r\n\r\n{}",
	"GET /s HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\nAuthorization: Bearer $KEY\r\n\r\n",
}

// dice takes decisions from a shape. When that is used up, the common thing is done.
type dice struct {
	shape []byte
	key   string
}

func (d *dice) of(n int) int {
	if len(d.shape) == 0 {
		return 0
	}
	b := d.shape[0]
	d.shape = d.shape[1:]
	return int(b) % n
}

func (d *dice) one(list []string) string { return list[d.of(len(list))] }

// message is what a caller sends.
func (r *rig) message(shape, noise []byte) []byte {
	var b strings.Builder
	if len(shape) == 0 {
		return []byte(strings.ReplaceAll(string(noise), "$KEY", r.key))
	}
	d := &dice{shape, r.key}
	for range 1 + d.of(3) {
		d.request(&b)
	}
	return spoiled([]byte(b.String()), noise)
}

// oneByOne are shapes of two requests, the first of which is common but for one thing, each in turn.
func oneByOne() (shapes [][]byte) {
	for at, choices := range []int{
		1: len(methods), len(targets), len(versions), len(hosts), len(authorizations), len(upstreamAnswers), 0, len(extras), len(framings), len(contents),
	} {
		for i := range choices {
			for _, method := range []byte{0, 3} { // POST and GET
				shape := []byte{0: 1, 1: method, 7: 1, 10: 0} // a second request; one more field
				shape[at] = byte(i)
				shapes = append(shapes, shape)
			}
		}
	}
	return shapes
}

// request writes one. What does not fit its method, such as a body, may be there all the same.
func (d *dice) request(b *strings.Builder) {
	method := d.one(methods)
	fmt.Fprintf(b, "%s %s %s\r\n%s\r\n%s\r\n", method, d.one(targets), d.one(versions), d.one(hosts), strings.ReplaceAll(d.one(authorizations), "$KEY", d.key))
	fmt.Fprintf(b, "X-Answer: %d\r\n", d.of(len(upstreamAnswers)))
	for range d.of(5) {
		if line := d.one(extras); line != "" {
			b.WriteString(line + "\r\n")
		}
	}
	framing, content := d.one(framings), d.one(contents)
	if (method == "GET" || method == "DELETE") && d.of(4) == 0 {
		framing = "\r\n"
	}
	content = strings.ReplaceAll(content, "$KEY", d.key)
	size := len(content)
	b.WriteString(strings.NewReplacer("%d", strconv.Itoa(size), "%x", strconv.FormatInt(int64(size), 16), "%s", content).Replace(framing))
}

// spoiled has a byte put in, taken out, doubled or changed for every four bytes of noise.
func spoiled(message, noise []byte) []byte {
	for ; len(noise) >= 4 && len(message) > 0; noise = noise[4:] {
		at, with := (int(noise[0])<<8|int(noise[1]))%len(message), noise[3]
		switch noise[2] % 4 {
		case 0:
			message[at] = with
		case 1:
			message = append(message[:at], message[at+1:]...)
		case 2:
			message = append(message[:at+1], message[at:]...)
		case 3:
			message = append(message[:at], append([]byte{with}, message[at:]...)...)
		}
	}
	return message
}
