package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// upstreamOf is an Upstream for a server of the fixture, and what sends a message through it.
func upstreamOf(f *fixture, url string) (*Upstream, func(url string, body io.Reader) answer) {
	f.t.Helper()
	s := f.server("search", url)
	cfg := *f.cfg
	cfg.Servers = append(cfg.Servers, s)
	plan := f.engine.Prepare(&cfg)
	u := must(NewUpstream(s, plan.Source("search"), f.resolve, f.proxy.log))(f.t)
	plan.Commit()
	f.t.Cleanup(u.Close)
	return u, func(url string, body io.Reader) answer {
		f.t.Helper()
		r := must(http.NewRequestWithContext(f.t.Context(), http.MethodPost, url, body))(f.t)
		resp := must(u.RoundTrip(r))(f.t)
		defer resp.Body.Close()
		return answer{resp, string(must(io.ReadAll(resp.Body))(f.t))}
	}
}

func TestUpstreamRenewsTheTokenOnce(t *testing.T) {
	f, rec := newFixture(t), &recorder{}
	up := upstream(t, rec.around(f.wantsToken(bearer, say("ok"))))
	_, send := upstreamOf(f, up.URL)
	if a := send(up.URL, strings.NewReader(call)); a.body != "ok" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	f.as.Revoke(rec.tokens[0])
	big := strings.Repeat("x", 5<<20) // it is in memory anyhow, so that the proxy's limit does not hold
	if a := send(up.URL, strings.NewReader(big)); a.body != "ok" || rec.count() != 3 || rec.bodies[2] != big {
		t.Errorf("%d %s after %d requests", a.StatusCode, a.body, rec.count())
	}
}

func TestUpstreamResendsABodyWithoutGetBody(t *testing.T) {
	f, rec := newFixture(t), &recorder{}
	up := upstream(t, rec.around(f.wantsToken(bearer, say("ok"))))
	_, send := upstreamOf(f, up.URL)
	send(up.URL, nil)
	f.as.Revoke(rec.tokens[0])
	if a := send(up.URL, io.MultiReader(strings.NewReader(call))); a.body != "ok" || rec.bodies[1] != call || rec.bodies[2] != call {
		t.Errorf("%d %s, %q", a.StatusCode, a.body, rec.bodies)
	}
}

func TestUpstreamRefusesInJSONRPC(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	_, send := upstreamOf(f, up.URL+"/mcp")
	wantRefused(t, send(up.URL+"/mcp", strings.NewReader(call)), 502, "not retried")
	wantRefused(t, send(up.URL+"/redirect", strings.NewReader(call)), 502, "redirect")
	up.Close()
	wantRefused(t, send(up.URL+"/mcp", bytes.NewReader([]byte(call))), 502, "the server", "127.0.0.1:")
}

func TestUpstreamSendsToItsOriginOnly(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.String()) })
	_, send := upstreamOf(f, up.URL+"/mcp?a=1")
	if a := send(up.URL+"/other?b=2#f", nil); a.body != "/other?b=2" {
		t.Errorf("it asked for %s", a.body)
	}
	other := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("the token went elsewhere") })
	for _, url := range []string{other.URL + "/mcp", strings.Replace(up.URL, "http:", "https:", 1), strings.Replace(up.URL, "127.0.0.1", "localhost", 1)} {
		wantRefused(t, send(url, strings.NewReader(call)), 502, "another origin")
	}
}

func TestUpstreamWhoseSourceIsGone(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	_, send := upstreamOf(f, up.URL)
	send(up.URL, nil)
	f.engine.Prepare(f.cfg).Commit() // the server is not in it any more
	if a := send(up.URL, strings.NewReader(call)); a.StatusCode != 503 || !json.Valid([]byte(a.body)) || a.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestUpstreamEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	seen := make(chan struct{})
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else net/http does not notice the end
		close(seen)
		<-r.Context().Done()
	})
	u, _ := upstreamOf(f, up.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-seen; cancel() }()
	r := must(http.NewRequestWithContext(ctx, http.MethodPost, up.URL, strings.NewReader(call)))(t)
	if resp, err := u.RoundTrip(r); !errors.Is(err, context.Canceled) {
		_ = resp.Body.Close()
		t.Errorf("%v", err)
	}
}

// A request that has no token when the settings were edited, and edited again, is sent by the last.
func TestUpstreamYieldsToTheLast(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, f.wantsToken("Bearer", say("ok")))
	chain := make([]*Upstream, 3)
	for i := range chain {
		s := f.server("search", up.URL)
		s.OAuth.Scope = strconv.Itoa(i)
		cfg := *f.cfg
		cfg.Servers = append(cfg.Servers, s)
		plan := f.engine.Prepare(&cfg)
		chain[i] = must(NewUpstream(s, plan.Source("search"), f.resolve, f.proxy.log))(t)
		t.Cleanup(chain[i].Close)
		if i > 0 {
			chain[i-1].Yield(chain[i])
		}
		plan.Commit()
	}
	resp := must(chain[0].RoundTrip(must(http.NewRequestWithContext(t.Context(), http.MethodPost, up.URL, strings.NewReader(call)))(t)))(t)
	defer resp.Body.Close()
	if body := string(must(io.ReadAll(resp.Body))(t)); body != "ok" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
