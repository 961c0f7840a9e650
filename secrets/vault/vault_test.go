package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/secrets"
	"bearerd/secrets/secretstest"
	"bearerd/secrets/vault/vaulttest"
)

// logged is a log that a test reads while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// canaries are the secrets of this test process; none may be in an error, in the log or in Status.
type canaries struct {
	t    *testing.T
	log  *logged
	list []string
}

func (c *canaries) add(values ...string) { c.list = append(c.list, values...) }

func (c *canaries) check(text string) {
	c.t.Helper()
	for _, value := range c.list {
		if value != "" && strings.Contains(text, value) {
			c.t.Errorf("the secret %q is in %s", value, text)
		}
	}
}

// open opens a connection; at the end of the test it looks for secrets in the log and in Status.
func open(t *testing.T, conn *secrets.Connection, kept secrets.Store) (*Client, *canaries) {
	t.Helper()
	seen := &canaries{t: t, log: &logged{}}
	for _, ref := range []secrets.Ref{conn.Auth.Token, conn.Auth.SecretID, conn.Auth.JWT} {
		seen.add(ref.Value.Reveal())
	}
	log := slog.New(slog.NewTextHandler(seen.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := Open(conn, &secrets.Resolver{}, kept, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		status, err := json.Marshal(c.Status())
		if err != nil {
			t.Error(err)
		}
		seen.check(string(status))
		seen.check(seen.log.String())
		c.Close(context.Background())
	})
	return c, seen
}

// given is a connection with auth "token".
func given(address, token string) *secrets.Connection {
	return &secrets.Connection{Address: address, Auth: secrets.Auth{Method: "token", Token: secrets.LiteralRef(token)}}
}

// run runs c until the test ends, and returns what up sends on.
func run(t *testing.T, c *Client) <-chan struct{} {
	ctx, cancel := context.WithCancel(context.Background())
	up, done := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx, func() { up <- struct{}{} })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return up
}

// await waits for up, or fails after limit.
func await(t *testing.T, what string, up <-chan struct{}, limit time.Duration) {
	t.Helper()
	select {
	case <-up:
	case <-time.After(limit):
		t.Fatalf("%s: nothing within %s", what, limit)
	}
}

// until waits until the status is as wanted, or fails after limit.
func until(t *testing.T, what string, c *Client, limit time.Duration, ok func(Status) bool) Status {
	t.Helper()
	end := time.After(limit)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if s := c.Status(); ok(s) {
			tick.Stop()
			return s
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %s; status %+v", what, limit, c.Status())
		}
	}
}

// wantErr wants an error of a kind whose text has every part.
func wantErr(t *testing.T, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("the error is %v, want one that is %q", err, kind)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
	for _, other := range []error{secrets.ErrUnavailable, secrets.ErrDenied, secrets.ErrNotFound, secrets.ErrConflict} {
		if other != kind && errors.Is(err, other) {
			t.Errorf("the error %q is %q too", err, other)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	secretstest.Run(t, func(t *testing.T) secrets.Store {
		c, _ := open(t, given(server.Addr, server.RootToken), nil)
		return c.Store("secret", "conformance/"+strings.ReplaceAll(t.Name(), "/", "_"))
	})
}
