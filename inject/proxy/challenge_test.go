package proxy

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

const bearer = `Bearer realm="mcp", error="invalid_token", resource_metadata="https://mcp.example/.well-known/oauth-protected-resource"`

// recorder keeps the bodies and tokens that reached an upstream.
type recorder struct {
	mu     sync.Mutex
	bodies []string
	tokens []string
}

func (rec *recorder) around(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.bodies = append(rec.bodies, string(body))
		rec.tokens = append(rec.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		rec.mu.Unlock()
		h(w, r)
	}
}

func (rec *recorder) count() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return len(rec.bodies)
}

// revoked is a fixture whose token upstream has taken once and now refuses.
func revoked(t *testing.T, challenge string) (*fixture, *recorder) {
	t.Helper()
	f, rec := newFixture(t), &recorder{}
	up := upstream(t, rec.around(f.wantsToken(challenge, say("ok"))))
	f.serve(f.server("search", up.URL))
	if a := f.post("search"); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	f.as.Revoke(rec.tokens[0])
	return f, rec
}

func TestChallengeIsAnsweredByOneReplay(t *testing.T) {
	for name, body := range map[string]string{
		"small":          call,
		"at the limit":   strings.Repeat("\x00\xff", replayLimit/2),
		"GET":            "",
		"without length": "chunked " + call,
	} {
		t.Run(name, func(t *testing.T) {
			f, rec := revoked(t, bearer)
			req := f.request(http.MethodPost, "search", body)
			switch name {
			case "GET":
				req.Method = http.MethodGet
			case "without length":
				req.ContentLength = -1
			}
			if a := f.do(req); a.StatusCode != 200 || a.body != "ok" {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if rec.count() != 3 || rec.bodies[1] != body || rec.bodies[2] != body {
				t.Errorf("%d requests reached upstream, with other bodies than %d bytes", rec.count(), len(body))
			}
			if rec.tokens[1] != rec.tokens[0] || rec.tokens[2] == rec.tokens[0] {
				t.Error("the replay does not carry a new token")
			}
			if f.tokenRequests() != 2 {
				t.Errorf("%d token requests", f.tokenRequests())
			}
		})
	}
}

func TestChallengeAmongOtherSchemes(t *testing.T) {
	f, rec := revoked(t, `Basic realm="x", bearer`)
	if a := f.post("search"); a.StatusCode != 200 || rec.count() != 3 {
		t.Errorf("%d %s after %d requests", a.StatusCode, a.body, rec.count())
	}
}

// TestRefusalWithoutChallenge: such a 401 may be relayed by a server that has acted already.
func TestRefusalWithoutChallenge(t *testing.T) {
	for _, challenge := range []string{"", `Basic realm="Bearer"`, "BearerX"} {
		f, rec := revoked(t, challenge)
		a := f.post("search")
		wantRefused(t, a, 502, "search", "not retried", "send it again")
		wantPrefix(t, a, "OAuth token invalid")
		if rec.count() != 2 || f.tokenRequests() != 2 {
			t.Errorf("%q: %d upstream and %d token requests", challenge, rec.count(), f.tokenRequests())
		}
		if a := f.post("search"); a.StatusCode != 200 {
			t.Errorf("%q: sent again: %d %s", challenge, a.StatusCode, a.body)
		}
	}
}

// TestReplayLimit is 4 MiB to the byte, as the documentation says.
func TestReplayLimit(t *testing.T) {
	f, rec := revoked(t, bearer)
	if a := f.do(f.request(http.MethodPost, "search", strings.Repeat("x", 4<<20))); a.StatusCode != 200 || rec.count() != 3 {
		t.Errorf("4 MiB: %d %s after %d requests", a.StatusCode, a.body, rec.count())
	}
	for _, known := range []bool{true, false} {
		f, rec := revoked(t, bearer)
		req := f.request(http.MethodPost, "search", strings.Repeat("x", 4<<20+1))
		if !known {
			req.ContentLength = -1
		}
		a := f.do(req)
		for _, part := range []string{"not retried", "too large to send again (see replay_bytes)", `"id":null`} {
			if a.StatusCode != 502 || !strings.Contains(a.body, part) {
				t.Errorf("no %q in %d %s", part, a.StatusCode, a.body)
			}
		}
		wantPrefix(t, a, "OAuth token invalid")
		if rec.count() != 2 || len(rec.bodies[1]) != 4<<20+1 {
			t.Errorf("%d requests reached upstream", rec.count())
		}
	}
}

// TestRefusalWithoutItsBody: upstream sends the head of a 401 and nothing more.
func TestRefusalWithoutItsBody(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", bearer)
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusUnauthorized)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	f.serve(f.server("search", up.URL))
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	wantRefused(t, f.do(f.request(http.MethodPost, "search", call).WithContext(ctx)), 502, "search", "OAUTH_AUDIENCE")
}

