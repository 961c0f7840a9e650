package proxy

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// warnings counts the log's lines at that level, each of which must say parts.
func (f *fixture) warnings(parts ...string) int {
	n := 0
	for line := range strings.Lines(f.log.String()) {
		if !strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, "upstream") {
			continue
		}
		n++
		for _, part := range parts {
			if !strings.Contains(line, part) {
				f.t.Errorf("%s does not say %s", line, part)
			}
		}
	}
	return n
}

func TestWhatAPersonMustMendIsLoggedOnceAMinute(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		challenge string
		want      int
		parts     []string
	}{
		"refused token":       {401, bearer, 502, []string{"refused the token", "OAUTH_AUDIENCE"}},
		"no challenge":        {401, "", 502, []string{"refused the token", "not retried"}},
		"redirect":            {307, "", 502, []string{"redirect", "url"}},
		"scope":               {403, `Bearer error="insufficient_scope", scope="canary"`, 403, []string{"scope", "OAUTH_SCOPE"}},
		"forbidden otherwise": {403, "", 403, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.challenge != "" {
					w.Header().Set("WWW-Authenticate", test.challenge)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "upstream's own")
			})
			f.serve(f.server("search", up.URL))
			for i := range 3 {
				a := f.post("search")
				if a.StatusCode != test.want || a.Header.Values("WWW-Authenticate") != nil {
					t.Errorf("%d %v", a.StatusCode, a.Header)
				}
				if test.want == 403 && a.body != "upstream's own" {
					t.Errorf("the body is %s", a.body)
				}
				if got := f.warnings(append(test.parts, `"server":"search"`)...); got != min(len(test.parts), 1) {
					t.Errorf("%d warnings after %d requests", got, i+1)
				}
			}
			rt := (*f.proxy.fronts[f.cfg.Proxy.Listen].routes.Load())["/search"]
			rt.warned.Range(func(what, at any) bool {
				rt.warned.Store(what, at.(time.Time).Add(-time.Minute))
				return true
			})
			f.post("search")
			if got := f.warnings(); got != min(2*len(test.parts), 2) {
				t.Errorf("%d warnings after a minute", got)
			}
		})
	}
}

func TestRevokedServerIsNotAskedEverySecond(t *testing.T) {
	f := newFixture(t)
	s := f.server("search", "http://127.0.0.1:1/mcp")
	s.OAuth.RevocationURL = f.as.RevocationURL()
	f.serve(s)
	f.post("search")
	_ = must(must(f.engine.Source("search"))(t).Revoke(t.Context()))(t)
	a := f.post("search")
	wantRefused(t, a, 503, "search", "bearerd refresh")
	if s, _ := strconv.Atoi(a.Header.Get("Retry-After")); s < 60 {
		t.Errorf("Retry-After %d", s)
	}
}

// TestFailuresSayWhetherToTryAgain: only what upstream has certainly not acted on.
func TestFailuresSayWhetherToTryAgain(t *testing.T) {
	f := newFixture(t)
	cut := upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	refuses := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", bearer)
		w.WriteHeader(http.StatusUnauthorized)
	})
	person := f.server("person", cut.URL)
	person.OAuth.GrantType, person.OAuth.AuthorizationURL = "authorization_code", f.as.AuthorizationURL()
	f.serve(person, f.server("away", "http://127.0.0.1:1/mcp"), f.server("cut", cut.URL), f.server("refuses", refuses.URL),
		f.server("plain", strings.Replace(cut.URL, "http://", "https://", 1)))
	for name, want := range map[string]string{
		"away":    `"reason":"unreachable","retry":true`,
		"cut":     `"reason":"answer_lost","retry":false`,
		"plain":   `"reason":"unreachable","retry":true`,
		"refuses": `"reason":"token_refused","retry":false`,
		"person":  `"reason":"needs_reauth","retry":true`,
	} {
		if a := f.post(name); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}
