package proxy

import (
	"io"
	"strings"
	"testing"
	"time"
)

// frame is one of HTTP/2 (RFC 9113 §4.1).
func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}) + payload
}

const (
	h2Headers, h2Reset, h2Settings, h2Ping, h2Window, h2Continuation = 1, 3, 4, 6, 8, 9
	endStream, endHeaders                                            = 1, 4

	h2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// fieldBlock holds fields in the plainest form of HPACK (RFC 7541 §6.2.2).
func fieldBlock(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteByte(0)
		for _, s := range fields[i:][:2] {
			b.WriteByte(byte(len(s)))
			b.WriteString(s)
		}
	}
	return b.String()
}

func getH2(stream uint32) string {
	return frame(h2Headers, endStream|endHeaders, stream, fieldBlock(":method", "GET", ":scheme", "http", ":path", "/s", ":authority", "localhost"))
}

// noWindow are settings by which no byte of an answer may be sent (SETTINGS_INITIAL_WINDOW_SIZE = 0).
var noWindow = frame(h2Settings, 0, 0, "\x00\x04\x00\x00\x00\x00")

// Streams whose window is never opened end in time, and upstream is told.
func TestWindowThatIsNeverOpened(t *testing.T) {
	for name, answer := range map[string]string{
		"small":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"large":   "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + strings.Repeat("z", 5000000),
		"stream":  sse + "b\r\ndata: 123\n\n\r\n",
		"no size": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + strings.Repeat("z", 100000) + "\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.shortLimits()
			up := newRawPeer(t, whenAsked(answer))
			f.serve(unguarded("s", up.url()))
			c := f.dial()
			_ = must(io.WriteString(c, h2Preface+noWindow))(t)
			for i := range uint32(20) {
				_ = must(io.WriteString(c, getH2(2*i+1)))(t)
			}
			start := time.Now()
			eventually(t, "the requests wait", func() bool { return handlers("runHandler(") == 20 })
			eventually(t, "the connection, or its streams, end", func() bool {
				_, err := io.WriteString(c, frame(h2Ping, 0, 0, "12345678")) // it lives
				return err != nil || handlers("runHandler(") == 0
			})
			if took := time.Since(start); took > patient/2 {
				t.Errorf("it took %v", took)
			}
			_ = c.Close()
			f.wantNoneOpen()
		})
	}
}

// What floods a connection costs bounded memory, and others are served meanwhile.
func TestFloodsOfHTTP2(t *testing.T) {
	fill := strings.Repeat("z", 16<<10)
	for name, flood := range map[string]func(i uint32) string{
		"settings": func(uint32) string { return strings.Repeat(noWindow, 100) },
		"pings":    func(uint32) string { return strings.Repeat(frame(h2Ping, 0, 0, "12345678"), 100) },
		"resets":   func(i uint32) string { return getH2(2*i+1) + frame(h2Reset, 0, 2*i+1, "\x00\x00\x00\x08") },
		"windows":  func(i uint32) string { return strings.Repeat(frame(h2Window, 0, 0, "\x00\x00\x00\x01"), 100) },
		"streams":  func(i uint32) string { return getH2(2*i + 1) },
		"empty": func(i uint32) string {
			return frame(h2Headers, 0, 2*i+1, "") + strings.Repeat(frame(h2Continuation, 0, 2*i+1, ""), 100)
		},
		"continuation": func(i uint32) string {
			if i == 0 {
				return frame(h2Headers, 0, 1, "")
			}
			return frame(h2Continuation, 0, 1, fill)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.cfg.Proxy.WriteTimeout, f.cfg.Proxy.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond
			up := upstream(t, say("ok"))
			f.serve(unguarded("s", up.URL))
			before := heap()
			c := f.dial()
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			_, err := io.WriteString(c, h2Preface+noWindow)
			for i := uint32(0); err == nil && i < 20000; i++ {
				_, err = io.WriteString(c, flood(i)) // it reads nothing
			}
			if grown := heap() - before; grown > 16*mib {
				t.Errorf("it costs %d bytes", grown)
			}
			if got := speak(t, f, getS, 100); !strings.HasSuffix(got, "ok") {
				t.Errorf("another caller gets %q", got)
			}
			_ = c.Close()
			f.wantNoneOpen()
		})
	}
}
