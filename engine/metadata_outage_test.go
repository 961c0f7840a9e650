package engine

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// downFor lets the documents of an authorization server be away.
func downFor(as *oauthtest.Server, n, status int) {
	insteadOfDocuments(as, n, oauthtest.Answer(status, "text/plain", ""))
}

func insteadOfDocuments(as *oauthtest.Server, n int, f oauthtest.Fault) {
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		as.FailAt(path, n, f)
	}
}

// wantGrantKept wants the record to hold a refresh token that works.
func wantGrantKept(t testing.TB, as *oauthtest.Server, m *memory) {
	t.Helper()
	r := stored(t, m, "grant/a")
	if c, ok := as.Chain(r.Refresh); !ok || c.Revoked || c.Current != r.Refresh || r.Issuer == "" || as.Reused() > 0 {
		t.Fatalf("the record of issuer %q holds a living refresh token: %v", r.Issuer, ok)
	}
}

func TestMetadataThatIsAwayEndsNoGrant(t *testing.T) {
	for name, hurt := range map[string]func(as, second *oauthtest.Server, rs *oauthtest.Resource){
		"404 of the resource": func(_, _ *oauthtest.Server, rs *oauthtest.Resource) {
			hide(rs, 1000)
			rs.FailAt("/mcp", 1000, oauthtest.Answer(404, "text/plain", "404 page not found"))
		},
		"503 of the issuer": func(as, _ *oauthtest.Server, _ *oauthtest.Resource) { downFor(as, 1000, 503) },
		"404 of the issuer": func(as, _ *oauthtest.Server, _ *oauthtest.Resource) { downFor(as, 1000, 404) },
		"a page of the issuer": func(as, _ *oauthtest.Server, _ *oauthtest.Resource) {
			insteadOfDocuments(as, 1000, oauthtest.Answer(200, "text/html", "<html>maintenance</html>"))
		},
		"an error of the issuer": func(as, _ *oauthtest.Server, _ *oauthtest.Resource) {
			insteadOfDocuments(as, 1000, oauthtest.Answer(200, "application/json", `{"error":"maintenance"}`))
		},
		"503 of the one in use of two": func(as, _ *oauthtest.Server, _ *oauthtest.Resource) { downFor(as, 1000, 503) },
		"503 of the other of two":      func(_, second *oauthtest.Server, _ *oauthtest.Resource) { downFor(second, 1000, 503) },
	} {
		for client, of := range map[string]func(as *oauthtest.Server, rs *oauthtest.Resource) *config.Server{
			"registered": func(_ *oauthtest.Server, rs *oauthtest.Resource) *config.Server { return delegated(rs) },
			"configured": configured,
		} {
			t.Run(name+", "+client, func(t *testing.T) {
				as, rs := protected(t)
				second, _ := protected(t)
				if strings.Contains(name, "of two") {
					rs.SetServers(as, second)
				}
				synctest.Test(t, func(t *testing.T) {
					b := start(t, of(as, rs))
					signIn(t, as, b.source(t, "a"))
					b.Close()
					hurt(as, second, rs)
					b = startWith(t, b.store, b.lock, of(as, rs)) // which has heard nothing of upstream yet
					for range 3 {
						time.Sleep(metadataLife + time.Hour)
						b.token(t, "a")
						synctest.Wait() // until it is committed
						wantGrantKept(t, as, b.store)
					}
					if n := len(forms(as, "refresh_token")); n != 3 {
						t.Errorf("%d renewals", n)
					}
					b.Close()
				})
			})
		}
	}
}

func TestMetadataThatIsAwayEndsNoUnattendedGrant(t *testing.T) {
	for name, hurt := range map[string]func(as *oauthtest.Server, rs *oauthtest.Resource){
		"404 of the resource": func(_ *oauthtest.Server, rs *oauthtest.Resource) { hide(rs, 1000) },
		"503 of the issuer":   func(as *oauthtest.Server, _ *oauthtest.Resource) { downFor(as, 1000, 503) },
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			rs.Protect(oauthtest.Protection{NoMetadataURL: true})
			synctest.Test(t, func(t *testing.T) {
				b := start(t, unattended(as, rs))
				b.token(t, "a")
				hurt(as, rs)
				for range 3 {
					time.Sleep(metadataLife + time.Hour)
					b.token(t, "a")
				}
				wantAsked(t, as, 4)
				for _, r := range rs.Requests() {
					if r.Path == "/token" {
						t.Error("the MCP server itself was asked")
					}
				}
				b.Close()
			})
		})
	}
}

