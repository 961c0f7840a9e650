package relay

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// banners is a session whose server writes a banner at its start.
type banners struct {
	*Session
	mu     sync.Mutex
	out    strings.Builder // guarded by mu
	strays []string        // guarded by mu
	server *io.PipeWriter
}

func (b *banners) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *banners) stray(line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strays = append(b.strays, string(line))
}

func (b *banners) has(t *testing.T, out string, strays ...string) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out.String() != out || !slices.Equal(b.strays, strays) {
		t.Errorf("the client has %q, stray are %q; want %q and %q", b.out.String(), b.strays, out, strays)
	}
}

func newBanners(t *testing.T) *banners {
	b := &banners{}
	b.Session = New("s", b, slog.New(slog.DiscardHandler))
	r, w := io.Pipe()
	b.server = w
	l := b.Attach(io.Discard, r, b.stray)
	if err := b.Switch(t.Context(), l, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

const greeting = `{"jsonrpc":"2.0","id":1,"method":"initialize"}` + "\n"

// What a server writes before an MCP client has said its first word is not for it: some clients end at a line that is no
// JSON.
func TestABannerIsNotForAnMCPClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBanners(t)
		_, _ = io.WriteString(b.server, "Listening\n")
		b.has(t, "")
		if err := b.Serve(t.Context(), strings.NewReader(greeting)); err != nil {
			t.Fatal(err)
		}
		b.has(t, "", "Listening\n")
		_, _ = io.WriteString(b.server, "more\n")
		b.has(t, "", "Listening\n", "more\n")
		_ = b.server.Close()
	})
}

// Who says nothing may be no MCP client, and gets all there is: after a second, or at the end.
func TestWhoSaysNothingGetsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBanners(t)
		_, _ = io.WriteString(b.server, "A=1\n")
		b.has(t, "")
		time.Sleep(firstWord)
		b.has(t, "A=1\n")
		_, _ = io.WriteString(b.server, "B=2\n")
		b.has(t, "A=1\nB=2\n")
		_ = b.server.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBanners(t)
		_, _ = io.WriteString(b.server, "A=1\nno end of line")
		_ = b.server.Close()
		b.has(t, "A=1\nno end of line")
	})
}

// A server whose result was undefined answers without one. The request is answered by that, and no longer open.
func TestAnAnswerWithoutAResultIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBanners(t)
		if err := b.Serve(t.Context(), strings.NewReader(`{"jsonrpc":"2.0","id":5,"method":"tools/call"}`+"\n")); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(b.server, `{"jsonrpc":"2.0","id":5}`+"\n")
		b.has(t, `{"jsonrpc":"2.0","id":5}`+"\n")
		b.mu.Lock()
		open := len(b.requests)
		b.mu.Unlock()
		if open != 0 {
			t.Errorf("%d requests are open", open)
		}
		_ = b.server.Close()
	})
}
