package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The oldest idle connection gives way to a new one; those with a request under way never do.
func TestMaxConnections(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.cfg.Proxy.MaxConnections = 16
		up := silentStream(t)
		f.serve(unguarded("s", up.url()))
		oldest := f.dial()
		eventually(t, "it is there", func() bool { return f.connections() == 1 })
		var others []net.Conn
		for range 15 {
			others = append(others, f.dial())
		}
		eventually(t, "all are there", func() bool { return f.connections() == 16 })
		busy := openStream(t, f, getS)
		if _, err := oldest.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("the oldest is not closed: %v", err)
		}
		for range 15 {
			others = append(others, openStream(t, f, getS))
		}
		last := f.dial()
		resp := must(http.ReadResponse(bufio.NewReader(last), nil))(t)
		if resp.StatusCode != 503 || resp.Header.Get(ReasonHeader) != "too_many" || resp.Header.Get("Retry-After") == "" {
			t.Errorf("one too many is answered with %d %v", resp.StatusCode, resp.Header)
		}
		_ = busy.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := busy.Read(make([]byte, 64)); err == io.EOF {
			t.Error("a busy connection has given way")
		}
		for _, c := range append(others, busy) {
			_ = c.Close()
		}
		f.wantNoneOpen()
		eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
		_ = openStream(t, f, getS).Close()
		f.wantNoneOpen()
	})
}

// However a connection ends, it counts no longer.
func TestConnectionsAreCountedUntilTheirEnd(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.shortLimits()
		own := unguarded("u", newRawPeer(t, whenAsked(okay)).url())
		own.Listen = "unix:" + socketPath(t)
		f.serve(own, unguarded("s", newRawPeer(t, whenAsked(okay)).url()), unguarded("odd", newRawPeer(t, whenAsked("HTTP/1.1 200 OK\r\nPragma: x\r\nContent-Length: 2\r\n\r\nok")).url()))
		places := [][2]string{{"unix", strings.TrimPrefix(own.Listen, "unix:")}}
		for _, at := range f.proxy.Bound(f.cfg.Proxy.Listen) {
			places = append(places, [2]string{"tcp", at})
		}
		for _, place := range places {
			for _, message := range []string{
				"", "G", getS, postS, getS + getS, strings.Replace(getS, "/s", "/odd", 1), strings.Replace(getS, "/s", "/mcp", 1), "\x16\x03\x01\x00\r\n\r\n",
				strings.Replace(getS, "/s", "/other", 1), "POST /s" + post + "9999999\r\n\r\n", "POST /s" + post + "10\r\n\r\n", h2Preface + noWindow + getH2(1),
				"GET /s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
			} {
				for _, end := range []string{"waits", "leaves", "ends its half"} {
					c := must(net.Dial(place[0], place[1]))(t)
					_, _ = io.WriteString(c, message)
					switch end {
					case "waits":
						t.Cleanup(func() { _ = c.Close() })
					case "leaves":
						_ = c.Close()
					case "ends its half":
						_ = c.(interface{ CloseWrite() error }).CloseWrite()
						t.Cleanup(func() { _ = c.Close() })
					}
				}
			}
		}
		f.wantNoneOpen()
	})
}

const crowdEnv = "BEARERD_TEST_CROWD" // ADDRESS COUNT REQUEST

// TestCrowd is the process that opens many connections. It is none of the tests.
func TestCrowd(t *testing.T) {
	at, rest, ok := strings.Cut(os.Getenv(crowdEnv), " ")
	if !ok {
		t.Skip("it is run by TestTenThousandIdleConnections")
	}
	count, request, _ := strings.Cut(rest, " ")
	var open []net.Conn
	for range must(strconv.Atoi(count))(t) {
		c := must(net.Dial("tcp", at))(t)
		_ = must(io.WriteString(c, request))(t)
		if request != "" {
			_ = must(io.ReadFull(c, make([]byte, len(okay))))(t)
		}
		open = append(open, c)
	}
	fmt.Println("ready")
	for _, c := range open { // until all are closed, or nobody wants them any more
		go func() { _, _ = io.Copy(os.Stderr, c) }()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0) // its connections end with it, at once
}

// Ten thousand idle connections cost bounded memory, others are served meanwhile, and they end in time.
func TestTenThousandIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const count = 9500 // of 20,000 descriptors, of which the dialer's are not ours
	for name, request := range map[string]string{
		"new": "", "common": getS, "uncommon": "GET /s HTTP/1.1\r\nHost: localhost\r\nPragma: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.cfg.Proxy.MaxConnections, f.cfg.Proxy.HeadTimeout = 2*count, time.Minute
			up := newRawPeer(t, whenAsked(okay))
			f.serve(unguarded("s", up.url()))
			before := resident(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrowd$")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", crowdEnv, f.proxy.Bound(f.cfg.Proxy.Listen)[0], count, request))
			stdin, stdout := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Wait() }()
			defer stdin.Close()
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
				t.Fatalf("the crowd says %q, %v", line, err)
			}
			eventually(t, "all are there", func() bool { return f.connections() == count })
			each := (resident(t) - before) / count
			t.Logf("%s: %.1f KiB each", name, float64(each)/1024)
			if each > mostForIdle {
				t.Errorf("an idle connection costs %d bytes", each)
			}
			start := time.Now()
			for range 20 {
				if got := speak(t, f, getS, 100); !strings.HasSuffix(got, "ok") {
					t.Errorf("another caller gets %q", got)
				}
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("20 requests of others took %v", took)
			}
			_ = stdin.Close()
			f.wantNoneOpen()
		})
	}
}

// resident is the memory of this process, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	heap()
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))(t)))
	return int64(must(strconv.Atoi(fields[1]))(t)) * int64(os.Getpagesize())
}

// A stream that has brought a large event costs no more than another one while it is silent.
func TestSilentStreamsAfterALargeEvent(t *testing.T) {
	const count = 100
	f := newFixture(t)
	event := "data: " + strings.Repeat("x", 16<<10) + "\n\n"
	up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
		if readRequest(r) {
			_, _ = fmt.Fprintf(c, "%s%x\r\n%s\r\n", sse, len(event), event)
			untilClosed(r)
		}
	})
	f.serve(unguarded("s", up.url()))
	before := heap()
	for range count {
		c := f.dial()
		_, _ = io.WriteString(c, getS)
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "data: ") {
				break
			}
		}
	}
	eventually(t, "the streams are thin", func() bool { return (heap()-before)/count <= 2*mostForIdle })
	t.Logf("%.1f KiB each", float64(heap()-before)/count/1024)
}
