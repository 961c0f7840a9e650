package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bearerd/secrets"
)

// takeMoved gives a renamed server the record of its old name, unless it has one of its own. Whoever renews under the old
// name is waited for: what it gets belongs to the new one.
func (s *Source) takeMoved(ctx context.Context) error {
	from := s.server.Load().MovedFrom
	if from == "" {
		return nil
	}
	store := s.engine.store
	if _, _, err := store.Get(ctx, recordKey(s.name)); !errors.Is(err, secrets.ErrNotFound) {
		return nil // it has one, or the trouble is told by whoever reads it next
	}
	unlock, locked := s.engine.lockOrGoOn(ctx, from)
	defer unlock()
	b, rev, err := store.Get(ctx, recordKey(from))
	if errors.Is(err, secrets.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the record of %q, the old name of %q: %w", from, s.name, err)
	}
	var r record
	if json.Unmarshal(b, &r) != nil || r.Schema > schema {
		return nil // nothing in it can be used
	}
	if s.leased(&reading{record: r, rev: rev, locked: locked}) {
		return errLeased
	}
	r.Server = s.name
	if err := s.moveCopy(ctx, from); err != nil {
		return err
	}
	if _, err := s.engine.save(ctx, &r, ""); err != nil {
		return fmt.Errorf("giving the record of %q to %q: %w", from, s.name, err)
	}
	s.engine.log.Info("the token of "+from+" now belongs to "+s.name, "server", s.name)
	return store.Delete(ctx, recordKey(from))
}

// moveCopy moves the local copy too: it may be a journal.
func (s *Source) moveCopy(ctx context.Context, from string) error {
	local := s.engine.local.Store
	b, _, err := local.Get(ctx, copyKey(from))
	if errors.Is(err, secrets.ErrNotFound) {
		return nil
	}
	var r record
	if err != nil || json.Unmarshal(b, &r) != nil {
		return err
	}
	r.Server = s.name
	b, _ = json.Marshal(r) // strings, numbers and times
	_, rev, _ := local.Get(ctx, copyKey(s.name))
	if _, err := local.Put(ctx, copyKey(s.name), b, rev); err != nil {
		return fmt.Errorf("giving the local copy of %q to %q: %w", from, s.name, err)
	}
	return local.Delete(ctx, copyKey(from))
}

// dropRemoved drops the token of a server that is not in the configuration any more, up to the generation it had then. A
// refresh token stays in the record: who takes the server in again wants it, and other hosts may use it now.
func (s *Source) dropRemoved(ctx context.Context, upTo uint64) {
	if s.server.Load().RevokeOnShutdown {
		s.revokeOnShutdown(ctx)
		return
	}
	if s.engine.shared {
		s.dropCopy(ctx)
		return
	}
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	g, err := s.recall(ctx)
	if err != nil || g.rev == "" || g.Generation > upTo {
		return
	}
	if s.chain == "" {
		err = s.engine.store.Delete(ctx, recordKey(s.name))
	} else {
		emptied := g.emptied(false)
		_, err = s.engine.save(ctx, &emptied, g.rev)
	}
	if err != nil && !errors.Is(err, secrets.ErrConflict) {
		s.engine.log.Warn("the token of a removed server was not dropped from the store", "server", s.name, "error", err)
	}
}
