package engine

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func renamed(s *config.Server, from, to string) *config.Server {
	n := *s
	n.Name, n.MovedFrom = to, from
	return &n
}

func TestARenamedServerKeepsItsRecord(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := start(t, rotating(as, "old", first), server(as, "plain"))
	b.KeepFresh()
	token, plain := b.token(t, "old"), b.token(t, "plain")
	b.Prepare(&config.Config{Servers: []*config.Server{
		renamed(rotating(as, "old", first), "old", "new"), renamed(server(as, "plain"), "plain", "plainer"),
	}}).Commit()
	if !b.token(t, "new").Access().Equal(token.Access()) || !b.token(t, "plainer").Access().Equal(plain.Access()) {
		t.Error("it has another token")
	}
	wantAsked(t, as, 2)
	if _, err := b.source(t, "new").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, as, first)
	if r := stored(t, b.store, "grant/old"); r.Refresh != "" || r.AccessToken != "" || r.Moved != "new" {
		t.Error("the old record is more than a stub")
	}
}

func TestARenameWaitsForARefreshTokenOnItsWay(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	arrived, answer := make(chan struct{}), make(chan struct{})
	as.Fail(1, oauthtest.Edit(func(map[string]any) {
		close(arrived)
		<-answer
	}))
	b := start(t, rotating(as, "old", first))
	b.KeepFresh()
	<-arrived
	b.Prepare(&config.Config{Servers: []*config.Server{renamed(rotating(as, "old", first), "old", "new")}}).Commit()
	close(answer)
	b.token(t, "new")
	if _, err := b.source(t, "new").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, as, first)
	wantAsked(t, as, 2)
}

func TestTheTokenOfARemovedServerIsDropped(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		plain, chain, revoked := server(as, "plain"), rotating(as, "chain", first), server(as, "revoked")
		revoked.RevokeOnShutdown = true
		b := start(t, plain, chain, revoked)
		b.KeepFresh()
		for _, name := range []string{"plain", "chain", "revoked"} {
			b.token(t, name)
		}
		time.Sleep(time.Second)
		old := b.token(t, "revoked").Access().Reveal()
		b.Prepare(&config.Config{}).Commit()
		time.Sleep(time.Second)
		if _, alive := as.Introspect(old); alive {
			t.Error("it was not revoked, though the server says so")
		}
		if _, _, err := b.store.Get(t.Context(), "grant/plain"); err == nil {
			t.Error("it is still in the store")
		}
		if r := stored(t, b.store, "grant/chain"); r.AccessToken != "" || r.Refresh == "" {
			t.Error("of a chain the access token goes, the refresh token stays")
		}
		b.Prepare(&config.Config{Servers: []*config.Server{chain}}).Commit()
		b.token(t, "chain")
		wantAlive(t, as, first)
		b.Close()
	})
}

func TestAChangedClientSecretIsTriedAtOnce(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		wrong := server(as, "a")
		wrong.OAuth.ClientSecret = secrets.LiteralRef("wrong")
		b := start(t, wrong)
		b.KeepFresh()
		time.Sleep(time.Second)
		wantState(t, b.source(t, "a"), Failed)
		b.Prepare(&config.Config{Servers: []*config.Server{server(as, "a")}}).Commit()
		time.Sleep(time.Second)
		wantState(t, b.source(t, "a"), Authorized)
		token := b.token(t, "a")
		// Where the secret is kept says nothing about the token: it stays.
		elsewhere := server(as, "a")
		elsewhere.OAuth.ClientSecret = secrets.Ref{Kind: secrets.File, Name: "/nowhere"}
		b.Prepare(&config.Config{Servers: []*config.Server{elsewhere}}).Commit()
		if !b.token(t, "a").Access().Equal(token.Access()) {
			t.Error("it has another token")
		}
		wantAsked(t, as, 2)
		b.Close()
	})
}

func TestANewSourceDoesNotWaitForARetiredOne(t *testing.T) {
	as := authorizationServer(t)
	asked := make(chan struct{})
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(asked)
		oauthtest.Hang()(w, r, next)
	})
	b := start(t, server(as, "a"))
	b.KeepFresh()
	<-asked
	edited := server(as, "a")
	edited.OAuth.Scope = "other"
	b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
	if d := took(func() { b.token(t, "a") }); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestAServerTakenInAgainServesNoTokenThatIsBeingRevoked(t *testing.T) {
	as := authorizationServer(t)
	one := server(as, "a")
	one.RevokeOnShutdown = true
	b := start(t, one)
	b.KeepFresh()
	first := b.token(t, "a")
	asked, answer := make(chan struct{}), make(chan struct{})
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(asked)
		<-answer
		next.ServeHTTP(w, r)
	})
	b.Prepare(&config.Config{}).Commit()
	<-asked
	b.Prepare(&config.Config{Servers: []*config.Server{one}}).Commit()
	again := b.token(t, "a")
	close(answer)
	if again.Access().Equal(first.Access()) {
		<-again.Superseded()
	}
	if b.token(t, "a").Access().Equal(first.Access()) {
		t.Error("the revoked token is served")
	}
}

func TestMovedFromOfAServerThatWasThereKeepsNothing(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"), server(as, "b"))
		b.KeepFresh()
		b.token(t, "a")
		b.token(t, "b")
		time.Sleep(time.Second)
		b.Prepare(&config.Config{Servers: []*config.Server{renamed(server(as, "b"), "a", "b")}}).Commit()
		time.Sleep(time.Second)
		if _, _, err := b.store.Get(t.Context(), "grant/a"); err == nil {
			t.Error("the token of the removed server is still there")
		}
		b.Close()
	})
}
