package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// The tests of what passes hold without the fast path too.
func TestTransparentWithoutTheFastPath(t *testing.T) {
	fastPath = false
	defer func() { fastPath = true }()
	for name, test := range map[string]func(*testing.T){
		"requests": TestRequestsPassByteForByte, "sparse": TestNothingIsAddedToASparseRequest,
		"answers": TestAnswersPassByteForByte, "trailers": TestTrailersPass, "reason": TestTheReasonIsBearerdsAlone,
		"trailing challenge": TestChallengeInATrailerDoesNotPass, "bodies": TestBodiesWithoutALength,
		"methods": TestOtherMethodsAreRefused, "events": TestEventsArriveOneByOne, "silence": TestSilentStream,
		"disconnect": TestDisconnectBeforeTheAnswer, "aborted": TestAbortedAnswersAreSeenAsTruncated,
		"broken": TestBrokenConnectionIsNotRepeated, "header only": TestTokenInHeaderOnly,
		"one replay": TestChallengeIsAnsweredByOneReplay, "no challenge": TestRefusalWithoutChallenge,
		"replay limit": TestReplayLimit, "refused again": TestRefusedAgain, "redirects": TestRedirectsAreNotFollowed,
		"status": TestImpossibleStatus, "host and origin": TestHostAndOrigin, "exact path": TestOnlyTheExactPath,
		"headers": TestConfiguredHeaders,
	} {
		t.Run(name, test)
	}
}

// A stream is not cut, however long it is silent; nor is its caller's connection.
func TestIdleStreamIsNotCut(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		const limit = 100 * time.Millisecond
		f.cfg.Proxy.HeadTimeout, f.cfg.Proxy.BodyTimeout = limit, limit
		f.cfg.Proxy.IdleTimeout, f.cfg.Proxy.WriteTimeout = limit, limit
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			c := events(w)
			for range 2 {
				select {
				case <-time.After(5 * limit):
				case <-r.Context().Done():
					return
				}
				_, _ = io.WriteString(w, "data: 1\n\n")
				_ = c.Flush()
			}
		})
		f.serve(f.server("search", up.URL))
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			resp := f.open(t.Context(), method, "search")
			if all, err := io.ReadAll(resp.Body); string(all) != "data: 1\n\ndata: 1\n\n" || err != nil {
				t.Errorf("%s: %q, %v", method, all, err)
			}
			_ = resp.Body.Close()
		}
	})
}

// 401 does not end the stream that is open: upstream does, and the next request carries the new token.
func TestTokenRefusedWhileAStreamIsOpen(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		end, tokens := make(chan struct{}), make(chan string, 9)
		up := upstream(t, f.wantsToken(bearer, func(w http.ResponseWriter, r *http.Request) {
			tokens <- strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if r.Method != http.MethodGet {
				return
			}
			events(w)
			select {
			case <-end:
			case <-r.Context().Done():
			}
		}))
		f.serve(f.server("search", up.URL))
		resp := f.open(t.Context(), http.MethodGet, "search")
		defer resp.Body.Close()
		first := receive(t, tokens, "the stream")
		f.as.Revoke(first)
		if a := f.post("search"); a.StatusCode != http.StatusOK {
			t.Errorf("a request beside the stream: %d %s", a.StatusCode, a.body)
		}
		second := receive(t, tokens, "the request")
		close(end)
		if all, err := io.ReadAll(resp.Body); len(all) != 0 || err != nil {
			t.Errorf("the stream: %q, %v", all, err)
		}
		again := f.open(t.Context(), http.MethodGet, "search")
		_ = again.Body.Close()
		if third := receive(t, tokens, "the next stream"); first == second || third != second {
			t.Error("the next stream does not carry the new token")
		}
	})
}

// zeros is a body of a size that is not held anywhere.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// A request as large as allowed is streamed; one byte more is refused, whether its length is known or not.
func TestLargeRequests(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		var most atomic.Uint64
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			n, err := io.CopyN(io.Discard, r.Body, 32<<20)
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most.Store(m.HeapAlloc)
			rest, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n+rest, err)
		})
		f.serve(f.server("search", up.URL))
		f.post("search") // everything is set up
		limit := int64(f.cfg.Proxy.MaxBodyBytes)
		if limit != 64<<20 {
			t.Fatalf("the limit is %d", limit)
		}
		for _, known := range []bool{true, false} {
			var before runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			if a := f.do(f.upload(limit, known)); a.body != fmt.Sprint(limit, nil) {
				t.Errorf("length known %v: %d %s", known, a.StatusCode, a.body)
			}
			if grown := int64(most.Load()) - int64(before.HeapAlloc); grown > 16<<20 {
				t.Errorf("length known %v: %d bytes are held halfway", known, grown)
			}
			resp, err := f.client.Do(f.upload(limit+1, known))
			if err != nil {
				t.Errorf("one byte more, length known %v: %v", known, err)
				continue
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge || resp.Header.Get(ReasonHeader) == "" {
				t.Errorf("one byte more, length known %v: %d", known, resp.StatusCode)
			}
		}
	})
}

func (f *fixture) upload(size int64, known bool) *http.Request {
	req := f.request(http.MethodPost, "search", "")
	req.Body, req.ContentLength = io.NopCloser(&zeros{size}), -1
	if known {
		req.ContentLength = size
	}
	return req
}

// withTLS is a fixture whose authorization server's CA has signed the upstream's certificate, too.
func withTLS(t *testing.T) *fixture {
	t.Helper()
	f := withServer(t, oauthtest.New)
	f.ca = secrets.Ref{Kind: secrets.File, Name: filepath.Join(t.TempDir(), "ca.pem")}
	if err := f.as.WriteCA(f.ca.Name); err != nil {
		t.Fatal(err)
	}
	return f
}

