package engine

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// protected is an MCP server and the authorization server that it names, outside any synctest bubble.
func protected(t testing.TB) (*oauthtest.Server, *oauthtest.Resource) {
	as := authorizationServer(t)
	as.Delegate()
	rs, err := oauthtest.NewPlainResource(as)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rs.Close)
	return as, rs
}

// delegated is a server of which the url and the grant alone are configured.
func delegated(rs *oauthtest.Resource) *config.Server {
	return &config.Server{Name: "a", URL: rs.URL(), Login: "command", OAuth: &config.OAuth{
		Enabled: true, Version: "2.0", GrantType: "authorization_code", UsePKCE: true,
		ValidateScopes: true, TokenInHeaderOnly: true, TokenExpiryBuffer: 300,
	}}
}

func beginLogin(t testing.TB, s *Source) *Login {
	t.Helper()
	l, err := s.BeginLogin(t.Context(), defaultRedirect, false)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// visit is the browser: the query that the person's answer comes back with.
func visit(t testing.TB, as *oauthtest.Server, address string) string {
	t.Helper()
	back, err := as.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(back, "?")
	return query
}

// signIn is a whole login.
func signIn(t testing.TB, as *oauthtest.Server, s *Source) *Token {
	t.Helper()
	tok, err := s.FinishLogin(t.Context(), visit(t, as, beginLogin(t, s).URL))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// param is a parameter of an authorization URL.
func param(t testing.TB, address, name string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get(name)
}

func wantOtherFlow(t testing.TB, s *Source, query string) {
	t.Helper()
	if _, err := s.FinishLogin(t.Context(), query); !errors.Is(err, ErrOtherFlow) {
		t.Fatalf("the answer %q: %v", query, err)
	}
}

// forms are the bodies of the token requests with a grant type, oldest first.
func forms(as *oauthtest.Server, grant string) (list []url.Values) {
	for _, r := range as.RequestsTo("/token") {
		if r.Form.Get("grant_type") == grant {
			list = append(list, r.Form)
		}
	}
	return list
}

func TestALoginKeepsWhatTheGrantNeeds(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read", "write"}})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "nobody has signed in yet")
		tok := signIn(t, as, s)
		r := stored(t, b.store, "grant/a")
		client := as.Registrations()[0].ClientID
		chains := as.Chains(client)
		if len(chains) != 1 || r.Refresh != chains[0].Current || r.AccessToken != tok.Access().Reveal() || r.Generation == 0 {
			t.Errorf("%d chains; the record has generation %d", len(chains), r.Generation)
		}
		if r.Issuer != as.URL() || r.Asked != "read write" || r.Client.ID != client || r.Client.Issuer != as.URL() ||
			r.Metadata.Resource != rs.URL() || !strings.HasPrefix(r.Origin, "login/") || r.Lease != nil || r.Pending {
			t.Errorf("the record is of issuer %q, scope %q, client %+v, origin %q", r.Issuer, r.Asked, r.Client, r.Origin)
		}
		if st := s.Status(); st.State != Authorized || st.Renewable == nil || !*st.Renewable || st.Error != "" {
			t.Errorf("the status is %+v", st)
		}
		if p, _, err := s.pendingLogin(t.Context()); err != nil || p.waits() || p.Verifier != "" {
			t.Error("a flow is pending still")
		}
		if g, ok := as.Introspect(b.token(t, "a").Access().Reveal()); !ok || !slices.Equal(g.Resource, []string{rs.URL()}) {
			t.Errorf("the token is for %v", g.Resource)
		}
		b.Close()
		again := startWith(t, b.store, b.lock, delegated(rs))
		if !again.token(t, "a").Access().Equal(tok.Access()) {
			t.Error("after a restart it is another token")
		}
		again.Close()
	})
}

func wantNeedsPerson(t testing.TB, err error, words string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.State != NeedsReauth || !strings.Contains(e.ForCaller(), "bearerd login a") ||
		!strings.Contains(e.ForCaller(), words) {
		t.Fatalf("the error is: %v", err)
	}
}

