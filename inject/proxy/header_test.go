package proxy

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestWithoutToken(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"a=b":                                  "a=b",
		"access_token=x":                       "",
		"access_token":                         "",
		"access_token=":                        "",
		"ACCESS_Token=x&a=b":                   "a=b",
		"a=b&access_token=x&c=%20d+e&&f":       "a=b&c=%20d+e&&f",
		"%61ccess%5Ftoken=x&a=b":               "a=b",
		"%41%43%43%45%53%53_TOKEN=x":           "",
		"access_token=x&access_token=y":        "",
		"access=1&token=2&my_access_token=3":   "access=1&token=2&my_access_token=3",
		"a=access_token=x":                     "a=access_token=x",
		"%zz=1&a=%":                            "%zz=1&a=%",
		"access_tokens=1":                      "access_tokens=1",
		"a=b;access_token=x":                   "a=b",
		"c=1;access_token=zz&d=2;e=3":          "c=1&d=2;e=3",
		"&access_token;&;a":                    ";&;a",
		"cursor=%26access_token%3Dx&limit=%31": "cursor=%26access_token%3Dx&limit=%31",
	} {
		if got := withoutToken(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzWithoutToken(f *testing.F) {
	for _, seed := range []string{"", "a=b&access_token=x", "%61ccess_token", "a;access_token=x", "&&=&%", "ACCESS_TOKEN=%", "+=+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := withoutToken(query)
		parts := func(q string) []string { return strings.Split(strings.ReplaceAll(q, ";", "&"), "&") }
		values, _ := url.ParseQuery(strings.ReplaceAll(got, ";", "&")) // what can be read of it
		for name := range values {
			if strings.EqualFold(name, "access_token") {
				t.Errorf("%q keeps %q", query, name)
			}
		}
		want := slices.DeleteFunc(parts(query), func(part string) bool { // each part is kept as it is, or gone
			name, _, _ := strings.Cut(part, "=")
			plain, err := url.QueryUnescape(name)
			return err == nil && strings.EqualFold(plain, "access_token")
		})
		if len(want) == 0 {
			want = []string{""}
		}
		if !slices.Equal(parts(got), want) {
			t.Errorf("%q becomes %q", query, got)
		}
	})
}

func TestTokenInHeaderOnly(t *testing.T) {
	f := newFixture(t)
	url, requests := rawUpstream(t, "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	strict, loose := f.server("strict", url+"?tenant=1"), f.server("loose", url+"?tenant=1")
	loose.OAuth.TokenInHeaderOnly = false
	f.serve(strict, loose)
	const query = "?a=%20b&%61ccess_Token=canary-inbound&c"

	f.post("strict" + query)
	got := receive(t, requests, "the request")
	if !strings.HasPrefix(got, "POST /mcp?tenant=1&a=%20b&c HTTP/1.1\r\n") || !strings.HasPrefix(authorization(got), "Bearer ") {
		t.Errorf("true: %q", headLines(got)[0])
	}
	f.post("loose" + query)
	got = receive(t, requests, "the request")
	rest, ok := strings.CutPrefix(got, "POST /mcp?tenant=1&a=%20b&c&access_token=")
	token, _, _ := strings.Cut(rest, " ")
	if _, live := f.as.Introspect(token); !ok || !live {
		t.Errorf("false: the token is not in the query")
	}
	if authorization(got) != "" || strings.Contains(got, "Bearer") || strings.Contains(got, "canary-inbound") {
		t.Error("false: the token is in a header, or the client's own passes")
	}
	if !strings.Contains(got, "\r\nCache-Control: no-store\r\n") { // RFC 6750 §2.3
		t.Error("false: the request may be cached")
	}
	if log := f.log.String(); strings.Contains(log, token) || strings.Contains(log, "canary-inbound") {
		t.Error("a token is in the log")
	}
}

// TestTLSUpstream: the CA bundle counts for upstream too, where HTTP/2 is spoken.
func TestTLSUpstream(t *testing.T) {
	f := withServer(t, oauthtest.New)
	f.ca = secrets.Ref{Kind: secrets.File, Name: filepath.Join(t.TempDir(), "ca.pem")}
	if err := f.as.WriteCA(f.ca.Name); err != nil {
		t.Fatal(err)
	}
	up := tlsUpstream(t, f, f.wantsToken(bearer, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Protocol", r.Proto)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write([]byte(strings.Join(r.Header["User-Agent"], "") + strings.Join(r.Header["Accept-Encoding"], "")))
		_ = http.NewResponseController(w).Flush() // else its length is known, and HTTP/1.1 has no place for a trailer then
		w.Header().Set("X-Sum", "42")
	}))
	f.serve(f.server("search", up.URL))
	req := f.request(http.MethodPost, "search", call)
	req.Header.Set("User-Agent", "")
	a := f.do(req)
	if a.StatusCode != 200 || a.body != "" || a.Header.Get("X-Protocol") != "HTTP/2.0" || a.Trailer.Get("X-Sum") != "42" {
		t.Errorf("%d %q %v %v", a.StatusCode, a.body, a.Header, a.Trailer)
	}
	stranger := f.server("search", up.URL)
	stranger.OAuth = nil // no CA bundle
	f.serve(stranger)
	wantRefused(t, f.post("search"), 502, "search")
	if !strings.Contains(f.log.String(), "the certificate is signed by an unknown authority") {
		t.Errorf("the log does not say why: %s", f.log)
	}
}
