package engine

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestAcceptance12_InvalidClientIsTriedOnce(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(9, oauthtest.OAuthError(401, "invalid_client", "Client <canary> authentication failed"))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		_, err := b.source(t, "a").Token(t.Context())
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		const want = "OAuth token request failed: invalid_client - Client <canary> authentication failed (HTTP 401"
		if !strings.Contains(e.Error(), want) || !strings.Contains(e.Error(), "correlation_id=") {
			t.Errorf("the error is %q", e)
		}
		if text := e.ForCaller(); strings.Contains(text, "canary") || !strings.HasPrefix(text, "OAuth token invalid") {
			t.Errorf("an MCP caller is told %q", text)
		}
		// Callers who come at once after it are told the same, without another request.
		if _, err := b.source(t, "a").Token(t.Context()); err == nil {
			t.Error("no error")
		}
		wantAsked(t, as, 1)
		wantState(t, b.source(t, "a"), Failed)
		b.Close()
	})
}

func TestAcceptance06_TheCorrelationIDOfAFailureIsInLogAndError(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.OAuthError(401, "invalid_client", ""))
	b := start(t, server(as, "a"))
	_, err := b.source(t, "a").Token(t.Context())
	h := as.Requests()[0].Header
	id := h.Get("X-Correlation-ID")
	if id == "" || id != h.Get("X-Request-ID") {
		t.Fatalf("sent %q and %q", id, h.Get("X-Request-ID"))
	}
	b.source(t, "a").mu.Lock()
	b.source(t, "a").retryAt = time.Time{}
	b.source(t, "a").mu.Unlock()
	b.token(t, "a")
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, "[OAuthService]") && !strings.Contains(line, "correlation_id=") {
			t.Errorf("no correlation id in %s", line)
		}
	}
	if !strings.Contains(b.log.String(), `level=ERROR msg="[OAuthService] Token request failed for a"`) {
		t.Error("the failure is not an error")
	}
	if !strings.Contains(err.Error(), id) || !strings.Contains(b.log.String(), "[OAuthService] Token request correlation_id="+id+" for a") {
		t.Errorf("%s is missing in %v or in\n%s", id, err, b.log)
	}
}

func TestAcceptance13To15_TransientFailuresAreTriedThreeTimes(t *testing.T) {
	faults := map[string]oauthtest.Fault{
		"HTML 503":                oauthtest.Answer(503, "text/html", "<h1>down</h1>"),
		"reset":                   oauthtest.Reset(),
		"server_error":            oauthtest.OAuthError(400, "server_error", ""),
		"temporarily_unavailable": oauthtest.OAuthError(400, "temporarily_unavailable", ""),
		"HTML 200":                oauthtest.Answer(200, "text/html", "<h1>hello</h1>"),
		"WAF 403":                 oauthtest.Answer(403, "text/html", "<h1>no</h1>"),
		"408":                     oauthtest.Answer(408, "text/plain", ""),
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			as.Fail(3, fault)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, server(as, "a"))
				wait := took(func() {
					if _, err := b.source(t, "a").Token(t.Context()); err == nil {
						t.Error("no error")
					}
				})
				wantAsked(t, as, 3)
				if wait < 6*time.Second || wait > 7500*time.Millisecond {
					t.Errorf("the pauses of 2 s and 4 s took %s", wait)
				}
				for _, line := range []string{"Retrying token acquisition for a, attempt 2/3", "Retrying token acquisition for a, attempt 3/3"} {
					if !strings.Contains(b.log.String(), line) {
						t.Errorf("not logged: %s", line)
					}
				}
				time.Sleep(10 * time.Second)
				b.token(t, "a") // it heals by itself
				b.Close()
			})
		})
	}
}

func TestAcceptance14_RetryAfterIsHonoured(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.TooMany("7"))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		if wait := took(func() { b.token(t, "a") }); wait != 7*time.Second {
			t.Errorf("waited %s", wait)
		}
		b.Close()
	})
}

func TestALongRetryAfterIsNotWaitedForByCallers(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.TooMany("120"))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		var e *Error
		if _, err := b.source(t, "a").Token(t.Context()); !errors.As(err, &e) || e.RetryAfter != 120*time.Second {
			t.Fatalf("got %v", err)
		}
		time.Sleep(121 * time.Second)
		synctest.Wait()
		wantAsked(t, as, 2)
		wantState(t, b.source(t, "a"), Authorized)
		b.Close()
	})
}

func TestPausesDoubleUpToFiveMinutes(t *testing.T) {
	var pauses []time.Duration
	for n := 1; n <= 10; n++ {
		p := pause(n, &Error{})
		pauses = append(pauses, p)
		want := time.Duration(math.Min(float64(2*time.Second)*math.Pow(2, float64(n-1)), float64(5*time.Minute)))
		if p < want || p > want*5/4 {
			t.Errorf("after %d failures %s, want %s and up to a quarter more", n, p, want)
		}
	}
	if slices.Max(pauses) > 5*time.Minute*5/4 {
		t.Error("more than five minutes")
	}
}

