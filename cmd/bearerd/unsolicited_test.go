package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// babbler is an MCP server that, after each answer, says unasked which Authorization it was given.
type babbler struct {
	url     string
	dropped chan string // that Authorization, when bearerd has closed the connection
}

func startBabbler(t *testing.T) *babbler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &babbler{url: "http://" + l.Addr().String() + "/mcp", dropped: make(chan string, 1)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return b
}

func (b *babbler) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	const answer = `{"jsonrpc":"2.0","id":7,"result":{}}`
	_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%syou sent %s",
		len(answer), answer, r.Header.Get("Authorization"))
	_, _ = io.Copy(io.Discard, in) // net/http logs first and closes then
	b.dropped <- r.Header.Get("Authorization")
}

// net/http logs what comes on an idle connection, behind the back of our log. What comes may be the token.
func TestWhatUpstreamSaysUnaskedIsNotLogged(t *testing.T) {
	t.Parallel()
	upstream := startBabbler(t)
	h := newHome(t)
	_, grant := h.authServer()
	h.configure(server("web", attribute("url", upstream.url), grant))
	d := h.daemon()
	if status, _, message := call(t, h.clientConfig("web", modernWire)); status != http.StatusOK || message != "" {
		t.Fatalf("%d %q", status, message)
	}
	token, bearer := strings.CutPrefix(<-upstream.dropped, "Bearer ")
	if !bearer {
		t.Fatal("no token reached upstream")
	}
	h.private(token)
	if said := d.stderr.String(); strings.Contains(said, "Unsolicited") {
		t.Errorf("stderr: %s", said)
	}
}
