package engine

import (
	"context"
	"errors"

	"bearerd/secrets"
)

// What may be wrong with the store of a source, as its status names it.
const (
	storeUnwritable  = "store_unwritable"  // the token lives in memory alone
	storeUnavailable = "store_unavailable" // tokens are served from memory and the local copies until they expire
	storeDenied      = "store_denied"      // the store answers, and refuses
)

// storeRemedy is what a person can do about an error of the store.
func storeRemedy(err error) string {
	switch {
	case errors.Is(err, secrets.ErrUnavailable):
		return "it is tried again by itself"
	case errors.Is(err, secrets.ErrDenied):
		return "" // the error names the path, or what is wrong with the login
	}
	return "make the state folder writable and give it space; the next renewal is kept again"
}

// storeTrouble notes that the store did not do its part, and tells it once.
func (s *Source) storeTrouble(err error) {
	if errors.Is(err, context.Canceled) {
		return // it is stopping, or was retired
	}
	trouble, text := storeUnwritable, "the token of "+s.name+" is served, but not kept"
	switch {
	case errors.Is(err, secrets.ErrUnavailable):
		trouble, text = storeUnavailable, "the token of "+s.name+" is served until it expires"
	case errors.Is(err, secrets.ErrDenied):
		trouble, text = storeDenied, "the token of "+s.name+" is neither read nor kept"
	}
	s.mu.Lock()
	news := s.store != trouble
	s.store, s.storeError = trouble, err.Error()
	s.unlock()
	if news {
		s.engine.log.Error(trouble+": "+text, "server", s.name, "error", err, "remedy", storeRemedy(err))
	}
}

func (s *Source) storeWritten() {
	s.mu.Lock()
	news := s.store != ""
	s.store, s.storeError = "", ""
	s.mu.Unlock()
	if news {
		s.changed()
		s.engine.log.Info("the token of "+s.name+" is in the store again", "server", s.name)
	}
}

// withoutStore is the token to go on with when the record could not be read: in an outage that of the local copy. A
// refusal is no outage, and ends the use of copies.
func (s *Source) withoutStore(ctx context.Context, err error) *Token {
	s.storeTrouble(err)
	s.keepCommitting(ctx)
	if errors.Is(err, secrets.ErrDenied) {
		if s.engine.shared && s.journal(ctx) == nil {
			s.dropCopy(ctx)
		}
		s.mu.Lock()
		defer s.unlock()
		if t := s.current.Load(); t != nil && t.copied {
			s.publish(nil)
			s.state = Pending
		}
		return nil
	}
	if !errors.Is(err, secrets.ErrUnavailable) {
		return nil
	}
	r := s.copied(ctx)
	if r == nil || r.Fingerprint != s.fingerprint {
		return nil
	}
	t := s.tokenOf(r)
	if t != nil {
		t.copied = true
	}
	return t
}

// keepShared keeps a local copy of what was just read from the shared store without an error.
func (s *Source) keepShared(ctx context.Context, g *reading, err error) {
	if err != nil {
		return
	}
	s.storeWritten()
	if s.engine.shared {
		s.keepCopy(ctx, g.record)
	}
}
