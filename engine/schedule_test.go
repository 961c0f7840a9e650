package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A renewal that was wished for and failed leaves a fresh token to its time: nothing is tried, and no timer runs hot.
func TestFailedWishLeavesAFreshTokenAlone(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		s := b.source(t, "a")
		held := b.token(t, "a")
		as.Fail(9, oauthtest.OAuthError(401, "invalid_client", ""))
		if _, err := s.Refresh(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(20 * time.Minute) // the pause after a final answer is over, the token is fresh
		s.mu.Lock()
		at, ok := s.next()
		s.mu.Unlock()
		if due := s.due(held); !ok || at.Before(due) {
			t.Errorf("the next try is at %s, the token is due at %s", at, due)
		}
		b.KeepFresh()
		time.Sleep(time.Minute)
		wantAsked(t, as, 2)
		b.Close()
	})
}

// Two that keep different credentials under one name, as while an edit reaches one host after the other, leave each
// other's token alone.
func TestSyncLeavesATokenWhenTheRecordIsOfAnotherCredential(t *testing.T) {
	as := authorizationServer(t)
	here, edited := server(as, "a"), server(as, "a")
	edited.OAuth.Scope = "more"
	store, lock := newMemory(), locks()
	one, two := startWith(t, store, lock, here), startWith(t, store, lock, edited)
	held := one.token(t, "a")
	two.token(t, "a")
	if err := one.source(t, "a").Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one.token(t, "a") != held {
		t.Error("the token was dropped")
	}
	wantAsked(t, as, 2)
}