func TestUnattendedGrantTriesAgainAfterAFinalAnswer(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(2, oauthtest.OAuthError(400, "unauthorized_client", ""))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		time.Sleep(14 * time.Minute)
		wantAsked(t, as, 1)
		time.Sleep(40 * time.Minute)
		wantAsked(t, as, 3)
		wantState(t, b.source(t, "a"), Authorized)
		b.Close()
	})
}

func TestTokensAreRenewedBeforeTheBuffer(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		first := b.token(t, "a")
		time.Sleep(54 * time.Minute)
		wantAsked(t, as, 1)
		time.Sleep(time.Minute + time.Second) // 300 s before the end
		synctest.Wait()
		wantAsked(t, as, 2)
		select {
		case <-first.Superseded():
		default:
			t.Error("the first token is not superseded")
		}
		for range 10 {
			time.Sleep(time.Hour)
		}
		if n := asked(as, "/token"); n < 11 || n > 14 {
			t.Errorf("%d requests in eleven hours", n)
		}
		b.Close()
	})
}

func TestRenewalsOfManyServersAreSpread(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"), server(as, "b"), server(as, "c"))
	now := time.Now()
	moments := map[time.Time]bool{}
	for _, s := range b.Sources() {
		tok := newToken(b.token(t, s.name).Access(), "", now, now.Add(time.Hour), 1, 5*time.Minute)
		at := s.due(tok)
		moments[at] = true
		if early := time.Unix(0, tok.staleAt).Sub(at); early < 0 || early > 30*time.Second {
			t.Errorf("%s is %s early", s.name, early)
		}
	}
	if len(moments) != 3 {
		t.Error("two are renewed at the same moment")
	}
}

func TestAcceptance08_TokenWithoutExpiryIsKept(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.Edit(func(a map[string]any) { delete(a, "expires_in") }))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		b.token(t, "a")
		time.Sleep(1000 * time.Hour)
		b.token(t, "a")
		wantAsked(t, as, 1)
		b.Close()
	})
}

func TestAcceptance23_ScopeValidation(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(2, oauthtest.Edit(func(a map[string]any) { a["scope"] = "read" }))
	strict, lax := server(as, "strict"), server(as, "lax")
	strict.OAuth.Scope, lax.OAuth.Scope = "read write", "read write"
	lax.OAuth.ValidateScopes = false
	b := start(t, strict, lax)
	_, err := b.source(t, "strict").Token(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Token scopes validation failed. Requested: read write, Received: read (") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(b.log.String(), `level=WARN msg="[OAuthService] Token request failed for strict"`) {
		t.Error("it is documented as a warning")
	}
	b.token(t, "lax")
	if !strings.Contains(b.log.String(), "[OAuthService] Token scopes validation failed for lax") {
		t.Error("no warning")
	}
}

func TestTheFirstCacheHitOfEachTokenIsInfo(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	for range 4 {
		b.token(t, "a")
	}
	line := `msg="[OAuthService] Using cached token for a" server=a correlation_id=` + as.Requests()[0].Header.Get("X-Correlation-ID")
	if info := strings.Count(b.log.String(), "level=INFO "+line); info != 1 {
		t.Errorf("%d at INFO", info)
	}
	if debug := strings.Count(b.log.String(), "level=DEBUG "+line); debug != 2 {
		t.Errorf("%d at DEBUG", debug)
	}
}

func TestAWokenLaptopDoesNotServeADeadToken(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	first := b.token(t, "a")
	// Asleep, the monotonic clock stands still and the wall clock goes on: to the token it is as if its wall-clock
	// moments lay behind us, though no timer has run.
	first.staleAt, first.deadAt = time.Now().Add(-time.Hour).UnixNano(), time.Now().Add(-time.Minute).UnixNano()
	if second := b.token(t, "a"); second == first {
		t.Error("the dead token was served")
	}
}

func TestAMissingSecretIsNotWaitedForAndHealsWhenItIsSet(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		c := server(as, "a")
		c.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Stored, Name: "x"}
		b := start(t, c)
		b.KeepFresh()
		var err error
		if wait := took(func() { _, err = b.source(t, "a").Token(t.Context()) }); wait != 0 {
			t.Errorf("waited %s for what only a person can mend", wait)
		}
		if err == nil || !strings.Contains(err.Error(), "bearerd secret set x") {
			t.Errorf("got %v", err)
		}
		if m := Measure(b.source(t, "a")); m.MaxLatency != 0 || m.Failure != 1 {
			t.Errorf("nothing was sent, and counted is %+v", m)
		}
		time.Sleep(time.Hour) // the pauses have grown to minutes
		if _, err := b.store.Put(t.Context(), secrets.StoreKey("x"), []byte("s3cret"), ""); err != nil {
			t.Fatal(err)
		}
		b.Mended()
		synctest.Wait()
		if _, err := b.source(t, "a").Token(t.Context()); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}
