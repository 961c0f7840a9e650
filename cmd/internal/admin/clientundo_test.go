package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// editing has f asked before each edit; an error of it is that of the edit.
func (h *house) editing(f func(s *config.Server) error) {
	edit := h.Edit
	h.Edit = func(ctx context.Context, name string, s *config.Server) (config.Changes, error) {
		if err := f(s); err != nil {
			return nil, err
		}
		return edit(ctx, name, s)
	}
}

var errDisk = fmt.Errorf("%w: the disk is away", ErrBroken)

// A file that could not be put back keeps the secrets that belong to it.
func TestAFileStaysWithItsSecrets(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
	h.hide("canary-of-another")
	edits := 0
	h.editing(func(*config.Server) error {
		if edits++; edits == 2 {
			return errDisk
		}
		return nil
	})
	h.as.FailAt("/token", 9, oauthtest.OAuthError(http.StatusBadRequest, "invalid_client", canaryWords))
	h.problem(http.StatusConflict, "", "it and its secrets are the new ones now", http.MethodPut, clients+"/tracker", map[string]any{
		"oauth_config": map[string]any{"client_secret": "canary-of-another", "scopes": []string{"mcp:write"}}})
	if !strings.Contains(h.files["tracker"], "mcp:write") {
		t.Errorf("%s", h.files["tracker"])
	}
	wantSecret(h, "canary-of-another")
}

// What has failed is taken back, though somebody saves another file just then.
func TestTakingBackWaitsForASave(t *testing.T) {
	h := newHouse(t)
	edits := 0
	h.editing(func(*config.Server) error {
		if edits++; edits == 2 {
			return fmt.Errorf("%w: %w", ErrBroken, config.ErrDoubt)
		}
		return nil
	})
	h.as.FailAt("/token", 9, oauthtest.OAuthError(http.StatusBadRequest, "invalid_client", canaryWords))
	h.problem(http.StatusBadGateway, "", "invalid_client", http.MethodPost, clients, h.unattended(nil))
	h.wantNothingOf("tracker")
}

// Nothing is revoked for a change that cannot be made; and where it fails all the same, that is told.
func TestTokensAreNotRevokedInVain(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{"oauth_config.revocation_url": h.as.RevocationURL()}))
	h.MayEdit = func(name string) error { return fmt.Errorf("%s: %w", name, errDisk) }
	none := map[string]any{"oauth_config": nil}
	for _, r := range []string{"PUT " + clients + "/tracker", "DELETE " + clients + "/tracker", "DELETE /api/oauth/config/tracker"} {
		method, path, _ := strings.Cut(r, " ")
		h.problem(http.StatusConflict, "", "tracker: "+errDisk.Error(), method, path, none)
	}
	h.status("tracker", "authorized")
	if n := len(h.as.RequestsTo("/revoke")); n != 0 {
		t.Errorf("%d revocations", n)
	}
	h.MayEdit = func(string) error { return nil }
	h.editing(func(*config.Server) error { return errDisk })
	for _, r := range []string{"PUT " + clients + "/tracker", "DELETE " + clients + "/tracker", "DELETE /api/oauth/config/tracker"} {
		method, path, _ := strings.Cut(r, " ")
		h.problem(http.StatusConflict, "", "its tokens are revoked, but ", method, path, none)
	}
	if n := len(h.as.RequestsTo("/revoke")); n != 1 {
		t.Errorf("%d revocations", n)
	}
}

// The sign-in has ended with the tokens, though the server could not be removed.
func TestARemovalThatFailsClosesTheSignIn(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	h.editing(func(*config.Server) error { return errDisk })
	h.problem(http.StatusConflict, "", "its tokens are revoked, but ", http.MethodDelete, clients+"/tracker", nil)
	h.status("tracker", "revoked")
	h.page(browser(t), in.AuthorizeURL, http.StatusNotFound, "not valid")
}

