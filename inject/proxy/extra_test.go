package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestConfiguredHeaders(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("key-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := make(chan http.Header, 1)
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	s := f.server("search", up.URL)
	s.Headers = map[string]secrets.Ref{
		"x-api-key": {Kind: secrets.File, Name: path}, "X-Tenant": secrets.LiteralRef("t1"),
	}
	f.serve(s)
	req := f.request(http.MethodPost, "search", call)
	req.Header.Set("X-Tenant", "the client's")
	req.Header.Set("Connection", "X-Api-Key, X-Tenant") // may not strip them
	f.do(req)
	got := receive(t, seen, "the request")
	if got.Get("X-Api-Key") != "key-1" || len(got["X-Tenant"]) != 1 || got.Get("X-Tenant") != "t1" {
		t.Errorf("%v", got)
	}
}

func TestHeaderThatCannotBeRead(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached upstream") })
	s := f.server("search", up.URL)
	s.Headers = map[string]secrets.Ref{"X-Api-Key": {Kind: secrets.Env, Name: "BEARERD_TEST_UNSET"}}
	f.serve(s)
	wantRefused(t, f.post("search"), 502, "search", "log")
	if log := f.log.String(); !strings.Contains(log, `X-Api-Key`) || !strings.Contains(log, "BEARERD_TEST_UNSET") {
		t.Errorf("the log does not say which: %s", log)
	}
}

func TestHeadersAreReadAgainAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value, reads := "one", 0
		h := &headers{reading: make(chan struct{}, 1),
			refs: map[string]secrets.Ref{"X-Api-Key": {Kind: secrets.Env, Name: "KEY"}},
			resolve: &secrets.Resolver{Getenv: func(string) (string, bool) {
				reads++
				return value, value != ""
			}},
		}
		check := func(want string, wantReads int) {
			t.Helper()
			out := http.Header{}
			err := h.set(context.Background(), out)
			if out.Get("X-Api-Key") != want || reads != wantReads || (err != nil) != (want == "") {
				t.Errorf("%q after %d reads, %v; want %q after %d", out.Get("X-Api-Key"), reads, err, want, wantReads)
			}
		}
		check("one", 1)
		value = "two"
		time.Sleep(headersAge)
		check("one", 1)
		time.Sleep(time.Nanosecond)
		check("two", 2)
		value = "" // it went away
		time.Sleep(headersAge + 1)
		check("", 3)
		value = "three"
		check("three", 4)
	})
}

// newRemoteHeaders are read with get, as from a Vault.
func newRemoteHeaders(get func(context.Context) (string, error)) (*headers, *logBuffer) {
	out := &logBuffer{}
	return &headers{reading: make(chan struct{}, 1),
		server: "search", log: slog.New(slog.NewTextHandler(out, nil)),
		refs:    map[string]secrets.Ref{"X-Api-Key": {Kind: secrets.Vault, Name: "mcp/search", Field: "key"}},
		resolve: &secrets.Resolver{Vault: func(ctx context.Context, _, _ string) (string, error) { return get(ctx) }},
	}, out
}

func TestRemoteHeaderKeepsItsLastValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value, down, reads := "canary-1", secrets.ErrUnavailable, 0
		h, log := newRemoteHeaders(func(context.Context) (string, error) {
			reads++
			return value, down
		})
		check := func(want string, wantReads int) {
			t.Helper()
			out := http.Header{}
			err := h.set(context.Background(), out)
			if out.Get("X-Api-Key") != want || reads != wantReads || (err != nil) != (want == "") {
				t.Errorf("%q after %d reads, %v; want %q after %d", out.Get("X-Api-Key"), reads, err, want, wantReads)
			}
			if err != nil && !errors.Is(err, secrets.ErrUnavailable) {
				t.Error(err)
			}
		}
		check("", 1) // there is no value yet
		down = nil
		check("canary-1", 2)
		down = secrets.ErrUnavailable
		time.Sleep(headersAge - headersJitter - 1)
		check("canary-1", 2)
		time.Sleep(2*headersJitter + 2)
		check("canary-1", 3)
		check("canary-1", 3) // an outage costs one read a minute, not one for each request
		value, down = "canary-2", nil
		time.Sleep(headersAge + headersJitter + 1)
		check("canary-2", 4)
		time.Sleep(headersAge + headersJitter + 1)
		check("canary-2", 5)
		text := log.String()
		if strings.Count(text, "cannot be read again") != 1 || strings.Count(text, "has a new value") != 1 ||
			strings.Count(text, "header=X-Api-Key") != 2 || strings.Contains(text, "canary") {
			t.Errorf("log: %s", text)
		}
	})
}

func TestSlowVaultDelaysOneRequestOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		h, _ := newRemoteHeaders(func(ctx context.Context) (string, error) {
			if slow {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "one", nil
		})
		set := func() time.Duration {
			start := time.Now()
			out := http.Header{}
			if err := h.set(context.Background(), out); err != nil || out.Get("X-Api-Key") != "one" {
				t.Errorf("%q, %v", out.Get("X-Api-Key"), err)
			}
			return time.Since(start)
		}
		set()
		slow = true
		time.Sleep(headersAge + headersJitter + 1)
		first := make(chan time.Duration)
		go func() { first <- set() }()
		synctest.Wait()
		if took := set(); took != 0 {
			t.Errorf("another request waited %v", took)
		}
		if took := <-first; took != rereadTimeout {
			t.Errorf("the first waited %v", took)
		}
	})
}

