package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestALoginWhoseCommitMeetsRenewalsWins(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared, on := newMemory(), false
		a := hostOn(t, failing(shared, 1, &on), newMemory(), "a", delegated(rs))
		b := host(t, shared, newMemory(), "b", delegated(rs))
		s := a.source(t, "a")
		signIn(t, as, s)
		b.token(t, "a")
		l := beginLogin(t, s)
		on = true
		if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Fatal(err)
		}
		b.renew(t, "a") // of the old chain, as often as the new one
		b.renew(t, "a")
		time.Sleep(time.Minute)
		wantNewest(t, as, shared)
		a.Close()
		b.Close()
	})
}
