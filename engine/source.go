package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// Source is the life of one server's token. It belongs to a server name and a credential fingerprint.
type Source struct {
	engine      *Engine
	name        string
	fingerprint string
	chain       string                          // of refresh tokens; "": the grant has none
	owner       string                          // of the leases that it takes
	server      atomic.Pointer[config.Server]   // its settings; those outside the fingerprint may be swapped
	gone        chan struct{}                   // closed when it is retired
	current     atomic.Pointer[Token]           // nil: none, or none that may be used
	pair        atomic.Pointer[oauth.KeyPair]   // nil: no client certificate is presented
	certificate atomic.Pointer[tls.Certificate] // that was read last; nil: none yet
	looking     sync.Mutex                      // held while it is read
	stats       stats

	mu          sync.Mutex // guards what follows
	flight      *flight
	floor       uint64 // the generation that upstream refused: it and earlier ones are not taken from the store
	state       State
	trouble     *Error // why the last attempt failed; nil after a success
	failures    int    // in a row
	retryAt     time.Time
	disbelief   disbelief
	store       string   // what is wrong with the store; "": nothing
	storeError  string   // the same in the store's words
	seen        seen     // the lease of another process
	uncommitted *record  // the newest refresh token, while the store may not have it
	unjournaled bool     // nor the journal
	locks       []func() // release the lock of this host, see release
	rejected    refused
	challenge   *oauth.Challenge       // what upstream asked for last; nil: it was not asked
	heardAt     time.Time              // when that was
	settled     *oauth.Challenge       // the one that was looked into
	pin         string                 // the issuer that accepted what is configured
	wanted      string                 // the scope that upstream wants and a person must approve
	refreshKept bool                   // no token is held, as it was dropped, but a refresh token is stored: the next use gets one
	entered     uint64                 // the generation that the last sign-in here has brought
	stepped     []time.Time            // when upstream wanted another scope
	asking      bool                   // a person is asked now, for a request
	reserved    time.Time              // until then a command begins a sign-in: no request does
	yield       func() <-chan struct{} // ends that; nil: nobody listens for the answer
	login       chan struct{}          // closed when the pending login ends that was begun here; nil: there is none
	loginTimer  *time.Timer
	timer       *time.Timer
	retired     bool
	told        shown // what Status showed when somebody was told last
}

func newSource(e *Engine, server *config.Server, fp string) *Source {
	s := &Source{engine: e, name: server.Name, fingerprint: fp, chain: chain(server), owner: newOwner(), gone: make(chan struct{}), state: Pending}
	s.server.Store(server)
	s.usePair(server)
	s.told = s.shows()
	return s
}

// Token gives a valid token: the cached one, or the one that the fetch in flight brings. It fails with *Error, with
// ErrGone, or with ctx's error when ctx ends first; the fetch goes on then.
func (s *Source) Token(ctx context.Context) (*Token, error) {
	if t := s.Fresh(ctx); t != nil {
		return t, nil
	}
	return s.slow(ctx, true)
}

// Fresh is the cached token, if it need not be renewed yet; nil: Token is the one to ask. It never waits.
func (s *Source) Fresh(ctx context.Context) *Token {
	if t := s.current.Load(); t != nil && t.fresh(time.Now()) {
		s.hit(ctx, t)
		return t
	}
	return nil
}

// hit counts a cache hit. The first one of each token is worth a line to people, the rest to debugging.
func (s *Source) hit(ctx context.Context, t *Token) {
	s.stats.hits.Add(1)
	level := slog.LevelDebug
	if !t.hit.Load() && t.hit.CompareAndSwap(false, true) {
		level = slog.LevelInfo
	}
	if log := s.engine.log; log.Enabled(ctx, level) {
		log.Log(ctx, level, "[OAuthService] Using cached token for "+s.name, "server", s.name, "correlation_id", t.correlation)
	}
}

// slow is Token without a fresh token at hand. A stale but valid one is served while its successor is fetched. asked says
// that a person may be asked.
func (s *Source) slow(ctx context.Context, asked bool) (*Token, error) {
	t, err := s.fetched(ctx, asked)
	if err == nil || !s.signingIn(ctx, err) {
		return t, err
	}
	if !s.afterLogin(ctx) {
		return nil, s.waited(ctx)
	}
	s.mu.Lock()
	s.retryAt = time.Time{} // the record may have what another process was given
	s.mu.Unlock()
	return s.fetched(ctx, asked)
}