// TestCertificatesOfAVaultAreReadByTheFirstRequest: putting a configuration in force uses no network.
func TestCertificatesOfAVaultAreReadByTheFirstRequest(t *testing.T) {
	f := withServer(t, oauthtest.New)
	var reads, down atomic.Int32
	f.resolve.Vault = func(context.Context, string, string) (string, error) {
		reads.Add(1)
		if down.Load() > 0 {
			return "", secrets.ErrUnavailable
		}
		return string(f.as.CAPEM()), nil
	}
	f.ca = secrets.Ref{Kind: secrets.Vault, Name: "mcp/tls", Field: "ca"}
	up := tlsUpstream(t, f, f.wantsToken(bearer, say("ok")))
	s := f.server("search", up.URL)
	cfg := *f.cfg
	cfg.Servers = []*config.Server{s}
	source := f.engine.Prepare(&cfg).Source("search")
	rt := must(f.proxy.newRoute(&f.cfg.Proxy, "127.0.0.1:1", s, source))(t)
	if source == nil || reads.Load() != 0 || rt.transport.Load() != nil {
		t.Errorf("source %v, %d reads", source, reads.Load())
	}
	f.serve(s)
	down.Store(1)
	wantRefused(t, f.post("search"), 502, `server "search"`, "see the log of bearerd")
	if log := f.log.String(); !strings.Contains(log, secrets.ErrUnavailable.Error()) || !strings.Contains(log, "mcp/tls") {
		t.Errorf("log: %s", log)
	}
	down.Store(0)
	for range 2 {
		if a := f.post("search"); a.StatusCode != 200 || a.body != "ok" {
			t.Errorf("%d %s %s", a.StatusCode, a.body, f.log)
		}
	}
}

// A secret that was changed is in force at the next request, whoever is reading meanwhile.
func TestHeadersAreReadAgainWhenTold(t *testing.T) {
	var value atomic.Pointer[string]
	var gate atomic.Pointer[chan struct{}] // where the next one to read waits, having read
	set := func(v string) { value.Store(&v) }
	set("one")
	reading := make(chan struct{}, 1)
	h, _ := newRemoteHeaders(func(context.Context) (string, error) {
		v := *value.Load()
		if wait := gate.Swap(nil); wait != nil {
			reading <- struct{}{}
			<-*wait
		}
		return v, nil
	})
	check := func(want string) {
		t.Helper()
		out := http.Header{}
		if err := h.set(t.Context(), out); err != nil || out.Get("X-Api-Key") != want {
			t.Errorf("%q, want %q, error %v", out.Get("X-Api-Key"), want, err)
		}
	}
	check("one")
	set("two")
	check("one")
	h.reread()
	check("two")
	wait := make(chan struct{})
	gate.Store(&wait)
	h.reread()
	var requests sync.WaitGroup
	requests.Go(func() { check("two") }) // it has read before the change
	receive(t, reading, "reading")
	set("three")
	h.reread()
	requests.Go(func() { check("three") })
	for range 1000 { // it should be waiting by then
		runtime.Gosched()
	}
	close(wait)
	requests.Wait()
	check("three")
}

func TestRereadOfRoutes(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "key")
	write := func(v string) {
		if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Header.Get("X-Api-Key"))) })
	s := f.server("search", up.URL)
	s.Headers = map[string]secrets.Ref{"X-Api-Key": {Kind: secrets.File, Name: path}}
	for i, again := range []func(){func() { f.serve(s) }, func() {}, f.proxy.Reread, func() { f.serve(s) }} {
		write([]string{"one", "two", "three", "four"}[i])
		again()
		want := []string{"one", "one", "three", "four"}[i]
		if a := f.post("search"); a.body != want {
			t.Errorf("step %d: %q, want %q", i, a.body, want)
		}
	}
}

// A Vault that does not answer is waited for once, by all who came meanwhile; who leaves is let go.
func TestSlowFailureIsSharedByThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		h, _ := newRemoteHeaders(func(context.Context) (string, error) {
			reads++
			time.Sleep(20 * time.Second)
			return "", secrets.ErrUnavailable
		})
		wait := func(ctx context.Context, err error, took time.Duration) {
			start := time.Now()
			if _, got := h.current(ctx); !errors.Is(got, err) || time.Since(start) != took {
				t.Errorf("%v after %s, want %v after %s", got, time.Since(start), err, took)
			}
		}
		var waiting sync.WaitGroup
		for range 5 {
			waiting.Go(func() { wait(t.Context(), secrets.ErrUnavailable, 20*time.Second) })
		}
		synctest.Wait()
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wait(hurried, context.DeadlineExceeded, time.Second)
		waiting.Wait()
		if reads != 1 {
			t.Errorf("it was asked %d times", reads)
		}
		wait(t.Context(), secrets.ErrUnavailable, 20*time.Second) // who comes later asks again
	})
}
