package engine

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const canary = "canary-0123456789"

// A server that repeats a secret as the scope it wants is not helped to spread it.
func TestNoSecretIsTakenForAScope(t *testing.T) {
	for name, grantType := range map[string]string{"a person": "authorization_code", "none": "client_credentials"} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.Register(oauthtest.Client{ID: "id", Secret: "s3cret-of-client"})
			synctest.Test(t, func(t *testing.T) {
				c := delegated(rs)
				if grantType == "client_credentials" {
					c = server(as, "a")
					c.OAuth.ClientSecret = secrets.LiteralRef("s3cret-of-client")
				}
				c.Headers = map[string]secrets.Ref{"X-Key": secrets.LiteralRef(canary)}
				b := start(t, c)
				s := b.source(t, "a")
				tok := tokenOf(t, as, s)
				r := stored(t, b.store, "grant/a")
				refresh := r.Refresh
				if refresh == "" {
					refresh = tok.Access().Reveal()
				}
				held := []string{tok.Access().Reveal(), refresh, canary}
				if grantType == "client_credentials" {
					held = append(held, "s3cret-of-client")
				}
				for _, secret := range held {
					next, again, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("admin:"+secret))
					if again || !errors.Is(err, ErrNotHelped) || next != nil {
						t.Errorf("again %v, error %v", again, err)
					}
					_, _, err = s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write admin:"+secret+" <b>x</b>"))
					status, _ := json.Marshal(s.Status())
					record, _ := json.Marshal(stored(t, b.store, "grant/a").Wanted)
					asked := stored(t, b.store, "grant/a").Asked
					text := b.log.String() + string(status) + string(record) + asked
					if err != nil {
						text += err.Error()
					}
					if strings.Contains(text, secret) {
						t.Errorf("it is kept or shown: %v %s %s", err, status, record)
					}
					if !strings.Contains(text, "write") {
						t.Error("what is no secret is not asked for")
					}
				}
				for _, req := range as.Requests() {
					if scope := req.Form.Get("scope"); strings.Contains(scope, "admin:") {
						t.Errorf("asked for %q", scope)
					}
				}
				b.Close()
			})
		})
	}
}

func tokenOf(t *testing.T, as *oauthtest.Server, s *Source) *Token {
	t.Helper()
	if s.server.Load().OAuth.Delegated() {
		return signIn(t, as, s)
	}
	tok, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestAProbeHearsNoSecret(t *testing.T) {
	_, rs := protected(t)
	rs.FailAt("/mcp", 1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { // the probe
		w.Header().Set("WWW-Authenticate", `Bearer scope="probed x-`+canary+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	synctest.Test(t, func(t *testing.T) {
		c := delegated(rs)
		c.Headers = map[string]secrets.Ref{"X-Key": secrets.LiteralRef(canary)}
		b := start(t, c)
		if scope := param(t, beginLogin(t, b.source(t, "a")).URL, "scope"); scope != "probed" {
			t.Errorf("the login asks for %q", scope)
		}
		b.Close()
	})
}

// The same with a 401, which is kept for the next discovery, and with what the metadata says.
func TestNoSecretIsHeard(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read", "x-" + canary}})
	synctest.Test(t, func(t *testing.T) {
		c := delegated(rs)
		c.Headers = map[string]secrets.Ref{"X-Key": secrets.LiteralRef(canary)}
		b := start(t, c)
		s := b.source(t, "a")
		l := beginLogin(t, s)
		if scope := param(t, l.URL, "scope"); scope != "read" {
			t.Errorf("the login asks for %q", scope)
		}
		if m := stored(t, b.store, "grant/a").Metadata; m != nil && strings.Contains(m.Scopes, canary) {
			t.Errorf("the record holds the scopes %q", m.Scopes)
		}
		tok := signIn(t, as, s)
		_, _, _ = s.Challenged(t.Context(), tok, http.StatusUnauthorized, http.Header{"Www-Authenticate": {
			`Bearer scope="read x-` + tok.Access().Reveal() + `", resource_metadata="https://x.example/` + canary + `"`}})
		s.mu.Lock()
		if heard := *s.challenge; heard.Scope != "read" || heard.ResourceMetadata != "" {
			t.Errorf("heard %+v", heard)
		}
		s.mu.Unlock()
		b.Close()
	})
}

// A secret that cannot be read may be in what upstream says. What the configuration names is none, whatever it looks like.
func TestScopesWhileASecretCannotBeRead(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		c := server(as, "a")
		b := start(t, c)
		s := b.source(t, "a")
		tok := b.token(t, "a")
		edited := *c
		edited.Headers = map[string]secrets.Ref{"X-Key": {Kind: secrets.Env, Name: "BEARERD_TEST_UNSET"}}
		edited.AllowStepUp = []string{"write"}
		b.Prepare(&config.Config{Servers: []*config.Server{&edited}}).Commit()
		heard := oauth.Challenge{Scope: "write admin", ResourceMetadata: "https://x.example/" + tok.Access().Reveal()}
		if got := s.fit(t.Context(), tok, heard); got != (oauth.Challenge{}) {
			t.Errorf("%+v", got)
		}
		if got := s.fit(t.Context(), tok, oauth.Challenge{Scope: "write"}); got.Scope != "write" {
			t.Errorf("what is configured: %+v", got)
		}
		if got := s.fitScopes(t.Context(), "write admin "+tok.Access().Reveal()); got != "write admin" {
			t.Errorf("of metadata: %q", got)
		}
		b.Close()
	})
}
