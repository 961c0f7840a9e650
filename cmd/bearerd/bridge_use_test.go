package main_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Another user's exec reaches a service's url server by the service's tokens, across renewals and refusals; whoever is not
// listed gets the reason.
func TestBridgeUse(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	use := h.useBlock()
	_, as, grant := h.startLedger(shortLife)
	g := h.startGate(startEverythingHTTP(t), as)
	allow := fmt.Sprintf("allow_users = [\"%d\"]", stranger)
	h.configure(use, server("web", attribute("url", g.URL), allow, grant))
	h.share()
	daemon := h.daemon()

	ctx, cancel := context.WithTimeout(t.Context(), 3*peerPatience)
	defer cancel()
	connect := func(uid uint32) (*mcp.ClientSession, error) {
		cmd := h.commandAs(context.Background(), uid, uid, "exec", "web")
		cmd.Stderr = &h.said
		client := mcp.NewClient(&mcp.Implementation{Name: "stranger", Version: "1"}, nil)
		return client.Connect(ctx, &mcp.CommandTransport{Command: cmd, TerminateDuration: 15 * time.Second},
			&mcp.ClientSessionOptions{ProtocolVersion: legacyWire})
	}
	if _, err := connect(stranger + 5); err == nil {
		t.Error("a user who is not listed gets through")
	}
	s, err := connect(stranger)
	if err != nil {
		t.Fatal(err)
	}
	call := func() {
		hello := &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "hello"}}
		if result, err := s.CallTool(ctx, hello); err != nil || result.IsError {
			t.Fatalf("echo: %v %v", result, err)
		}
	}
	eventually(t, "four tokens were used in one session", func() bool { call(); return g.tokens() >= 4 })
	if n := g.count(func(p passage) bool { return !p.valid }); n != 0 {
		t.Errorf("%d requests came without a valid token", n)
	}
	as.SetLifetime(time.Hour)
	eventually(t, "a token that lasts is used", func() bool {
		call()
		granted, active := as.Introspect(g.last().token)
		return active && time.Until(granted.Expiry) > time.Minute
	})
	as.Revoke(g.last().token)
	call()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := g.count(func(p passage) bool { return p.method == "DELETE" }); n != 1 {
		t.Errorf("%d sessions were ended", n)
	}
	daemon.stop()
	h.nothingRuns()
}
