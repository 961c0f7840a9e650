package engine

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"bearerd/secrets"
)

// Local is this host's state folder, as far as the engine needs it.
type Local struct {
	Store secrets.Store // sealed; the engine's store itself, unless that one is shared by hosts
	Lock  Lock
	// Reserve makes room on disk for the value of key, so that put does not fail for want of space.
	Reserve func(ctx context.Context, key string) (put func(context.Context, []byte) error, release func(), err error)
	Place   string // tells this folder from a copy of it; "": cannot be told
	Network string // the network filesystem that it lies on; "": a local disk
	Fetch   Fetch  // nil: tokens come from their authorization servers
}

// A copy is a record in the sealed local store: the journal of a new refresh token until that is committed; of a shared
// store, what is served while that is away; and, without any token, what is known of a chain.
func copyKey(server string) string { return "copy/" + server }

// localCopy reads the local copy of the record of s; nil when there is none.
func (s *Source) localCopy(ctx context.Context) *record {
	b, _, err := s.engine.local.Store.Get(ctx, copyKey(s.name))
	if err != nil {
		return nil
	}
	if r, ok := decode(b); ok && r.Server == s.name {
		return &r
	}
	return nil
}

// copied is the local copy if its access token is one of the present credential.
func (s *Source) copied(ctx context.Context) *record {
	if r := s.localCopy(ctx); r != nil && r.Fingerprint == s.fingerprint {
		return r
	}
	return nil
}

// keepCopy writes the local copy of what the store holds, without the refresh token; of a store in the same folder without
// the access token too. A journal that is not yet committed is left alone.
func (s *Source) keepCopy(ctx context.Context, r record) {
	if !s.engine.shared && s.chain == "" {
		return
	}
	local := s.engine.local.Store
	b, rev, err := local.Get(ctx, copyKey(s.name))
	if there, ok := decode(b); err == nil && ok && there.Pending && there.newer(&r) {
		return
	}
	r.Refresh, r.Lease, r.Pending = "", nil, false
	if !s.engine.shared {
		r.AccessToken = ""
	}
	b, _ = json.Marshal(r) // strings, numbers and times
	if _, err = local.Put(ctx, copyKey(s.name), b, rev); err != nil && !errors.Is(err, secrets.ErrConflict) {
		s.engine.log.Warn("the local copy of a token was not kept", "server", s.name, "error", err)
	}
}

// dropCopy removes the local copy; that of a journal was committed, or is void.
func (s *Source) dropCopy(ctx context.Context) {
	if err := s.engine.local.Store.Delete(ctx, copyKey(s.name)); err != nil {
		s.engine.log.Warn("the local copy of a token was not removed", "server", s.name, "error", err)
	}
}

// journal is the newest answer to a spent refresh token that the store may not have yet; nil: there is none.
func (s *Source) journal(ctx context.Context) *record {
	s.mu.Lock()
	newest := s.uncommitted
	s.mu.Unlock()
	if r := s.localCopy(ctx); r != nil && r.Pending && r.Chain == s.chain && (newest == nil || r.Rotation > newest.Rotation) {
		newest = r
	}
	return newest
}

// remember adds to a record what this host knows of the chain. A record that is gone or older than that says nothing about
// which refresh token is spent: Vault was restored from a backup, or somebody has removed it.
func (s *Source) remember(ctx context.Context, g *reading) {
	c := s.localCopy(ctx)
	if c == nil || c.Pending || c.Chain != s.chain || c.Origin == "" || g.Origin != "" && g.Origin != c.Origin {
		return
	}
	if g.Origin == "" {
		g.Origin, g.Rotation = c.Origin, c.Rotation
	}
	if c.Rotation > g.Rotation && g.Refresh != "" {
		g.Dead = secrets.New(g.Refresh).Fingerprint()
		s.engine.log.Error("the store has gone back to an older state: its refresh token of "+s.name+" is spent", "server", s.name)
	}
}

// newer reports whether r holds a refresh token that came from the one in o. Generations do not tell: dropping an access
// token counts as one too. The chain of a login is newer than the one that it replaces, however often that was renewed
// since; it ends a tombstone that it has seen, and no later one.
func (r *record) newer(o *record) bool {
	if strings.HasPrefix(r.Origin, loginOrigin) && r.Replaces == o.Origin {
		return (!o.Revoked && o.Moved == "") || r.Generation > o.Generation
	}
	return r.Rotation > o.Rotation && (r.Origin == o.Origin || o.Origin == "") && !o.Revoked && o.Moved == ""
}

// recall reads the record and, where this host has a newer one that it could not commit, commits that first.
func (s *Source) recall(ctx context.Context) (*reading, error) {
	g, err := s.load(ctx)
	if err != nil || s.chain == "" {
		return g, err
	}
	if err := s.takeFromFolder(ctx, g); err != nil {
		return g, err
	}
	j := s.journal(ctx)
	if j == nil {
		s.remember(ctx, g)
		return g, nil
	}
	if j.newer(&g.record) {
		commit := *j
		commit.Pending, commit.Lease = false, nil
		commit.Wanted = union(commit.Wanted, lacking(g.Wanted, commit.Asked)) // demanded meanwhile
		commit.Generation = max(j.Generation, g.Generation+1)
		if _, err := s.engine.save(ctx, &commit, g.rev); errors.Is(err, secrets.ErrConflict) {
			return g, errLeased // somebody else writes: look again
		} else if err != nil {
			return g, err
		}
		s.engine.log.Info("committed the refresh token of "+s.name+" from the journal", "server", s.name)
		if g, err = s.load(ctx); err != nil {
			return g, err
		}
	}
	s.committed(ctx, g.record)
	s.changed()
	return g, nil
}

// committed notes that the store has r or a later one. The caller tells.
func (s *Source) committed(ctx context.Context, r record) {
	s.mu.Lock()
	locks := s.locks
	s.uncommitted, s.unjournaled, s.locks = nil, false, nil
	s.mu.Unlock()
	for _, unlock := range locks {
		unlock()
	}
	s.keepCopy(ctx, r)
}

// keepCommitting sees to a journal that an earlier process has left while the store cannot be written: until it is
// committed, the record of everybody else holds a refresh token that is spent.
func (s *Source) keepCommitting(ctx context.Context) {
	if s.chain == "" {
		return
	}
	j := s.copied(ctx)
	if j == nil || !j.Pending {
		return
	}
	s.mu.Lock()
	news := s.uncommitted == nil
	if news {
		s.uncommitted = j
	}
	s.unlock()
	if news {
		s.engine.spawn(s.commitLater)
	}
}

// commitLater goes on until the store has taken the answer to a spent refresh token.
func (s *Source) commitLater(ctx context.Context) {
	for wait := firstPause; sleep(ctx, wait); wait = min(2*wait, longestCommitPause) {
		unlock := s.lockToCommit(ctx)
		_, _ = s.recall(ctx) // what it could not commit is still there
		unlock()
		s.mu.Lock()
		done := s.uncommitted == nil
		s.mu.Unlock()
		if done {
			return
		}
	}
}

// lockToCommit takes the lock of this host, unless s has kept it since the answer came, see release.
func (s *Source) lockToCommit(ctx context.Context) (unlock func()) {
	s.mu.Lock()
	held := len(s.locks) > 0
	s.mu.Unlock()
	if held {
		return func() {}
	}
	unlock, _ = s.engine.lockOrGoOn(ctx, s.name)
	return unlock
}

// longestCommitPause is between two tries to commit.
const longestCommitPause = 30 * time.Second
