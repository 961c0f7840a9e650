package engine

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// mutual is an authorization server that wants a certificate, and a server that has it in a Vault.
type mutual struct {
	*oauthtest.Server
	dirs []string // of the pairs that there will be: made in advance, as the server has the real clock
	at   atomic.Int32
}

func newMutual(t *testing.T) *mutual {
	t.Helper()
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	as.SetLifetime(10 * time.Hour)
	as.Register(oauthtest.Client{ID: "id", Methods: []string{oauthtest.MTLS}, CertSubject: "id"})
	m := &mutual{Server: as}
	for range 3 {
		dir := t.TempDir()
		if _, _, err := as.WriteClientCert(dir, "id"); err != nil {
			t.Fatal(err)
		}
		if err := as.WriteCA(filepath.Join(dir, "ca.pem")); err != nil {
			t.Fatal(err)
		}
		m.dirs = append(m.dirs, dir)
	}
	return m
}

func (m *mutual) rotate() { m.at.Add(1) }

func (m *mutual) dir() string { return m.dirs[m.at.Load()] }

func (m *mutual) server() *config.Server {
	s := server(m.Server, "a")
	ref := func(field string) secrets.Ref { return secrets.Ref{Kind: secrets.Vault, Name: "tls", Field: field} }
	s.OAuth.ClientSecret, s.OAuth.UseMTLS = secrets.Ref{}, true
	s.OAuth.ClientCertPath, s.OAuth.ClientKeyPath = ref("client.pem"), ref("client-key.pem")
	s.OAuth.CABundlePath = secrets.Ref{Kind: secrets.File, Name: filepath.Join(m.dir(), "ca.pem")}
	return s
}

// on starts an engine on a store.
func (m *mutual) on(t *testing.T, store *memory) *bench {
	t.Helper()
	b := startWith(t, store, locks())
	b.resolve.Vault = func(_ context.Context, _, field string) (string, error) {
		text, err := os.ReadFile(filepath.Join(m.dir(), field))
		return string(text), err
	}
	b.Prepare(&config.Config{Servers: []*config.Server{m.server()}}).Commit()
	return b
}

// wantBound checks that a token was given to the certificate that goes with it.
func (m *mutual) wantBound(t *testing.T, tok *Token) {
	t.Helper()
	g, ok := m.Introspect(tok.Access().Reveal())
	if !ok || tok.Certificate == nil || g.Thumbprint != thumbprintOf(tok) {
		t.Errorf("a token for %q goes with the certificate %q", g.Thumbprint, thumbprintOf(tok))
	}
}

func TestACertificateInVaultIsFollowed(t *testing.T) {
	m := newMutual(t)
	synctest.Test(t, func(t *testing.T) {
		b := m.on(t, newMemory())
		b.KeepFresh()
		first := b.token(t, "a")
		m.wantBound(t, first)
		m.rotate()
		time.Sleep(2*certificatePause + time.Second)
		synctest.Wait()
		if !isClosed(first.superseded) {
			t.Fatal("nobody has looked at the certificate")
		}
		second := b.token(t, "a")
		if second.Generation != first.Generation+1 || thumbprintOf(second) == thumbprintOf(first) {
			t.Error("the token is not one for the new certificate")
		}
		m.wantBound(t, second)
		m.rotate()
		b.Mended() // somebody says so
		synctest.Wait()
		if !isClosed(second.superseded) {
			t.Error("who is told does not look")
		}
		wantAsked(t, m.Server, 3)
	})
}

// TestTheUseAfterAChangeWaits for the new token, but not for an authorization server that is away: the one before, with its
// certificate, is still good then.
func TestTheUseAfterAChangeWaits(t *testing.T) {
	m := newMutual(t)
	synctest.Test(t, func(t *testing.T) {
		b := m.on(t, newMemory())
		first := b.token(t, "a")
		m.rotate()
		s := b.source(t, "a")
		s.pair.Load().Reread()
		s.present(t.Context()) // nothing is fetched yet
		m.Fail(3, oauthtest.Answer(http.StatusServiceUnavailable, "text/plain", ""))
		for range 5 {
			tok := b.token(t, "a")
			if tok != first {
				t.Fatal("another token while the authorization server is away")
			}
			m.wantBound(t, tok)
		}
		time.Sleep(time.Minute)
		second := b.token(t, "a")
		m.wantBound(t, second)
		if second == first || b.token(t, "a") != second {
			t.Error("the use after the change got the token of before")
		}
	})
}

func TestARestartAfterAChange(t *testing.T) {
	m := newMutual(t)
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		first := m.on(t, store).token(t, "a")
		again := m.on(t, store).token(t, "a")
		if !again.Access().Equal(first.Access()) || again.Generation != first.Generation {
			t.Error("the stored token is not used although the certificate is the same")
		}
		m.wantBound(t, again)
		m.rotate()
		third := m.on(t, store).token(t, "a")
		if third.Generation != first.Generation+1 {
			t.Error("a stored token is used with another certificate than its own")
		}
		m.wantBound(t, third)
		wantAsked(t, m.Server, 2)
	})
}

// TestHostsWithCertificatesOfTheirOwn share a record: none takes the other's token over, nor drops its own for it.
func TestHostsWithCertificatesOfTheirOwn(t *testing.T) {
	m := newMutual(t)
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		one := m.on(t, store)
		mine := one.token(t, "a")
		m.rotate() // of the other host: this one does not look again within the minute
		other := m.on(t, store).token(t, "a")
		if err := one.source(t, "a").Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if one.source(t, "a").current.Load() != mine || isClosed(mine.superseded) {
			t.Error("a token of another host was taken over")
		}
		m.wantBound(t, mine)
		m.wantBound(t, other)
	})
}

func thumbprintOf(t *Token) string { return oauth.Thumbprint(t.Certificate) }
