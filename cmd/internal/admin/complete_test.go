package admin

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