// Providers write the slash after a bare host or not, and change their mind. The client that was registered stays.
func TestASlashAfterTheIssuerIsNoMigration(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, as, b.source(t, "a"))
		as.EditMetadata(func(document map[string]any) { document["issuer"] = as.URL() + "/" })
		time.Sleep(metadataLife + time.Hour)
		b.token(t, "a")
		synctest.Wait() // until it is committed
		wantGrantKept(t, as, b.store)
		b.Close()
	})
}

func TestA401WhileMetadataIsAwayRenews(t *testing.T) {
	for name, hurt := range map[string]func(as *oauthtest.Server, rs *oauthtest.Resource){
		"404 of the resource": func(_ *oauthtest.Server, rs *oauthtest.Resource) { hide(rs, 1000) },
		"503 of the issuer":   func(as *oauthtest.Server, _ *oauthtest.Resource) { downFor(as, 1000, 503) },
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				tok := signIn(t, as, s)
				hurt(as, rs)
				for range 3 {
					time.Sleep(10 * time.Minute)
					next, again, err := s.Challenged(t.Context(), tok, http.StatusUnauthorized, bearer(""))
					if err != nil || !again || next == tok {
						t.Fatal(next, again, err)
					}
					tok = next
					wantGrantKept(t, as, b.store)
				}
				b.Close()
			})
		})
	}
}

// A migration asks a person. Until one has signed in, the grant of before is kept: the metadata may come back.
func TestAMigrationThatIsTakenBackEndsNothing(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, old, s)
		rs.SetServers(as)
		time.Sleep(metadataLife + time.Hour)
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "its authorization server has changed")
		beginLogin(t, s)
		if err := s.EndLogin(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		wantGrantKept(t, old, b.store)
		rs.SetServers(old)
		time.Sleep(10 * time.Minute)
		b.token(t, "a")
		synctest.Wait() // until it is committed
		wantGrantKept(t, old, b.store)
		wantAsked(t, as, 0)
		b.Close()
	})
}

func TestALogoutAfterAMigrationTellsWhoGaveTheTokens(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, old, s)
		held := stored(t, b.store, "grant/a")
		rs.SetServers(as)
		time.Sleep(2 * time.Minute)
		beginLogin(t, s)
		logout(t, b)
		if c, ok := old.Chain(held.Refresh); !ok || !c.Revoked {
			t.Error("the refresh token works still")
		}
		if n := len(as.RequestsTo("/revoke")); n != 0 {
			t.Errorf("the other issuer was shown %d tokens", n)
		}
		b.Close()
	})
}

func TestMetadataOfAClockThatRanAheadIsReadAnew(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, as, b.source(t, "a"))
		wantLooks(t, rs, 1)
		b.Close()
		edit(t, b.store, "grant/a", func(r *record) { r.Found = time.Now().AddDate(20, 0, 0) })
		b = startWith(t, b.store, b.lock, delegated(rs))
		b.renew(t, "a")
		wantLooks(t, rs, 2)
		if r := stored(t, b.store, "grant/a"); r.Found.After(time.Now()) {
			t.Errorf("it was found at %s", r.Found)
		}
		wantGrantKept(t, as, b.store)
		b.Close()
	})
}

// An MCP server that is its own authorization server (MCP 2025-03-26), and whose document is missing for a while, has the
// endpoints of before, not the fixed ones.
func TestADocumentThatIsAwayMakesNoFixedEndpoints(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		own := delegated(rs)
		own.URL = as.URL() + "/mcp"
		b := start(t, own)
		signIn(t, as, b.source(t, "a"))
		downFor(as, 1000, 404)
		for range 2 {
			time.Sleep(metadataLife + time.Hour)
			b.token(t, "a")
			synctest.Wait() // until it is committed
			if m := stored(t, b.store, "grant/a").Metadata; m.DefaultEndpoints || m.RevocationURL != as.RevocationURL() {
				t.Errorf("the metadata is %+v", m)
			}
		}
		wantGrantKept(t, as, b.store)
		b.Close()
	})
}
