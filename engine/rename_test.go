package engine

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// awayAfter is m, which can neither be read nor written from the nth rotation of a chain on, while it is on.
func awayAfter(m *memory, as *oauthtest.Server, first string, n int) (h *hooked, on *atomic.Bool) {
	on = &atomic.Bool{}
	on.Store(true)
	return &hooked{m, func(context.Context, string, string) error {
		if c, _ := as.Chain(first); on.Load() && c.Rotations >= n {
			return secrets.ErrUnavailable
		}
		return nil
	}}, on
}

func (b *bench) renew(t testing.TB, name string) {
	t.Helper()
	if _, err := b.source(t, name).Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantRefusal is for what must end in words for a person.
func wantRefusal(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("%v: want %q in it", err, words)
	}
}

func TestARenameThatIsRolledOutHostByHost(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	a := host(t, shared, newMemory(), "a", rotating(as, "old", first))
	b := host(t, shared, newMemory(), "b", rotating(as, "old", first))
	a.token(t, "old")
	b.token(t, "old")
	rename := &config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "old", "new")}}
	a.Prepare(rename).Commit()
	a.token(t, "new")
	_, err := b.source(t, "old").Refresh(t.Context())
	wantRefusal(t, err, "taken over by new")
	b.Prepare(rename).Commit()
	b.renew(t, "new")
	a.renew(t, "new")
	wantAlive(t, as, first)
	wantAsked(t, as, 3)
}

func TestARenameThatIsTakenBack(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := start(t, rotating(as, "old", first))
	b.token(t, "old")
	b.Prepare(&config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "old", "new")}}).Commit()
	b.token(t, "new")
	b.Prepare(&config.Config{Servers: []*config.Server{rotating(as, "old", first)}}).Commit()
	_, err := b.source(t, "old").Token(t.Context())
	wantRefusal(t, err, `moved_from = "new"`)
	b.Prepare(&config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "new", "old")}}).Commit()
	b.renew(t, "old")
	wantAlive(t, as, first)
	wantAsked(t, as, 2)
}

func TestARenameThatMeetsARenewalByAnotherHost(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	b := host(t, shared, newMemory(), "b", rotating(as, "old", first))
	b.token(t, "old")
	var met atomic.Bool
	h := &hooked{shared, func(_ context.Context, op, key string) error {
		if op == "put" && key == recordKey("new") && met.CompareAndSwap(false, true) {
			b.renew(t, "old") // after the old record was read
		}
		return nil
	}}
	a := hostOn(t, h, newMemory(), "a", renamed(rotating(as, "old", first), "old", "new"))
	a.token(t, "new")
	if c, _ := as.Chain(first); !met.Load() || stored(t, shared, "grant/new").Refresh != c.Current {
		t.Error("the new name has a refresh token that is spent")
	}
	a.renew(t, "new")
	wantAlive(t, as, first)
}

// A host whose answer is in its journal under the old name is down while another one renames.
func TestTheJournalOfAHostThatComesBackAfterARename(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared, folder := newMemory(), newMemory()
	h, _ := awayAfter(shared, as, first, 2)
	b := hostOn(t, h, folder, "b", rotating(as, "old", first))
	b.token(t, "old")
	b.renew(t, "old")
	b.Close()
	edit(t, shared, "grant/old", func(r *record) { r.Lease = nil }) // its life has ended
	a := host(t, shared, newMemory(), "a", renamed(rotating(as, "old", first), "old", "new"))
	a.token(t, "new")
	b = host(t, shared, folder, "b", renamed(rotating(as, "old", first), "old", "new"))
	b.renew(t, "new")
	if c, _ := as.Chain(first); stored(t, shared, "grant/new").Refresh != c.Current {
		t.Error("its journal was not committed")
	}
	wantAlive(t, as, first)
}

// The source of the old name goes on committing what is in its journal: that must not bring its record back.
func TestTheOldNameOfARenamedServerStaysAStub(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	h, away := awayAfter(shared, as, first, 2)
	b := hostOn(t, h, newMemory(), "b", rotating(as, "old", first))
	b.token(t, "old")
	old := b.source(t, "old")
	b.renew(t, "old")
	if old.journal(t.Context()) == nil {
		t.Fatal("there is no journal")
	}
	away.Store(false)
	edit(t, shared, "grant/old", func(r *record) { r.Lease = nil })
	b.Prepare(&config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "old", "new")}}).Commit()
	b.renew(t, "new")
	b.renew(t, "new")
	_, _ = old.recall(t.Context()) // the next round of commitLater
	if r := stored(t, shared, "grant/old"); r.Moved != "new" || r.Refresh != "" || r.AccessToken != "" {
		t.Errorf("the old record is more than a stub: moved to %q", r.Moved)
	}
	b.Prepare(&config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "new", "old")}}).Commit()
	b.renew(t, "old")
	b.renew(t, "old")
	wantAlive(t, as, first)
}