func TestNotCovered_StateCheck(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		wantOtherFlow(t, s, "code=c&state=x") // nothing is pending
		l := beginLogin(t, s)
		before, _, _ := b.store.Get(t.Context(), "flow/a")
		good := visit(t, as, l.URL)
		q, _ := url.ParseQuery(good)
		state := q.Get("state")
		for _, query := range []string{
			"", "state=", "code=" + q.Get("code"), "code=c&state=" + state + "x", "code=c&state=" + state[1:],
			"error=access_denied&state=other", good + "&state=" + state, "%zz&state=" + state,
			good + "&pad=" + strings.Repeat("x", maxQuery),
		} {
			wantOtherFlow(t, s, query)
		}
		after, _, _ := b.store.Get(t.Context(), "flow/a")
		if string(before) != string(after) || asked(as, "/token") != 0 {
			t.Error("an answer with another state has changed something")
		}
		if _, err := s.FinishLogin(t.Context(), good); err != nil {
			t.Error(err)
		}
		wantOtherFlow(t, s, good) // the state is one-time
		if n := len(forms(as, "authorization_code")); n != 1 {
			t.Errorf("the code was sent %d times", n)
		}
		wantState(t, s, Authorized)
		b.Close()
	})
}

func TestOfTwoProcessesWithOneAnswerOneSpendsTheCode(t *testing.T) {
	as, rs := protected(t)
	for range 20 {
		store, lock := newMemory(), locks()
		a, b := startWith(t, store, lock, delegated(rs)), startWith(t, store, lock, delegated(rs))
		query := visit(t, as, beginLogin(t, a.source(t, "a")).URL)
		before := len(forms(as, "authorization_code"))
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, e := range []*bench{a, b} {
			s := e.source(t, "a")
			wg.Go(func() { _, errs[i] = s.FinishLogin(t.Context(), query) })
		}
		wg.Wait()
		if n := len(forms(as, "authorization_code")) - before; n != 1 {
			t.Fatalf("the code was sent %d times", n)
		}
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrOtherFlow) {
			t.Fatalf("the outcomes are %v", errs)
		}
	}
}

// The other one is faster between the look at the pending login and its claim.
func TestAnAnswerThatIsBeingClaimedIsOfNoUse(t *testing.T) {
	as, rs := protected(t)
	store, lock := newMemory(), locks()
	a, b := startWith(t, store, lock, delegated(rs)), startWith(t, store, lock, delegated(rs))
	query := visit(t, as, beginLogin(t, a.source(t, "a")).URL)
	var once sync.Once
	a.local.Store = &hooked{store, func(_ context.Context, op, key string) error {
		if op == "put" && key == "flow/a" {
			once.Do(func() {
				if _, err := b.source(t, "a").FinishLogin(t.Context(), query); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	}}
	wantOtherFlow(t, a.source(t, "a"), query)
	if n := len(forms(as, "authorization_code")); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestALoginEndsAfterFiveMinutes(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		first := beginLogin(t, s)
		if d := time.Until(first.Expires); d != loginLife || first.Resumed {
			t.Errorf("it lives %v, resumed %v", d, first.Resumed)
		}
		query := visit(t, as, first.URL)
		time.Sleep(loginLife - time.Second)
		if l := beginLogin(t, s); !l.Resumed || l.URL != first.URL || !l.Expires.Equal(first.Expires) {
			t.Error("one that is pending does not go on")
		}
		time.Sleep(time.Second)
		wantOtherFlow(t, s, query)
		wantAsked(t, as, 0)
		if l := beginLogin(t, s); l.Resumed || param(t, l.URL, "state") == param(t, first.URL, "state") ||
			param(t, l.URL, "code_challenge") == param(t, first.URL, "code_challenge") {
			t.Error("an expired one goes on")
		}
		b.Close()
	})
}

func TestNotCovered_CallbackErrorResponses(t *testing.T) {
	for name, c := range map[string]struct {
		decision oauthtest.Decision
		words    string
	}{
		"refused":      {oauthtest.Deny("<b>no</b>"), "the sign-in was refused"},
		"server error": {oauthtest.Decision{Error: "server_error"}, "answered the sign-in with server_error"},
		"own error":    {oauthtest.Decision{Error: "<b>own"}, "cannot be used"},
		"another iss":  {oauthtest.Iss("https://evil.example"), "cannot be used"},
		"no iss":       {oauthtest.Iss(), "cannot be used"},
		"no code":      {oauthtest.Decision{Edit: func(q url.Values) { q.Del("code") }}, "cannot be used"},
		"two codes":    {oauthtest.Decision{Edit: func(q url.Values) { q.Add("code", "other") }}, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			decision := c.decision
			as, rs := protected(t)
			as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return decision })
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				query := visit(t, as, beginLogin(t, s).URL)
				_, err := s.FinishLogin(t.Context(), query)
				wantNeedsPerson(t, err, c.words)
				if e := new(Error); errors.As(err, &e) && strings.Contains(e.ForCaller(), "<b>") {
					t.Error("a server's own words are shown")
				}
				wantAsked(t, as, 0)
				wantState(t, s, NeedsReauth)
				wantOtherFlow(t, s, query)
				as.Approve(nil)
				signIn(t, as, s)
				wantState(t, s, Authorized)
				b.Close()
			})
		})
	}
}

