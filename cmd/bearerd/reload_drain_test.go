package main_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// When the url of a server is edited while a request is in flight, that request ends on the old settings, and the old origin
// is never shown the new token, not even by refusing the one that it was sent.
func TestOldOriginNeverSeesTheNewToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ refuse, sameScope bool }{
		"it answers": {}, "it refuses the token": {refuse: true}, "one scope": {refuse: true, sameScope: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			as, _ := h.authServer()
			arrived, release := make(chan struct{}, 10), make(chan struct{})
			before := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				select {
				case <-release:
				case <-r.Context().Done():
				}
				if tt.refuse {
					w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
					w.WriteHeader(http.StatusUnauthorized)
				}
				_, _ = w.Write([]byte("old"))
			})
			after := startOrigin(t, nil)
			block := func(o *origin, scope string) string {
				if tt.sameScope {
					scope = "same"
				}
				return server("s", attribute("url", o.URL), h.grant(as.TokenURL(), "ca.pem", "app", "canary-of-app", attribute("OAUTH_SCOPE", scope)))
			}
			h.configure(block(before, "before"))
			h.daemon()
			s := h.caller(h.door(), "s")
			type answer struct {
				status int
				body   string
				err    error
			}
			answers := make(chan answer, 4)
			for range cap(answers) {
				go func() {
					status, body, err := s.post(context.WithoutCancel(t.Context()))
					answers <- answer{status, body, err}
				}()
			}
			for range cap(answers) {
				<-arrived
			}
			h.apply(block(after, "after"))
			if status, body, err := s.post(t.Context()); status != http.StatusOK || body != "done" {
				t.Errorf("after the edit: %d %q %v", status, body, err)
			}
			close(release)
			for range cap(answers) {
				a := <-answers
				if !tt.refuse && (a.status != http.StatusOK || a.body != "old") || tt.refuse && a.status < http.StatusInternalServerError {
					t.Errorf("the request in flight was answered with %d %q %v", a.status, a.body, a.err)
				}
			}
			for token := range before.tokens {
				if after.tokens[token] {
					t.Error("one token was shown to both origins")
				}
			}
			old, now := before.scopes(h, as), after.scopes(h, as)
			if len(old) != 1 || len(now) != 1 || !tt.sameScope && (!old["before"] || !now["after"]) {
				t.Errorf("the old origin has seen tokens of %v, the new one of %v", old, now)
			}
		})
	}
}

// A request in flight ends well when its listener goes, by whichever way the edit is found.
func TestRemovedListenerDrains(t *testing.T) {
	t.Parallel()
	for name, byCommand := range map[string]bool{"reload": true, "the file alone": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			arrived, release := make(chan struct{}, 1), make(chan struct{})
			o := startOrigin(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				select {
				case <-release:
					_, _ = w.Write([]byte("done"))
				case <-r.Context().Done():
				}
			})
			listen := freeAddress(t)
			stays := server("stays", attribute("url", o.URL))
			h.configure(stays, server("goes", attribute("url", o.URL), attribute("listen", listen)))
			h.daemon()
			goes := h.caller(h.door(), "goes")
			goes.url = "http://" + listen + "/"
			answered := make(chan string, 1)
			go func() {
				status, body, err := goes.post(context.WithoutCancel(t.Context()))
				answered <- fmt.Sprint(status, body, err)
			}()
			<-arrived
			if h.configure(stays); byCommand {
				h.ok("reload")
			}
			eventually(t, "the listener is closed", func() bool {
				conn, err := net.Dial("tcp", listen)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			})
			time.Sleep(100 * time.Millisecond) // the request would have been cut by now
			close(release)
			if got := <-answered; got != "200done<nil>" && got != "200 done <nil>" {
				t.Errorf("the request in flight was answered with %s", got)
			}
		})
	}
}
