package oauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func redirect(status int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

func TestRedirectsAreFollowedUnderTheRules(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := pages{
			auth + asm: redirect(status, "/moved"), auth + "/moved": redirect(status, "https://two.example.com/x?y#z"),
			"two.example.com/x?y": issuerJSON("https://" + auth),
		}
		m, w, err := discoverIssuer(t, "https://"+auth, p)
		if err != nil || m.Issuer != "https://"+auth {
			t.Errorf("%d: %+v, error %v", status, m, err)
		}
		wantAsked(t, w, auth+asm, auth+"/moved", "two.example.com/x?y")
	}
}

func TestRedirectsOutOfReach(t *testing.T) {
	for to, want := range map[string]string{
		"https://169.254.169.254/latest/canary": "169.254.169.254 is a cloud metadata address, which is never connected to",
		"//169.254.169.254/canary":              "169.254.169.254 is a cloud metadata address, which is never connected to",
		"https://127.0.0.1/canary":              "127.0.0.1 is a loopback address, and metadata named it",
		"https://[::1]/canary":                  "::1 is a loopback address, and metadata named it",
		"https://localhost/canary":              "localhost is at 127.0.0.1, a loopback address",
		"http://" + auth + "/canary":            "is plain http, and https is required",
		"file:///etc/canary":                    "is no https URL",
		"https://u:canary@" + auth + "/":        "holds a user name",
		"":                                      "redirects to what is no URL",
		"https://%zz/canary":                    "redirects to what is no URL",
		"/" + strings.Repeat("canary", 400):     "redirects to an address over 2 KiB",
	} {
		_, w, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: redirect(302, to)})
		wantError(t, err, true, want)
		wantError(t, err, true, auth)
		wantAsked(t, w, auth+asm)
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows more than the host: %v", err)
		}
		f, w := finderOf(t, pages{mcp + prm + "/mcp": redirect(302, to)})
		_, err = f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, true, want)
		wantAsked(t, w, mcp+prm+"/mcp")
	}
}

// A name passes every check until it is connected to.
func TestNameThatResolvesToLoopback(t *testing.T) {
	p := pages{mcp + prm + "/mcp": resourceJSON("https://"+mcp+"/mcp", "https://"+auth)}
	f, _ := finderOf(t, p)
	through := f.base
	f.base = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == auth { // stands for a resolver: the dial is the real one
			_, err := f.reach.Dial(r.Context(), "tcp", "127.0.0.1:2")
			return nil, err
		}
		return through.RoundTrip(r)
	})
	_, err := f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "127.0.0.1 is a loopback address, and metadata named it: add it to allow_private if that is right")
}

func TestRedirectLoopEnds(t *testing.T) {
	_, w, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: redirect(302, asm)})
	wantError(t, err, true, "oauth-authorization-server: it redirects more than 5 times, openid-configuration: HTTP 404")
	if len(w.asked) != 6+1 {
		t.Errorf("%d requests", len(w.asked))
	}
}

func TestOversizedAnswers(t *testing.T) {
	good := issuerJSON("https://" + auth)
	fill := func(size int) string { return good + strings.Repeat(" ", size-len(good)) }
	if _, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: fill(maxDocument)}); err != nil {
		t.Error(err)
	}
	_, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: fill(maxDocument + 1)})
	wantError(t, err, true, "the oauth-authorization-server document at "+auth+" cannot be used: it is over 256 KiB")
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("[", 64<<10)); err != nil {
				return
			}
		}
	})
	_, _, err = discoverIssuer(t, "https://"+auth, pages{auth + asm: endless})
	wantError(t, err, true, "oauth-authorization-server: its answer is over 256 KiB, openid")
	_, _, err = discoverIssuer(t, "https://"+auth, pages{auth + asm: strings.Repeat("[", 200<<10)})
	wantError(t, err, true, "oauth-authorization-server: its answer is no such document")
	_, _, err = discoverIssuer(t, "https://"+auth, pages{auth + asm: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Canary", strings.Repeat("x", 70<<10))
	})})
	wantError(t, err, false, auth+": the exchange failed")
}

func TestSlowAnswers(t *testing.T) {
	f, _ := finderOf(t, pages{}) // its network is out of the bubble, and is not used
	synctest.Test(t, func(t *testing.T) {
		f.base = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == mcp {
				body := resourceJSON("https://"+mcp, "https://a.example.com", "https://b.example.com", "https://c.example.com", "https://d.example.com")
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body))}, nil
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(stalled{r.Context()})}, nil
		})
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), discoverTimeout)
		defer cancel()
		_, err := f.discover(ctx, Challenge{}, "")
		wantError(t, err, false, "a.example.com: timed out after 10s; b.example.com: timed out after 10s; c.example.com: timed out after 10s")
		if took := time.Since(start); took != discoverTimeout {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// An open server may hold back the head of a stream until it has an event to tell.
func TestProbeOfAStreamThatSaysNothing(t *testing.T) {
	f, _ := finderOf(t, pages{})
	synctest.Test(t, func(t *testing.T) {
		f.base = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			h := http.Header{"Www-Authenticate": {"Bearer scope=a"}}
			return &http.Response{StatusCode: 401, Header: h, Body: http.NoBody}, nil
		})
		if c, err := f.probe(t.Context()); err != nil || c != (Challenge{Bearer: true, Scope: "a", Status: 401}) {
			t.Errorf("%+v, error %v", c, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.probe(ctx)
		wantError(t, err, false, mcp+": timed out after 1s")
	})
}

// stalled is a body of which nothing comes.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestWhatIsSentAndLogged(t *testing.T) {
	var log bytes.Buffer
	var heads []http.Header
	f, _ := finderOf(t, pages{})
	f.log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.server.URL += "/canary?key=canary"
	through := f.base
	f.base = roundTripper(func(r *http.Request) (*http.Response, error) {
		heads = append(heads, r.Header)
		return through.RoundTrip(r)
	})
	if _, err := f.discover(t.Context(), Challenge{}, ""); err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		for name, want := range map[string]string{
			"Accept": "application/json", "User-Agent": "bearerd", "X-Correlation-Id": "id-1", "X-Request-Id": "id-1", "Authorization": "", "Cookie": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s %q, want %q", name, got, want)
			}
		}
	}
	want := `"level":"DEBUG","msg":"[OAuthService] OAuth exchange","op":"discovery","method":"GET","url":"https://mcp.example.com",` +
		`"document":"oauth-protected-resource","status":404,"duration":`
	if !strings.Contains(log.String(), want) || strings.Contains(log.String(), "canary") || strings.Count(log.String(), "\n") != len(heads) {
		t.Errorf("log: %s", log.String())
	}
}