// A PUT that leaves no OAuth configuration revokes, as its DELETE does.
func TestAChangeToNoOAuthRevokes(t *testing.T) {
	for _, body := range []map[string]any{
		{"oauth_config": nil}, {"auth_type": "none"}, {"auth_type": "headers", "headers": map[string]string{"X-A": "canary-a"}},
	} {
		h := newHouse(t)
		h.hide("canary-a")
		h.signIn(h.begin(map[string]any{"oauth_config.revocation_url": h.as.RevocationURL(), "oauth_config.token_url": h.as.TokenURL(),
			"oauth_config.authorize_url": h.as.AuthorizationURL()}))
		token := h.token("tracker")
		before := h.files["tracker"]
		h.problem(http.StatusBadRequest, "name", "make another", http.MethodPut, clients+"/tracker", map[string]any{"name": "x", "oauth_config": nil})
		h.as.FailAt("/revoke", 1, oauthtest.OAuthError(http.StatusUnauthorized, "invalid_client", canaryWords))
		h.problem(http.StatusBadGateway, "", "nothing was removed", http.MethodPut, clients+"/tracker", body)
		if h.files["tracker"] != before || h.token("tracker") != token {
			t.Error("something was changed")
		}
		done := want[Success](h, http.StatusOK, http.MethodPut, clients+"/tracker", body)
		if done.Revoked == nil || *done.Revoked != 2 || done.Message != "MCP client updated successfully" {
			t.Errorf("%+v", done)
		}
		if _, live := h.as.Introspect(token); live || h.Config().Server("tracker").OAuth != nil {
			t.Error("the token is live still, or the OAuth configuration is there")
		}
	}
}

func TestAChangeToNoOAuthHereAlone(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{"oauth_config.revocation_url": h.as.RevocationURL()}))
	done := want[Success](h, http.StatusOK, http.MethodPut, clients+"/tracker?local=true", map[string]any{"oauth_config": nil})
	if *done.Revoked != 0 || !strings.Contains(done.Told, "not told") || len(h.as.RequestsTo("/revoke")) != 0 {
		t.Errorf("%+v", done)
	}
}

// What has failed in the place of a sign-in has ended that, and says so.
func TestASignInThatAFailureHasEnded(t *testing.T) {
	for name, fails := range map[string]func(h *house){
		"a PUT": func(h *house) {
			h.problem(http.StatusBadGateway, "", "cannot be reached", http.MethodPut, clients+"/tracker", map[string]any{"oauth_config": map[string]any{
				"server_url": "http://127.0.0.1:1/", "client_secret": canarySecret}})
		},
		"a reauthorize": func(h *house) {
			if err := h.store.Delete(h.t.Context(), secrets.StoreKey(config.OwnSecret("tracker", "client_secret"))); err != nil {
				h.t.Fatal(err)
			}
			h.Engine.Mended()
			h.problem(http.StatusBadGateway, "", "cannot be read", http.MethodPost, clients+"/tracker/reauthorize", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			in := h.begin(nil)
			fails(h)
			if st := h.status("tracker", "failed"); !strings.Contains(st.Error, "given up") || !strings.Contains(st.Remedy, "reauthorize") {
				t.Errorf("%+v", st)
			}
			h.page(browser(t), in.AuthorizeURL, http.StatusNotFound, "another one has taken its place")
		})
	}
}

// What was revoked on purpose is not pending, and no link that is about signs in.
func TestARevocationClosesTheSignIn(t *testing.T) {
	for _, verb := range []string{"revoke", "logout"} {
		h := newHouse(t)
		h.signIn(h.begin(nil))
		in := want[Initiation](h, http.StatusOK, http.MethodPost, clients+"/tracker/reauthorize", nil)
		b := browser(t)
		opened := want[Initiation](h, http.StatusOK, http.MethodPost, clients+"/tracker/reauthorize", nil)
		back := h.goTo(b, opened)
		want[Revoked](h, http.StatusOK, http.MethodPost, "/api/servers/tracker/"+verb, nil)
		if st := h.status("tracker", "revoked"); st.Expires != nil {
			t.Errorf("%+v", st)
		}
		if source, err := h.Engine.Source("tracker"); err != nil {
			t.Fatal(err)
		} else if _, _, waits := source.SigningIn(t.Context()); waits {
			t.Error("who needs a token waits for it still")
		}
		h.page(browser(t), in.AuthorizeURL, http.StatusNotFound, "not valid")
		h.page(b, opened.AuthorizeURL, http.StatusNotFound, "not valid")
		if page := h.visit(b, back); page.status != http.StatusForbidden {
			t.Errorf("the callback: %+v", page)
		}
		h.status("tracker", "revoked")
		h.problem(http.StatusConflict, "", "exists", http.MethodPost, clients, h.wants(nil))
	}
}