func (s *Source) fetched(ctx context.Context, asked bool) (*Token, error) {
	held := s.current.Load()
	if now := time.Now(); held != nil && held.fresh(now) {
		s.hit(ctx, held) // it came between the two looks
		return held, nil
	}
	valid := held != nil && held.valid(time.Now())
	f, err := s.join(generation(held), asked)
	if valid && !errors.Is(err, ErrGone) && (err != nil || !held.yields(f)) {
		s.hit(ctx, held)
		return held, nil
	}
	s.stats.misses.Add(1)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		if t := s.current.Load(); f.err != nil && t != nil && t.valid(time.Now()) {
			return t, nil
		}
		return f.token, f.failure()
	case <-f.fallback:
		switch t := s.current.Load(); {
		case t != nil && t.valid(time.Now()):
			return t, nil
		case t == nil && s.isRetired():
			return nil, ErrGone
		}
		return s.awaitAlive(ctx, f, asked) // it has ended, or upstream has refused it, since the flight fell back
	case <-s.gone:
		return nil, ErrGone
	case <-ctx.Done():
		return nil, s.waited(ctx)
	}
}

// Refresh gets a token newer than any known one, whatever the state of the source: it is a person's or an upstream's
// explicit wish.
func (s *Source) Refresh(ctx context.Context) (*Token, error) {
	s.believe()
	if p := s.pair.Load(); p != nil {
		p.Forget() // who asks wants to be told what is wrong with it
	}
	after := generation(s.current.Load())
	if r, err := s.load(ctx); err == nil {
		after = max(after, r.Generation)
	}
	return s.renew(ctx, after)
}

// renew gets a token of a later generation than after.
func (s *Source) renew(ctx context.Context, after uint64) (*Token, error) {
	for {
		f, err := s.force(after)
		if err != nil {
			return nil, err
		}
		t, err := s.await(ctx, f)
		if err != nil || t.Generation > after || after >= mostCounted {
			return t, err
		}
		// The flight that we joined had begun before the wish and brought back what is already held.
	}
}

// await waits for the end of a flight.
func (s *Source) await(ctx context.Context, f *flight) (*Token, error) {
	select {
	case <-f.done:
		return f.token, f.failure()
	case <-s.gone:
		return nil, ErrGone
	case <-ctx.Done():
		return nil, s.waited(ctx)
	}
}

// Invalidate drops the cached and the stored token; the next use fetches.
func (s *Source) Invalidate(ctx context.Context) error {
	s.stats.invalidations.Add(1)
	id := ""
	if t := s.current.Load(); t != nil {
		id = t.correlation
	}
	s.engine.log.Info("[OAuthService] Invalidated token for "+s.name, "server", s.name, "correlation_id", id)
	return s.forget(ctx, false, TokenInvalidated)
}

// forget drops the token here, whatever becomes of the store, and then in its record; revoked leaves a tombstone there. It
// tells of it as kind.
func (s *Source) forget(ctx context.Context, revoked bool, kind EventKind) error {
	dropped := s.drop(revoked, 0)
	defer func() { s.happened(dropped.event(kind)) }()
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	for {
		g, err := s.recall(ctx)
		if dropped == nil {
			dropped = g.token(s.buffer())
		}
		s.drop(g.Revoked || revoked, g.Generation+1) // again: a request that was in flight may have brought one meanwhile
		if err == nil && g.rev == "" && !revoked {
			return nil
		}
		if err == nil {
			emptied := g.emptied(revoked)
			_, err = s.engine.save(ctx, &emptied, g.rev)
			s.keeps(err == nil && emptied.Refresh != "")
		}
		switch {
		case err == nil:
			s.dropCopy(ctx)
			return nil
		case errors.Is(err, secrets.ErrConflict), errors.Is(err, errLeased):
			if !sleep(ctx, leasePoll) { // another process has just written
				return ctx.Err()
			}
		default:
			if revoked || s.journal(ctx) == nil {
				s.dropCopy(ctx)
			}
			return s.forgetRecord(ctx, revoked, err)
		}
	}
}

// keeps notes whether a refresh token is stored beside no access token.
func (s *Source) keeps(refresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshKept = refresh
}

// emptied is g without its access token and, when it is revoked, without its refresh token.
func (g *reading) emptied(revoked bool) record {
	r := g.record
	r.Generation, r.Revoked = g.Generation+1, g.Revoked || revoked
	r.AccessToken, r.Scope, r.Issued, r.Expires, r.Correlation, r.Backoff = "", "", time.Time{}, time.Time{}, "", time.Time{}
	if r.Revoked || r.Chain == "" {
		r.Refresh, r.Lease = "", nil
	}
	return r
}