func TestRefusedAgain(t *testing.T) {
	f := newFixture(t)
	var asked atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("WWW-Authenticate", bearer)
		http.Error(w, "no", http.StatusUnauthorized)
	})
	f.serve(f.server("search", up.URL))
	a := f.post("search")
	wantRefused(t, a, 502, `server "search"`, "OAUTH_AUDIENCE")
	wantPrefix(t, a, "OAuth token invalid")
	if asked.Load() != 2 || f.tokenRequests() != 2 {
		t.Errorf("%d upstream and %d token requests", asked.Load(), f.tokenRequests())
	}
	// The next ones do not make a storm of token requests.
	for range 5 {
		a := f.post("search")
		wantRefused(t, a, 502, `server "search"`, "OAUTH_AUDIENCE")
		wantPrefix(t, a, "OAuth token invalid")
	}
	if f.tokenRequests() != 2 {
		t.Errorf("%d token requests", f.tokenRequests())
	}
}

func TestManyChallengesAtOnce(t *testing.T) {
	f, rec := revoked(t, bearer)
	const callers = 100
	answers := make(chan int, callers)
	for range callers {
		req := f.request(http.MethodPost, "search", call)
		go func() {
			resp, err := f.client.Do(req)
			if err != nil {
				answers <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			answers <- resp.StatusCode
		}()
	}
	failed := 0
	for range callers {
		if receive(t, answers, "an answer") != 200 {
			failed++
		}
	}
	if failed > 0 || f.tokenRequests() != 2 {
		t.Errorf("%d of %d calls failed, %d token requests; upstream saw %d", failed, callers, f.tokenRequests(), rec.count())
	}
}

func TestChallengeThatCannotBeMet(t *testing.T) {
	f, rec := revoked(t, bearer)
	f.as.Fail(1, oauthtest.OAuthError(400, "invalid_client", "canary-description"))
	a := f.post("search")
	wantRefused(t, a, 502, "search", "invalid_client", "OAUTH_CLIENT_SECRET")
	wantPrefix(t, a, "OAuth token invalid")
	if strings.Contains(a.body, "canary") || rec.count() != 2 {
		t.Errorf("%s after %d requests", a.body, rec.count())
	}
}

// TestChallengeWhileTheServerChanges: the old settings get no new token, no other host gets the request, and the answer says what
// to do.
func TestChallengeWhileTheServerChanges(t *testing.T) {
	f := newFixture(t)
	old := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		f.serve(f.server("search", "http://127.0.0.1:1/other"))
		w.Header().Set("WWW-Authenticate", bearer)
		w.WriteHeader(http.StatusUnauthorized)
	})
	f.serve(f.server("search", old.URL))
	wantRefused(t, f.post("search"), 502, "search", "ask again")
}

func TestNoToken(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached upstream") })
	f.serve(f.server("search", up.URL))
	f.as.Fail(1, oauthtest.OAuthError(401, "invalid_client", "canary-description"))
	for range 2 { // the second one is told without asking again
		a := f.post("search")
		wantRefused(t, a, 503, "search", "invalid_client", "OAUTH_CLIENT_SECRET")
		wantPrefix(t, a, "OAuth token invalid")
		if strings.Contains(a.body, "canary") || a.Header.Get("Retry-After") < "1" {
			t.Errorf("Retry-After %q, %s", a.Header.Get("Retry-After"), a.body)
		}
	}
	if f.tokenRequests() != 1 {
		t.Errorf("%d token requests", f.tokenRequests())
	}
}

func TestRetryAfterOfTheAuthorizationServer(t *testing.T) {
	f := newFixture(t)
	f.serve(f.server("search", "http://127.0.0.1:1/"), f.server("other", "http://127.0.0.1:1/"))
	f.as.Fail(1, oauthtest.TooMany("90"))
	a := f.post("search")
	wantRefused(t, a, 503, "search", "HTTP 429")
	if s, _ := strconv.Atoi(a.Header.Get("Retry-After")); s < 89 || s > 91 {
		t.Errorf("Retry-After %s", a.Header.Get("Retry-After"))
	}
	// A code that no RFC knows is the authorization server's own text, as its description is.
	f.as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Retry-After", "90")
		oauthtest.OAuthError(400, "canary-code", "canary-description")(w, r, next)
	})
	a = f.post("other")
	wantRefused(t, a, 503, "other", "HTTP 400")
	if strings.Contains(a.body, "canary") {
		t.Error(a.body)
	}
}

