package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/inject/proxy"
)

// A server cannot put words into the answer of its completion: it has the token that it could put there.
func TestAServersWordsAreNotPassedOn(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	h.rs.FailAt("/mcp", 1, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set(proxy.ReasonHeader, "token_refused")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, `{"error":{"code":-32001,"data":{"reason":"%s %s"}}}`, canaryWords, r.Header.Get("Authorization"))
	})
	p := want[Problem](h, http.StatusBadGateway, http.MethodPost, in.CompleteURL, nil)
	if !strings.HasSuffix(p.Error, "HTTP 500") {
		t.Errorf("%+v", p)
	}
}

// Only known words are told, even of the proxy.
func TestRefusal(t *testing.T) {
	for reason, want := range map[string]string{
		"": "HTTP 502", "http_502": "HTTP 502", canaryWords: "HTTP 502",
		"redirect": "HTTP 502, redirect: it answers with a redirect, which is not followed: set connection_string to the final address",
	} {
		if got := refusal(&http.Response{StatusCode: 502, Header: http.Header{proxy.ReasonHeader: {reason}}}); got != want {
			t.Errorf("%q: %s", reason, got)
		}
	}
}

// What the proxy says itself comes with a remedy.
func TestTheProxysReasonIsTold(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	h.rs.FailAt("/mcp", 1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Location", "https://other.example/"+strings.ReplaceAll(canaryWords, " ", "-"))
		w.WriteHeader(http.StatusFound)
	})
	h.problem(http.StatusBadGateway, "", "set connection_string to the final address", http.MethodPost, in.CompleteURL, nil)
}

// A page is no answer of an MCP server, whatever its status.
func TestAPageIsNoMCPServer(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.signIn(in)
	for _, kind := range []string{"text/html; charset=utf-8", "application/jsonx", ""} {
		h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusOK, kind, canaryWords))
		h.problem(http.StatusBadGateway, "", "is connection_string the address of an MCP server?", http.MethodPost, in.CompleteURL, nil)
	}
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusMethodNotAllowed, "text/plain", ""))
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusOK, "text/html", canaryWords))
	h.problem(http.StatusBadGateway, "", "HTTP 405", http.MethodPost, in.CompleteURL, nil)
	h.rs.FailAt("/mcp", 1, oauthtest.Answer(http.StatusAccepted, "text/html", ""))
	want[Success](h, http.StatusOK, http.MethodPost, in.CompleteURL, nil)
}

func TestSpeaks(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		length int64
		want   bool
	}{
		{200, "application/json; charset=utf-8", 9, true}, {200, "Text/Event-Stream", -1, true}, {202, "", -1, true}, {202, "text/plain", 0, true},
		{202, "text/html", 9, false}, {200, "", 0, false}, {200, "application/json; x", 9, true}, {204, "", 0, false},
	} {
		if got := speaks(&http.Response{StatusCode: c.status, ContentLength: c.length, Header: http.Header{"Content-Type": {c.kind}}}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
