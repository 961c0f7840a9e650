package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A stop in the middle of a change leaves no half of it: neither file nor secret.
func TestAStopTakesAHalfMadeServerBack(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are taken, and nothing is said
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	h := newHome(t)
	g := &governed{home: h, client: http.DefaultClient}
	g.settle(server("hand", nothing))
	d := h.daemon()
	g.key = strings.TrimSpace(h.ok("admin-key"))
	h.private(g.key, "canary-of-half")
	answered := make(chan int, 1)
	go func() {
		body := fmt.Sprintf(`{"name": "half", "connection_string": "https://mcp.example.com/mcp", "auth_type": "oauth", "oauth_config": {
			"grant_type": "client_credentials", "client_id": "c", "client_secret": "canary-of-half", "oauth_version": "2.0",
			"enforce_https": false, "token_url": "http://%s/token"}}`, silent.Addr())
		status, _ := g.send("Bearer "+g.key, http.MethodPost, "/api/mcp/client", body)
		answered <- status
	}()
	eventually(t, "the file is written", func() bool { _, err := os.Stat(h.path("made/half.hcl")); return err == nil })
	d.signal(syscall.SIGTERM)
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the answer: %d", status)
	}
	if code := d.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(h.path("made/half.hcl")); !os.IsNotExist(err) {
		t.Errorf("the file stays: %v", err)
	}
	if left := h.ok("secret", "list"); strings.Contains(left, "half") {
		t.Errorf("a secret stays: %s", left)
	}
}
