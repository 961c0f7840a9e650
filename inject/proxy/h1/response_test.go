package h1

import (
	"fmt"
	"testing"
)

func (r *Response) read() string {
	return fmt.Sprintf("%d %s %d %v %s", r.Status, r.Reason, r.Length, r.Close, shown(r.Fields))
}

func TestResponse(t *testing.T) {
	var r Response // the same for all: nothing stays of the one before
	for head, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                                "200 OK 0 false ",
		"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n":                                                  "200  0 false ",
		"HTTP/1.1 404 Not \t Found!\r\ncontent-length: 12\r\n\r\n":                                    "404 Not \t Found! 12 false ",
		"HTTP/1.1 599 x\r\nTransfer-Encoding: chunked\r\n\r\n":                                        "599 x -1 false ",
		"HTTP/1.1 205 x\r\ntransfer-encoding:\tCHUNKED \r\n\r\n":                                      "205 x -1 false ",
		"HTTP/1.1 204 No Content\r\n\r\n":                                                             "204 No Content 0 false ",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n":                                        "204 No Content 0 false ",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\n":                           "200 OK 1 true ",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n": "200 OK 1 true ",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n":                      "200 OK 1 false ",
		"HTTP/1.1 200 OK\r\nB: 1\r\nKeep-Alive: 5\r\nA:\r\nContent-Length: 1\r\nb: 2\r\n\r\n":         "200 OK 1 false [B=1][A=][b=2]",
		"HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer\r\nContent-Length: 1\r\n\r\n":                     "401 x 1 false [WWW-Authenticate=Bearer]",
		"HTTP/1.1 307 x\r\nLocation: /\r\nContent-Length: 1\r\n\r\n":                                  "307 x 1 false [Location=/]",
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

func TestUncommonResponse(t *testing.T) {
	for _, line := range []string{
		"HTTP/1.0 200 OK", "HTTP/1.2 200 OK", "HTTP/2 200 OK", "HTTP/2.0 200 OK", "http/1.1 200 OK", "ICY 200 OK", "", "HTTP/1.1", "HTTP/1.1 ",
		"HTTP/1.1 200", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", " HTTP/1.1 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 +20 OK",
		"HTTP/1.1 -20 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 000 x", "HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1 999 x",
		"HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 103 Early Hints", "HTTP/1.1 199 x", "HTTP/1.1 304 Not Modified",
		"HTTP/1.1 200 \x00", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 \x7f", "HTTP/1.1 200 é", "HTTP/1.1 200 OK\r",
	} {
		wantUncommonResponse(t, line+"\r\nContent-Length: 0\r\n\r\n")
	}
	for _, fields := range []string{
		"", "A: b\r\n", // until the connection ends
		"Content-Length:\r\n", "Content-Length: +1\r\n", "Content-Length: 1,1\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length: 1000000000000000000\r\n",
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: xchunked\r\n",
		"Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding:\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding: chunked;a=b\r\n",
		"Content-Length: 0\r\nTrailer: a\r\n", "Content-Length: 0\r\nUpgrade: x\r\n", "Content-Length: 0\r\nPragma: no-cache\r\n", "Content-Length: 0\r\nProxy-Authenticate: Basic\r\n",
		"Content-Length: 0\r\nConnection: upgrade\r\n", "Content-Length: 0\r\nConnection: close, x\r\n", "Content-Length: 0\r\nConnection: keep-alive, close\r\n", "Content-Length: 0\r\nConnection:\r\n",
		"Content-Length: 0\r\nConnection: close\r\nConnection: x\r\n",
	} {
		wantUncommonResponse(t, "HTTP/1.1 200 OK\r\n"+fields+"\r\n")
	}
	for _, head := range []string{
		"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"{}\r\n\r\n",
	} {
		wantUncommonResponse(t, head)
	}
}

func wantUncommonResponse(t *testing.T, head string) {
	t.Helper()
	var r Response
	if n, err := r.Parse([]byte(head)); n != 0 || err != ErrUncommon {
		t.Errorf("%q: %d, %v; want ErrUncommon", head, n, err)
	}
}