// What was killed between its file and its token can be made again.
func TestAHalfMadeServerIsMadeAnew(t *testing.T) {
	h := newHouse(t)
	killed := errors.New("killed")
	h.as.FailAt("/token", 1, oauthtest.OAuthError(http.StatusBadRequest, "invalid_client", canaryWords))
	h.editing(func(s *config.Server) error {
		if s == nil {
			return killed // so it is not taken back
		}
		if f, _, err := h.readFlow(t.Context(), "tracker"); err != nil || f.Created.IsZero() {
			t.Errorf("before its file is there nothing is known of it: %+v %v", f, err)
		}
		return nil
	})
	status, answer := h.send(http.MethodPost, clients, h.unattended(nil))
	if status != http.StatusBadGateway || !strings.Contains(string(answer), "could not be put back") || h.files["tracker"] == "" {
		t.Fatalf("%d %s", status, answer)
	}
	if in := want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil)); in.Status != "authorized" {
		t.Errorf("%+v", in)
	}
	h.problem(http.StatusConflict, "", "exists: change it", http.MethodPost, clients, h.unattended(nil))
}

// stubborn is a store that removes no more than a number of keys.
type stubborn struct {
	secrets.Store
	left int
}

func (s *stubborn) Delete(ctx context.Context, key string) error {
	if s.left--; s.left < 0 {
		return secrets.ErrUnavailable
	}
	return s.Store.Delete(ctx, key)
}

// A change that is done stays, though what it leaves over cannot all be removed: the file of before refers to that.
func TestAChangeWhoseRestCannotBeRemoved(t *testing.T) {
	h := newHouse(t)
	h.hide("canary-a")
	want[Success](h, http.StatusOK, http.MethodPost, clients, map[string]any{
		"name": "keyed", "connection_string": h.rs.URL(), "headers": map[string]string{"X-A": "canary-a", "X-B": "canary-a"}})
	h.Store = &stubborn{h.store, 1}
	h.problem(http.StatusBadGateway, "", "not used any more", http.MethodPut, clients+"/keyed", map[string]any{"headers": nil})
	if s := h.Config().Server("keyed"); len(s.Headers) != 0 || len(h.own("keyed")) != 1 {
		t.Errorf("%+v %q", s, h.own("keyed"))
	}
}

// A request whose body does not come keeps no other from its turn.
func TestASlowBodyTakesNoTurn(t *testing.T) {
	h := newHouse(t)
	h.begin(nil)
	body, slowly := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, clients+"/tracker", body))
	}()
	if _, err := slowly.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	want[Success](h, http.StatusOK, http.MethodDelete, clients+"/tracker", nil)
	_ = slowly.CloseWithError(io.ErrUnexpectedEOF)
	<-ended
}

// One that is not enabled is no OAuth configuration to GET, and a change of something else leaves it.
func TestAChangeLeavesAnOAuthConfigurationThatIsOff(t *testing.T) {
	old := moving()
	old.OAuth.Enabled = false
	for _, body := range []string{`{"auth_type":"headers"}`, `{"headers":{"X-A":"1"}}`} {
		d, err := readClient(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body)), old)
		if err != nil || d.server.OAuth == nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// One that has got its token by itself since is whole.
func TestAServerWithATokenDoesNotGiveWay(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
	if err := h.changeFlow(t.Context(), "tracker", func(f *flow) error { f.Outcome = ""; return nil }); err != nil {
		t.Fatal(err)
	}
	h.problem(http.StatusConflict, "", "exists: change it", http.MethodPost, clients, h.unattended(nil))
}

// On a store that hosts share, the secrets of another host's server are not written over.
func TestAnotherHostsSecretsStay(t *testing.T) {
	h := newHouse(t)
	shared, err := sealed.Open(filepath.Join(t.TempDir(), "shared"), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.Store = shared
	key := secrets.StoreKey(config.OwnSecret("tracker", "client_secret"))
	if _, err := shared.Put(t.Context(), key, []byte("canary-of-the-other-host"), ""); err != nil {
		t.Fatal(err)
	}
	h.hide("canary-of-the-other-host")
	h.problem(http.StatusConflict, "", "another host", http.MethodPost, clients, h.unattended(nil))
	if value, _, err := shared.Get(t.Context(), key); err != nil || string(value) != "canary-of-the-other-host" {
		t.Errorf("the other host's secret: %v", err)
	}
}

// A sign-in whose browser is at the provider when another takes its place is over, and says so at once.
func TestASignInThatAnotherHasEnded(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	source, err := h.Engine.Source("tracker")
	if err != nil {
		t.Fatal(err)
	}
	h.goTo(browser(t), in)
	h.status("tracker", "pending")
	if _, err := source.BeginLogin(t.Context(), "http://127.0.0.1:7413/callback", false); err != nil { // as `bearerd login` does
		t.Fatal(err)
	}
	if err := source.EndLogin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if g := h.status("tracker", "failed"); !strings.Contains(g.Error, "given up") || !strings.Contains(g.Remedy, "reauthorize") {
		t.Errorf("%+v", g)
	}
}
