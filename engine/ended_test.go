package engine

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A token that ends while its renewal is still being tried is not handed out any more, and whoever wants one waits for the
// tries that are left.
func TestATokenThatEndsDuringItsRenewalIsNotServed(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		first := b.token(t, "a")
		time.Sleep(time.Until(first.Expires) - time.Second)
		as.Fail(2, oauthtest.Answer(503, "text/html", "<h1>down</h1>"))
		if got := b.token(t, "a"); got != first {
			t.Fatal("the valid token is not served while its renewal fails")
		}
		time.Sleep(time.Second)
		if got := b.token(t, "a"); got == first || !got.Expires.After(time.Now()) {
			t.Errorf("a token that ended at %s is served at %s", got.Expires, time.Now())
		}
		b.Close()
	})
}

// A daemon that tries again only in a while does not show an ended token as authorized.
func TestStatusOfATokenThatEndedAfterAFailure(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		first := b.token(t, "a")
		as.Fail(100, oauthtest.OAuthError(401, "invalid_client", "no"))
		time.Sleep(time.Until(first.Expires) - time.Minute)
		b.token(t, "a")
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		if st := b.source(t, "a").Status(); st.State != Failed || !st.IsExpired || !strings.Contains(st.Error, "invalid_client") {
			t.Errorf("the status is %+v", st)
		}
		b.Close()
	})
}