// Callers may speak HTTP/2 without TLS, upstream HTTP/2: one connection each, streams that end when the other side does, and
// trailers.
func TestHTTP2OnBothSides(t *testing.T) {
	f := withTLS(t)
	ended, began := make(chan struct{}, 1), make(chan string, 9)
	up := tlsUpstream(t, f, f.wantsToken(bearer, func(w http.ResponseWriter, r *http.Request) {
		began <- r.Proto + " " + r.Header.Get("Cookie")
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "X-Sum")
			_, _ = w.Write(body)
			w.Header().Set("X-Sum", "42")
			return
		}
		c := events(w)
		_, _ = io.WriteString(w, ": hi\n\n")
		_ = c.Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	f.serve(f.server("search", up.URL))
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	var dials atomic.Int32
	transport := &http.Transport{Protocols: protocols, DisableCompression: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}
	t.Cleanup(transport.CloseIdleConnections)
	f.client.Transport = transport
	ctx, cancel := context.WithCancel(t.Context())
	stream := f.open(ctx, http.MethodGet, "search")
	defer stream.Body.Close()
	if line, err := bufio.NewReader(stream.Body).ReadString('\n'); line != ": hi\n" || stream.ProtoMajor != 2 {
		t.Errorf("%s: %q, %v", stream.Proto, line, err)
	}
	receive(t, began, "the stream")
	req := f.request(http.MethodPost, "search", call)
	req.Header.Set("Cookie", "a=1; b=2")
	if a := f.do(req); a.body != call || a.Trailer.Get("X-Sum") != "42" || a.ProtoMajor != 2 {
		t.Errorf("%d %s, trailer %v", a.StatusCode, a.body, a.Trailer)
	}
	if got := receive(t, began, "the request"); got != "HTTP/2.0 a=1; b=2" {
		t.Errorf("upstream saw %q", got)
	}
	cancel()
	receive(t, ended, "cancelling upstream")
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

// Upstream asks for a client certificate of its CA: that of the server's own settings is shown to it.
func TestUpstreamThatWantsACertificate(t *testing.T) {
	f := withTLS(t)
	cert, key, err := f.as.WriteClientCert(t.TempDir(), "search")
	if err != nil {
		t.Fatal(err)
	}
	up := tlsUpstream(t, f, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "no certificate", http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	with, without := f.server("with", up.URL), f.server("without", up.URL)
	with.OAuth.UseMTLS = true
	with.OAuth.ClientCertPath = secrets.Ref{Kind: secrets.File, Name: cert}
	with.OAuth.ClientKeyPath = secrets.Ref{Kind: secrets.File, Name: key}
	f.serve(with, without)
	if a := f.post("with"); a.body != "search" {
		t.Errorf("with a certificate: %d %s", a.StatusCode, a.body)
	}
	if a := f.post("without"); a.StatusCode != http.StatusForbidden {
		t.Errorf("without one: %d %s", a.StatusCode, a.body)
	}
}

// A caller that waits to be told so sends its body, and upstream is not asked to wait.
func TestExpectContinue(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		at, requests := rawUpstream(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		f.serve(f.server("search", at))
		c := must(net.Dial("tcp", f.proxy.Bound(f.cfg.Proxy.Listen)[0]))(t)
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patient))
		_, _ = fmt.Fprintf(c, "POST /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n"+
			"Content-Length: %d\r\nAuthorization: Bearer %s\r\n\r\n", len(call), f.keys.Issue("search", "t").Reveal())
		r := bufio.NewReader(c)
		if got := readMessage(r); got != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Fatalf("before the body came %q", got)
		}
		_, _ = io.WriteString(c, call)
		if got := string(must(io.ReadAll(r))(t)); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nok") {
			t.Errorf("then %q", got)
		}
		got := receive(t, requests, "the request")
		if !strings.HasSuffix(got, "\r\n\r\n"+call) || strings.Contains(got, "Expect") {
			t.Errorf("upstream saw %q", headLines(got)[:2])
		}
	})
}

// What would have a client start an OAuth of its own is never there, in whatever form it is asked for.
func TestWellKnownIsNeverThere(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		up := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s reached upstream", r.URL) })
		f.serve(f.server("search", up.URL+"/mcp"), f.server("well-known", up.URL+"/mcp"), f.server("oauth-protected-resource", up.URL))
		mark := f.keys.mark("search", up.URL, "/message")
		for _, path := range []string{
			"/.well-known", "/.well-known/", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/search",
			"//.well-known/oauth-authorization-server", "/%2ewell-known/oauth-protected-resource", "/%2Ewell%2Dknown/openid-configuration",
			"/.well-known%2foauth-protected-resource", "/.well-known//oauth-protected-resource", "/./.well-known/openid-configuration",
			"/search/.well-known/oauth-protected-resource", "/search/../.well-known/oauth-protected-resource", "/.WELL-KNOWN/openid-configuration",
			"/well-known/oauth-protected-resource", "/.well-known/well-known", "/search/~" + mark + "/.well-known/oauth-protected-resource",
			"/.well-known/~" + mark + "/message", "/search/~.well-known/message",
		} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				got := f.raw(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Bearer " +
					f.keys.Issue("search", "t").Reveal() + "\r\n\r\n")
				if !strings.HasPrefix(got, "HTTP/1.1 404 Not Found\r\n") || !slices.Contains(headLines(got), ReasonHeader+": http_404") {
					t.Errorf("%s %s: %.60q", method, path, got)
				}
			}
		}
	})
}
