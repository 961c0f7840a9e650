package oauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// rotating is a pair in a Vault that a test changes.
type rotating struct {
	*KeyPair
	t     *testing.T
	as    *oauthtest.Server
	dir   string
	err   error // of the next reads
	reads int
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	p := &rotating{t: t, as: as, dir: t.TempDir()}
	ref := func(field string) secrets.Ref { return secrets.Ref{Kind: secrets.Vault, Name: "tls", Field: field} }
	p.KeyPair = &KeyPair{cert: ref("client.pem"), key: ref("client-key.pem"), resolve: &secrets.Resolver{Vault: p.vault}}
	return p
}

func (p *rotating) vault(_ context.Context, _, field string) (string, error) {
	if p.reads++; p.err != nil {
		return "", p.err
	}
	b, err := os.ReadFile(filepath.Join(p.dir, field))
	return string(b), err
}

func (p *rotating) rotate(subject string) {
	p.t.Helper()
	if _, _, err := p.as.WriteClientCert(p.dir, subject); err != nil {
		p.t.Fatal(err)
	}
}

// check expects the certificate of subject, and how often the Vault was read since the last check.
func (p *rotating) check(subject string, reads int) {
	p.t.Helper()
	pair, err := p.Current(context.Background())
	if err != nil {
		p.t.Fatal(err)
	}
	if got := pair.Leaf.Subject.CommonName; got != subject || p.reads != reads {
		p.t.Errorf("%q after %d reads, want %q after %d", got, p.reads, subject, reads)
	}
	p.reads = 0
}

func TestPairOfAVaultIsReadAgainAfterAMinute(t *testing.T) {
	p := newRotating(t)
	synctest.Test(t, func(*testing.T) {
		p.rotate("old")
		p.check("old", 2)
		p.rotate("new")
		time.Sleep(pairAge)
		p.check("old", 0)
		time.Sleep(time.Nanosecond)
		p.err = secrets.ErrUnavailable
		p.check("old", 1)
		p.err = nil
		p.check("old", 0) // an outage costs one try a minute, not one for each handshake
		time.Sleep(pairAge + 1)
		p.check("new", 2)
		if err := os.WriteFile(filepath.Join(p.dir, "client.pem"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(pairAge + 1)
		p.check("new", 2)
	})
}

// TestPairOfAFileAndAVault: the file counts at once, the rest after a minute.
func TestPairOfAFileAndAVault(t *testing.T) {
	p := newRotating(t)
	p.rotate("old")
	p.cert = secrets.Ref{Kind: secrets.File, Name: filepath.Join(p.dir, "client.pem")}
	p.check("old", 1)
	p.rotate("newer")
	p.check("newer", 1)
	p.check("newer", 0)
	if err := os.Remove(p.cert.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Current(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestSlowVaultDelaysNoHandshakeForLong: the pair before serves then.
func TestSlowVaultDelaysNoHandshakeForLong(t *testing.T) {
	p := newRotating(t)
	p.rotate("old")
	synctest.Test(t, func(t *testing.T) {
		p.check("old", 2)
		p.resolve = &secrets.Resolver{Vault: func(ctx context.Context, _, _ string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}
		time.Sleep(pairAge + 1)
		start := time.Now()
		p.check("old", 0)
		if took := time.Since(start); took != rereadTimeout {
			t.Errorf("it took %v", took)
		}
	})
}