func TestARefusedLoginLeavesTheTokenThatThereIs(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny("no") })
		_, err := s.FinishLogin(t.Context(), visit(t, as, beginLogin(t, s).URL))
		wantNeedsPerson(t, err, "")
		if !b.token(t, "a").Access().Equal(tok.Access()) {
			t.Error("the token is gone")
		}
		wantState(t, s, Authorized)
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestAnAnswerOfBeforeAnEditIsOfAnotherFlow(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		query := visit(t, as, beginLogin(t, b.source(t, "a")).URL)
		edited := delegated(rs)
		edited.OAuth.Scope = "other"
		b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
		wantOtherFlow(t, b.source(t, "a"), query)
		wantAsked(t, as, 0)
		signIn(t, as, b.source(t, "a"))
		b.Close()
	})
}

func TestALoginOutlivesARestart(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		a := start(t, delegated(rs))
		l := beginLogin(t, a.source(t, "a"))
		a.Close()
		b := startWith(t, a.store, a.lock, delegated(rs))
		s := b.source(t, "a")
		if to, err := s.Redirect(t.Context()); to.URI != defaultRedirect || err != nil {
			t.Error(to, err)
		}
		if again := beginLogin(t, s); !again.Resumed || again.URL != l.URL {
			t.Error("another flow was begun")
		}
		if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Fatal(err)
		}
		b.token(t, "a")
		if len(as.Registrations()) != 1 {
			t.Errorf("%d registrations", len(as.Registrations()))
		}
		b.Close()
	})
}

func TestALoginThatIsGivenUpTakesNoAnswer(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	query := visit(t, as, beginLogin(t, s).URL)
	if err := s.EndLogin(t.Context(), "http://127.0.0.1:1/another"); err != nil || !beginLogin(t, s).Resumed {
		t.Fatal("who gives up another one ends it:", err)
	}
	if err := s.EndLogin(t.Context(), defaultRedirect); err != nil {
		t.Fatal(err)
	}
	wantOtherFlow(t, s, query)
}

func TestNobodySignsInForAnUnattendedGrant(t *testing.T) {
	as := authorizationServer(t)
	s := start(t, server(as, "a")).source(t, "a")
	_, begin := s.BeginLogin(t.Context(), defaultRedirect, false)
	_, finish := s.FinishLogin(t.Context(), "state=x")
	_, device := s.BeginDevice(t.Context())
	_, redirect := s.Redirect(t.Context())
	for i, err := range []error{begin, finish, device, redirect} {
		if !errors.Is(err, ErrNoLogin) {
			t.Error(i, err)
		}
	}
}
