package engine

import (
	"context"
	"crypto/tls"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
)

// certificatePause is between two looks at client certificates of which nobody tells that they have changed, as in Vault.
const certificatePause = time.Minute

// usePair makes the pair that server names the one that is read.
func (s *Source) usePair(server *config.Server) {
	if p := s.pair.Load(); !p.Same(server.OAuth) {
		s.pair.Store(oauth.NewKeyPair(server.OAuth, s.engine.resolve))
	}
}

// present reads the client certificate again, if it may have changed. A token that is bound to another one is to be renewed
// before its next use. Nil: there is none, or none that can be read; a token request says why.
func (s *Source) present(ctx context.Context) *tls.Certificate {
	pair := s.pair.Load()
	if pair == nil {
		return nil
	}
	if !s.looking.TryLock() { // what is known will do: whoever looks marks the token that is got with it
		return s.certificate.Load()
	}
	defer s.looking.Unlock()
	c, err := pair.Current(ctx)
	if err != nil {
		return nil
	}
	if old := s.certificate.Swap(c); old != nil && !same(old, c) {
		s.engine.log.Info("the client certificate of "+s.name+" has changed: a token is fetched for it", "server", s.name)
	}
	s.mu.Lock()
	defer s.unlock()
	s.outdate(s.current.Load())
	return c
}

// outdate marks a token that is bound to another certificate than is presented now.
func (s *Source) outdate(t *Token) {
	if c := s.certificate.Load(); t != nil && t.Certificate != nil && c != nil {
		t.outdated.Store(!same(t.Certificate, c))
	}
}

func same(a, b *tls.Certificate) bool { return oauth.Thumbprint(a) == oauth.Thumbprint(b) }

// attendCertificate fetches a token if the certificate has changed that the present one is bound to.
func (s *Source) attendCertificate(ctx context.Context) {
	if s.pair.Load() == nil || s.isRetired() {
		return
	}
	s.present(ctx)
	if t := s.current.Load(); t != nil && t.outdated.Load() {
		_, _ = s.join(t.Generation, false) // a failure is in the status, and is tried again
	}
}

// attendCertificates looks at all client certificates. reread: also at those that were looked at a moment ago.
func (e *Engine) attendCertificates(ctx context.Context, reread bool) {
	for _, s := range *e.sources.Load() {
		if p := s.pair.Load(); p != nil && reread {
			p.Reread()
		}
		s.attendCertificate(ctx)
	}
}

func (e *Engine) watchCertificates(ctx context.Context) {
	for sleep(ctx, certificatePause) {
		e.attendCertificates(ctx, false)
	}
}

// tokenOf makes the token of a record ready for use, with the certificate that it is bound to. Nil: there is none, or it is
// bound to one that is not presented now.
func (s *Source) tokenOf(r *record) *Token {
	t := r.token(s.buffer())
	if t == nil || s.boundElsewhere(r) {
		return nil
	}
	t.Certificate = s.certificate.Load()
	return t
}

// boundElsewhere reports whether a record holds a token that is bound to a certificate which this process does not present.
func (s *Source) boundElsewhere(r *record) bool {
	return s.pair.Load() != nil && r.AccessToken != "" && r.Certificate != "" && r.Certificate != oauth.Thumbprint(s.certificate.Load())
}

// granted is the token of an answer, r being the record of it.
func (s *Source) granted(r *record, answer *oauth.Token) *Token {
	t := r.given(s.buffer())
	if t.Certificate = answer.Certificate; t.Certificate == nil {
		t.Certificate = s.certificate.Load() // it was asked for without one, or by another process
	}
	return t
}
