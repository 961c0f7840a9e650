package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// conversation is what a caller gets.
type conversation struct {
	answers []string
	reset   bool
}

// agrees reports whether two conversations are the same. Where bytes come that nobody reads any more, the system resets the
// connection, and what is under way to the caller is lost, sometimes.
func (c conversation) agrees(with conversation) bool {
	if !c.reset && !with.reset {
		return slices.Equal(c.answers, with.answers)
	}
	a, b := c.sure(), with.sure()
	shorter := min(len(a), len(b))
	return slices.Equal(a[:shorter], b[:shorter])
}

// sure are the answers of which nothing can be lost.
func (c conversation) sure() []string {
	if c.reset && len(c.answers) > 0 {
		return c.answers[:len(c.answers)-1]
	}
	return c.answers
}

// readAnswers are the answers in what a caller has got, without their dates.
func readAnswers(all []byte) (list []string) {
	for r := bufio.NewReader(bytes.NewReader(all)); ; {
		if _, err := r.Peek(1); err != nil {
			return list
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return append(list, fmt.Sprintf("no answer: %v", err))
		}
		body, err := io.ReadAll(resp.Body)
		resp.Header.Del("Date")
		list = append(list, fmt.Sprintf("%d %d %v %q %s %q cut: %v", resp.StatusCode, resp.ContentLength, resp.Close, fieldLines(resp.Header), shortened(body),
			fieldLines(resp.Trailer), err != nil))
	}
}

// shortened is a body for people; that of another is another.
func shortened(body []byte) string {
	if len(body) < 1<<10 {
		return strconv.Quote(string(body))
	}
	return fmt.Sprintf("%d bytes, SHA-256 %x", len(body), sha256.Sum256(body))
}

func fieldLines(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}

// recorded is a request as upstream has it.
type recorded struct {
	method, target, host, header, trailer string
	length                                int64 // -1: chunked
	body                                  string
	fault                                 string // why it is none, or not all of one
}

// essence leaves out how a body is framed: bearerd gives the length of one that came in chunks.
func essence(all []recorded) []recorded {
	list := slices.Clone(all)
	for i := range list {
		list[i].length = 0
	}
	return list
}

// transcript is an upstream that keeps what it is asked. The request chooses the answer: see upstreamAnswers.
type transcript struct {
	listener net.Listener
	mu       sync.Mutex
	seen     []recorded
	open     map[net.Conn]bool
}

func newTranscript(f testing.TB) *transcript {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	u := &transcript{listener: l, open: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.open[c] = true
			u.mu.Unlock()
			wg.Go(func() { u.attend(c) })
		}
	})
	f.Cleanup(func() {
		_ = l.Close()
		u.mu.Lock()
		for c := range u.open {
			_ = c.Close()
		}
		u.mu.Unlock()
		wg.Wait()
	})
	return u
}

func (u *transcript) address() string { return u.listener.Addr().String() }

func (u *transcript) attend(c net.Conn) {
	defer func() {
		_ = c.Close()
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.open, c)
	}()
	for r := bufio.NewReader(c); ; {
		if _, err := r.Peek(1); err != nil {
			return
		}
		req, err := http.ReadRequest(r)
		if err != nil {
			u.note(recorded{fault: err.Error()})
			return
		}
		body, err := io.ReadAll(req.Body)
		answer, known := upstreamAnswers[req.Header.Get("X-Answer")]
		if !known {
			answer = upstreamAnswers["0"]
		}
		req.Header.Del("Content-Length")
		s := recorded{
			method: req.Method, target: req.RequestURI, host: strings.Replace(req.Host, u.address(), "UPSTREAM", 1), header: fieldLines(req.Header),
			trailer: fieldLines(req.Trailer), length: req.ContentLength, body: string(body),
		}
		if err != nil {
			s.fault = err.Error()
		}
		u.note(s)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		if ends(answer) {
			return
		}
	}
}

func (u *transcript) note(s recorded) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, s)
}

func (u *transcript) take() (list []recorded) {
	u.mu.Lock()
	defer u.mu.Unlock()
	list, u.seen = u.seen, nil
	return list
}
