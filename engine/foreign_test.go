package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// Hosts with different settings for one server, as while an edit is rolled out, write over each other's record. That takes
// from none of them the token that it holds.
func TestARecordOfOtherSettingsTakesNoTokenAway(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		a := host(t, shared, newMemory(), "a", server(as, "a"))
		a.KeepFresh()
		held := a.token(t, "a")
		edited := server(as, "a")
		edited.OAuth.Audience = "other"
		b := host(t, shared, newMemory(), "b", edited)
		b.token(t, "a")
		time.Sleep(held.Expires.Sub(held.Issued) / 5) // a looks at the record meanwhile
		if st := a.source(t, "a").Status(); st.Status != "valid" || st.State != Authorized || st.Generation != held.Generation {
			t.Errorf("%s, %s, generation %d; it was %d", st.Status, st.State, st.Generation, held.Generation)
		}
		a.Close()
		b.Close()
	})
}
