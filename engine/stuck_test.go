package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// A process that was stopped with the lock of this host and the lease delays the others by a lease, not by the waits for
// the lock on top of it.
func TestAStoppedHolderOfTheLockDelaysByItsLease(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		store, lock := newMemory(), locks()
		a := startWith(t, store, lock, rotating(as, "a", first))
		a.token(t, "a")
		a.Close()
		edit(t, store, "grant/a", func(r *record) {
			r.Lease, r.AccessToken = &lease{Owner: "stopped", Place: "here/" + bootID(), Life: leaseLife.Milliseconds()}, ""
		})
		unlock, err := lock(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		b := startWith(t, store, lock, rotating(as, "a", first))
		if d := took(func() { b.token(t, "a") }); d < leaseLife || d > leaseLife+6*time.Second {
			t.Errorf("it took %v", d)
		}
		wantAlive(t, as, first)
		b.Close()
	})
}