func TestExpiredToken(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	f.serve(f.server("search", up.URL))
	f.as.SetLifetime(time.Second)
	f.post("search")
	expiry := must(f.engine.Source("search"))(t).Status().ExpiresAt
	f.as.Fail(1, oauthtest.OAuthError(400, "invalid_client", "canary-description"))
	<-time.After(time.Until(*expiry))
	a := f.post("search")
	wantRefused(t, a, 503, "search", "invalid_client")
	wantPrefix(t, a, "OAuth token expired")
	if strings.Contains(a.body, "canary") || a.Header.Get("Retry-After") == "" {
		t.Errorf("Retry-After %q, %s", a.Header.Get("Retry-After"), a.body)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	f := newFixture(t)
	other := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	var status atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", other.URL+"/canary-location")
		w.WriteHeader(int(status.Load()))
	})
	f.serve(f.server("search", up.URL))
	for _, s := range []int32{301, 302, 303, 307, 308} {
		status.Store(s)
		a := f.post("search")
		wantRefused(t, a, 502, `server "search"`, "redirect", "url")
		if strings.Contains(a.body, "canary") || a.Header.Get("Location") != "" {
			t.Errorf("%d: Location %q, %s", s, a.Header.Get("Location"), a.body)
		}
	}
}

// TestImpossibleStatus: net/http would panic on passing some of these on.
func TestImpossibleStatus(t *testing.T) {
	for _, status := range []string{"000", "099", "101"} {
		f := newFixture(t)
		url, _ := rawUpstream(t, "HTTP/1.1 "+status+" What\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n")
		f.serve(f.server("search", url))
		wantRefused(t, f.post("search"), 502, "search")
		if strings.Contains(f.log.String(), "panic") {
			t.Errorf("%s: the log holds %s", status, f.log)
		}
	}
}

func TestServerWithoutToken(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Values("Authorization"); v != nil {
			t.Errorf("Authorization %q", v)
		}
		w.Header().Set("WWW-Authenticate", bearer)
		w.WriteHeader(http.StatusUnauthorized)
	})
	plain := f.server("search", up.URL)
	plain.OAuth = nil
	f.serve(plain)
	a := f.post("search")
	if a.StatusCode != 401 || a.Header.Get("WWW-Authenticate") != bearer || f.tokenRequests() != 0 {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}

func TestUpstreamThatIsAway(t *testing.T) {
	f := newFixture(t)
	f.serve(f.server("search", "http://127.0.0.1:1/mcp"))
	wantRefused(t, f.post("search"), 502, `server "search" cannot be reached`, "127.0.0.1:1: connection refused", "is url right?")
	if !strings.Contains(f.log.String(), "connection refused") {
		t.Errorf("the log does not say why: %s", f.log)
	}
}

func TestARequestThatWaitsForATokenGoesOnWithNewSettings(t *testing.T) {
	f := newFixture(t)
	asked := make(chan struct{})
	f.as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(asked)
		oauthtest.Hang()(w, r, next)
	})
	before, after := upstream(t, say("before")), upstream(t, say("after"))
	f.serve(f.server("search", before.URL))
	got := make(chan answer)
	go func() { got <- f.do(f.request("POST", "search", "{}")) }()
	receive(t, asked, "the token request")
	f.serve(f.server("search", after.URL))
	if a := receive(t, got, "the answer"); a.StatusCode != 200 || a.body != "after" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestARequestThatWaitsForATokenMeetsTheNewGuard(t *testing.T) {
	f := newFixture(t)
	asked := make(chan struct{})
	f.as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(asked)
		oauthtest.Hang()(w, r, next)
	})
	up := upstream(t, say("reached"))
	open := f.server("search", up.URL)
	open.LocalAuth = "none"
	f.serve(open)
	got := make(chan answer)
	req := f.request("POST", "search", "{}")
	req.Header.Del("Authorization")
	go func() { got <- f.do(req) }()
	receive(t, asked, "the token request")
	closed := f.server("search", up.URL)
	closed.OAuth.Scope = "other"
	f.serve(closed)
	if a := receive(t, got, "the answer"); a.StatusCode != 403 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
