package main_test

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bearerd/cmd/internal/app"
)

// Beside a daemon that is starting or stopping, keys are not rotated behind its back: the command waits for it to answer, or to
// be gone.
func TestKeyRotateBesideADaemonThatDoesNotAnswerYet(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]bool{"it starts": true, "it stops": false} {
		h := newHome(t)
		h.configure(server("web", attribute("url", "http://127.0.0.1:9/mcp")))
		key := h.localKey("web", "a")
		release, err := app.Alone(h.path("state"))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan string, 1)
		go func() {
			out, err := h.command(t.Context(), "key", "rotate", "--now").CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			done <- string(out)
		}()
		select {
		case said := <-done:
			t.Fatalf("%s: it does not wait: %s", name, said)
		case <-time.After(time.Second):
		}
		if h.localKey("web", "a") != key {
			t.Errorf("%s: the keys in the store were rotated meanwhile", name)
		}
		asked := make(chan string, 1)
		if answers {
			stop := h.fakeDaemon(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.String()
				_, _ = w.Write([]byte(`{"servers": []}`))
			})
			t.Cleanup(stop)
		} else {
			release()
		}
		if said := <-done; !strings.Contains(said, "refused from now on") || answers != (len(asked) == 1) {
			t.Errorf("%s: the daemon was asked %d times: %s", name, len(asked), said)
		}
		if answers {
			release()
			_ = os.Remove(app.Socket(h.path("state")))
		} else if h.localKey("web", "a") == key {
			t.Errorf("%s: the keys are as before", name)
		}
	}
}

// fakeDaemon answers the commands of this home until stop.
func (h *home) fakeDaemon(answer http.HandlerFunc) (stop func()) {
	h.t.Helper()
	l, err := net.Listen("unix", app.Socket(h.path("state")))
	if err != nil {
		h.t.Fatal(err)
	}
	s := &http.Server{Handler: answer}
	ended := make(chan struct{})
	go func() {
		_ = s.Serve(l)
		close(ended)
	}()
	return func() {
		_ = s.Close()
		<-ended
	}
}
