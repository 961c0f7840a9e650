package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// evidence collects the answers of a test.
type evidence struct {
	f       *fixture
	answers strings.Builder
}

func (e *evidence) call(path string, edit func(*http.Request)) {
	e.f.t.Helper()
	req := e.f.request(http.MethodPost, path, call)
	if edit != nil {
		edit(req)
	}
	resp, err := e.f.client.Do(req)
	if err != nil {
		return // cut off, as upstream was
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	_, _ = fmt.Fprintln(&e.answers, resp.Status, resp.Header, string(body))
}

// wantHidden fails if a secret, or a half of one, is in a text.
func wantHidden(t *testing.T, what, text string, secret map[string]string) {
	t.Helper()
	for name, value := range secret {
		for _, v := range []string{value, value[:len(value)/2], value[len(value)/2:], url.QueryEscape(value)} {
			if v != "" && strings.Contains(text, v) {
				t.Errorf("%s shows the %s: %s", what, name, text)
			}
		}
	}
}

// echo is an upstream that sends back what it was sent in ways that end as errors.
func echo(w http.ResponseWriter, r *http.Request) {
	all := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + r.URL.RawQuery
	switch r.URL.Path {
	case "/redirect":
		w.Header().Set("Location", "/?"+url.QueryEscape(all))
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "/refuse":
		w.Header().Set("WWW-Authenticate", `Bearer error_description="`+all+`"`)
		http.Error(w, all, http.StatusUnauthorized)
	case "/relay":
		w.Header().Set("WWW-Authenticate", `Basic realm="`+all+`"`)
		http.Error(w, all, http.StatusUnauthorized)
	default:
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, map[string]string{
			"/garbage": all + "\r\n\r\n",
			"/status":  "HTTP/1.1 " + all + "\r\n\r\n",
			"/header":  "HTTP/1.1 200 OK\r\n" + all + "\r\n\r\n",
			"/length":  "HTTP/1.1 200 OK\r\nContent-Length: " + all + "\r\n\r\n",
			"/coding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + all + "\r\n\r\n",
			"/chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + all,
		}[r.URL.Path])
		_ = c.Close()
	}
}

// failing are servers whose requests fail, each in its way, with the token in a header and in the query.
func (f *fixture) failing(upstream string) (servers []*config.Server) {
	add := func(name, url string) *config.Server {
		s := f.server(name, url)
		s.Headers = map[string]secrets.Ref{"X-Api-Key": secrets.LiteralRef("canary-api-key-value")}
		servers = append(servers, s)
		return s
	}
	for _, path := range []string{"redirect", "refuse", "relay", "garbage", "status", "header", "length", "coding", "chunk", "closed"} {
		add(path, upstream+"/"+path)
		add("query-"+path, upstream+"/"+path).OAuth.TokenInHeaderOnly = false
	}
	add("away", "http://127.0.0.1:1/")
	add("query-away", "http://127.0.0.1:1/").OAuth.TokenInHeaderOnly = false
	add("nohost", "http://name.invalid/").OAuth.TokenInHeaderOnly = false
	add("notls", strings.Replace(upstream, "http", "https", 1))
	add("unset", upstream).Headers["X-Other"] = secrets.Ref{Kind: secrets.Env, Name: "BEARERD_TEST_UNSET"}
	return servers
}

// TestNothingSecretIsShown goes through every way in which a request can fail, with the log at debug.
func TestNothingSecretIsShown(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, echo)
	servers := f.failing(up.URL)
	f.serve(servers...)
	hidden := map[string]string{"client secret": clientSecret, "configured header": "canary-api-key-value"}

	e := &evidence{f: f}
	for _, s := range servers {
		for range 2 {
			e.call(s.Name, nil)
		}
		hidden["local key of "+s.Name] = f.keys.Issue(s.Name, "test").Reveal()
		source := must(f.engine.Source(s.Name))(t)
		if token, err := source.Token(t.Context()); err == nil {
			hidden["token of "+s.Name] = token.Access().Reveal()
		}
		e.call(s.Name, func(r *http.Request) { r.Host = "evil.example" })
		e.call(s.Name, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") })
		e.call(s.Name, func(r *http.Request) { r.Method = http.MethodPut })
		e.call(s.Name+"/x", nil)
	}
	hidden["wrong local key"] = NewKeys().Issue("away", "test").Reveal()
	e.call("away", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+hidden["wrong local key"]) })
	e.call("away?access_token=canary-inbound-token", nil)
	hidden["inbound token"] = "canary-inbound-token"

	silent := f.server("silent", up.URL)
	f.as.Fail(1, oauthtest.OAuthError(400, "invalid_client", clientSecret))
	f.serve(silent)
	e.call("silent", nil)

	for _, r := range f.as.Requests() {
		hidden["Basic credentials"] = strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
	}
	for name, value := range hidden {
		hidden[name] = strings.TrimPrefix(value, "brd_test.") // what all keys share is no secret
	}
	wantHidden(t, "an answer", e.answers.String(), hidden)
	wantHidden(t, "the log", f.log.String(), hidden)
	for _, want := range []string{" 403 ", " 404 ", " 405 ", " 502 ", " 503 "} {
		if !strings.Contains(" "+strings.ReplaceAll(e.answers.String(), "\n", " "), want) {
			t.Errorf("no answer with%s: the test does not go where it should", want)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "DEBUG") || strings.Count(log, "request to upstream failed") < 2 {
		t.Error("the log is not that of these failures")
	}
}
