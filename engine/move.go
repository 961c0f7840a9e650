package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bearerd/secrets"
)

// takeMoved gives a renamed server the record of its old name, unless it has one of its own. Whoever renews under the old
// name is waited for: what it gets belongs to the new one. The new record is under a lease until a stub stands in the
// place of the old one, so that nobody spends its refresh token twice.
func (s *Source) takeMoved(ctx context.Context) error {
	from := s.server.Load().MovedFrom
	if from == "" {
		return nil
	}
	own, ownRev, err := s.engine.peek(ctx, s.name)
	if err != nil {
		return nil // whoever reads it next tells of it
	}
	if ownRev != "" && own.Moved == "" { // another host has renamed: a journal of this one may still be under the old name
		return s.moveCopy(ctx, from)
	}
	unlock, locked := s.engine.lockOrGoOn(ctx, from)
	defer unlock()
	r, rev, err := s.engine.peek(ctx, from)
	switch {
	case err != nil:
		return fmt.Errorf("reading the record of %q, the old name of %q: %w", from, s.name, err)
	case rev == "" || r.Moved != "":
		return nil
	case r.Schema > schema:
		return fmt.Errorf("the stored record of %q, the old name of %q, was written by a newer bearerd: upgrade this one", from, s.name)
	case s.leased(&reading{record: r, rev: rev, locked: locked}):
		return errLeased
	}
	stub := record{Schema: schema, Server: from, Fingerprint: r.Fingerprint, Chain: r.Chain, Generation: r.Generation + 1,
		Rotation: r.Rotation, Origin: r.Origin, Dead: r.Dead, Place: r.Place, Moved: s.name}
	r.Server, r.Lease = s.name, &lease{Owner: s.owner, Life: leaseLife.Milliseconds()}
	if ownRev, err = s.engine.save(ctx, &r, ownRev); errors.Is(err, secrets.ErrConflict) {
		return errLeased
	} else if err != nil {
		return fmt.Errorf("giving the record of %q to %q: %w", from, s.name, err)
	}
	if _, err := s.engine.save(ctx, &stub, rev); err != nil {
		if undo := s.engine.store.Delete(ctx, recordKey(s.name)); undo == nil && errors.Is(err, secrets.ErrConflict) {
			return errLeased // somebody has renewed under the old name: once more
		}
		return fmt.Errorf("leaving a note at the record of %q, the old name of %q: %w", from, s.name, err)
	}
	if err := s.moveCopy(ctx, from); err != nil {
		return err
	}
	r.Lease = nil
	if _, err := s.engine.save(ctx, &r, ownRev); err != nil {
		return err
	}
	s.engine.log.Info("the token of "+from+" now belongs to "+s.name, "server", s.name)
	return nil
}

// peek reads any record as it is; an absent one has no revision.
func (e *Engine) peek(ctx context.Context, server string) (record, secrets.Revision, error) {
	b, rev, err := e.store.Get(ctx, recordKey(server))
	if errors.Is(err, secrets.ErrNotFound) {
		return record{}, "", nil
	}
	r, _ := decode(b)
	return r, rev, err
}

// inVault is, in the stub of a state folder, where its chain went. It is no server's name.
const inVault = `store "vault"`

// takeFromFolder carries a chain over that began in the state folder before store "vault" was configured: the refresh token
// that was supplied then is spent. A stub in its place keeps it from being spent from there again.
func (s *Source) takeFromFolder(ctx context.Context, g *reading) error {
	if !s.engine.shared || g.rev != "" {
		return nil
	}
	local := s.engine.local
	b, rev, err := local.Store.Get(ctx, recordKey(s.name))
	r, ok := decode(b)
	if err != nil || !ok || r.Refresh == "" || r.Chain != s.chain || r.Schema > schema || local.Place != "" && r.Place != local.Place {
		return nil // there is none, or none that may be spent
	}
	stub := r
	stub.AccessToken, stub.Refresh, stub.Lease, stub.Moved = "", "", nil, inVault
	r.Lease, r.Place = nil, ""
	if g.rev, err = s.engine.save(ctx, &r, ""); errors.Is(err, secrets.ErrConflict) {
		return errLeased
	} else if err != nil {
		return err
	}
	b, _ = json.Marshal(stub) // strings, numbers and times
	if _, err := local.Store.Put(ctx, recordKey(s.name), b, rev); err != nil {
		return fmt.Errorf("leaving a note in the state folder that the refresh token of %q is in Vault now: %w", s.name, err)
	}
	s.engine.log.Info("the refresh token of "+s.name+" was carried over from the state folder to the shared store", "server", s.name)
	now, err := s.load(ctx)
	*g = *now
	return err
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
	if own := s.localCopy(ctx); own != nil && own.Pending {
		return nil
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
		s.engine.notRevoked(ctx, s.name, upTo)
		return
	}
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	if s.engine.shared {
		if s.journal(ctx) == nil {
			s.dropCopy(ctx)
		}
		return
	}
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

// notRevoked lets a server that was taken in again, while the token of the removed one was revoked, get another one.
func (e *Engine) notRevoked(ctx context.Context, name string, upTo uint64) {
	live, err := e.Source(name)
	if err != nil || ctx.Err() != nil {
		return
	}
	if t := live.current.Load(); t != nil && t.Generation <= upTo {
		live.drop(false, upTo)
		live.changed()
		if e.eager.Load() {
			live.wake()
		}
	}
}