// drop forgets the token in memory, and returns it; none up to generation is taken from the store again. The caller tells.
func (s *Source) drop(revoked bool, generationUpTo uint64) *Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.current.Load()
	s.floor = max(s.floor, generationUpTo, generation(held))
	s.publish(nil)
	if revoked {
		s.uncommitted = nil
	}
	s.trouble, s.failures, s.retryAt = nil, 0, time.Time{}
	if revoked {
		s.state = Revoked
	} else if s.state != Revoked {
		s.state = Pending
	}
	return held
}

// forgetRecord removes a record that could not be written over: a full disk still lets files go. A chain of refresh tokens
// that is only invalidated stays.
func (s *Source) forgetRecord(ctx context.Context, revoked bool, cause error) error {
	mend := "make the state folder writable and give it space, then run this again"
	if s.engine.shared {
		mend = "see to Vault, then run this again"
	}
	if s.chain != "" && !revoked || s.engine.store.Delete(ctx, recordKey(s.name)) != nil {
		return fmt.Errorf("server %q: the token was dropped here, but its stored copy is still there: %w: %s", s.name, cause, mend)
	}
	if revoked {
		return fmt.Errorf("server %q: the token was dropped here and in the store, but not marked as revoked there, so that a "+
			"restart gets a new one: %w: %s", s.name, cause, mend)
	}
	return nil
}

// Sync takes over what other processes did to the stored token: a renewal, an invalidation, a revocation. An error is that
// of the store.
func (s *Source) Sync(ctx context.Context) error {
	g, err := s.load(ctx)
	if err != nil && s.engine.shared {
		s.withoutStore(ctx, err)
	}
	if err != nil {
		return err // of a file the next renewal tells
	}
	s.present(ctx)
	stored := s.tokenOf(&g.record)
	if !g.foreign && !s.boundElsewhere(&g.record) && s.takeOver(g, stored) && stored != nil {
		s.keepShared(ctx, g, nil)
	} else if s.engine.shared {
		s.storeWritten()
	}
	return nil
}

// takeOver puts a newer record into force.
func (s *Source) takeOver(g *reading, stored *Token) bool {
	s.mu.Lock()
	defer s.unlock()
	if s.retired || s.flight != nil || g.Generation <= max(s.floor, generation(s.current.Load())) {
		return false
	}
	s.publish(stored)
	s.trouble, s.failures, s.retryAt, s.wanted = nil, 0, time.Time{}, g.Wanted
	switch {
	case g.Revoked:
		s.state = Revoked
	case stored != nil && stored.valid(time.Now()):
		s.state = Authorized
	default:
		s.state = Pending
	}
	s.plan()
	return true
}

// syncPause is how long the record of s may go unread: seldom while its token lives long, as there is no way to be told;
// more often while the store is in trouble, to see its end.
func (s *Source) syncPause() time.Duration {
	s.mu.Lock()
	store := s.store
	s.mu.Unlock()
	t := s.current.Load()
	switch {
	case !s.engine.shared || t == nil || t.copied || store == storeUnavailable:
		return 0
	case t.Expires.IsZero() || store != "":
		return sharedPause
	}
	return max(sharedPause, time.Until(t.Expires)/10)
}

// retire ends a source whose server was removed or changed.
func (s *Source) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.retired {
		close(s.gone)
	}
	s.retired = true
	s.publish(nil)
	s.endLogin()
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *Source) buffer() time.Duration {
	return time.Duration(s.server.Load().OAuth.TokenExpiryBuffer) * time.Second
}

// waited is the error of a caller whose own context ended while a fetch was in flight.
func (s *Source) waited(ctx context.Context) error {
	s.mu.Lock()
	asking := s.asking || s.login != nil
	s.mu.Unlock()
	if p, _, err := s.pendingLogin(context.WithoutCancel(ctx)); err == nil && p.active() {
		asking = true
	}
	if asking {
		e := s.needsPerson("a person is to sign in first, and has not finished yet")
		e.Remedy, e.Err = "finish the sign-in in the browser, then send the request again; `bearerd login "+s.name+"` begins it anew", context.Cause(ctx)
		return e
	}
	return &Error{Server: s.name, State: s.status(), Reason: "the authorization server has not answered yet",
		Remedy: "try again in a moment", Err: context.Cause(ctx)}
}

func (s *Source) status() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
