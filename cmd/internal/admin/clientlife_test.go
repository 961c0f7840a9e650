package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const clients = "/api/mcp/client"

func TestAGrantWithoutAPersonIsAuthorizedAtOnce(t *testing.T) {
	h := newHouse(t)
	in := want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{"oauth_config.resource": h.rs.URL()}))
	if in.Status != "authorized" || in.AuthorizeURL != "" || !in.Expires.IsZero() {
		t.Errorf("%+v", in)
	}
	if st := h.status("tracker", "authorized"); st.Expires != nil || st.Created.IsZero() {
		t.Errorf("%+v", st)
	}
	want[Success](h, http.StatusOK, http.MethodPost, in.CompleteURL, nil)
	h.problem(http.StatusConflict, "", "completed already", http.MethodPost, in.CompleteURL, nil)
	h.problem(http.StatusBadRequest, "", "no person needs to sign in", http.MethodPost, clients+"/tracker/reauthorize", nil)
	h.token("tracker")
	if n := len(h.as.RequestsTo("/token")); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

func TestAServerWithoutOAuth(t *testing.T) {
	h := newHouse(t)
	made := want[Success](h, http.StatusOK, http.MethodPost, clients, map[string]any{
		"name": "keyed", "connection_string": "https://mcp.example.com/mcp?api_key=" + canarySecret, "auth_type": "headers",
		"headers": map[string]string{"X-Api-Key": canarySecret},
	})
	if made.Status != "success" || len(h.own("keyed")) != 1 {
		t.Errorf("%+v %q", made, h.own("keyed"))
	}
	delete(h.files, "keyed") // a URL is no secret to its file
	c := want[Client](h, http.StatusOK, http.MethodGet, clients+"/keyed", nil)
	if c.AuthType != "headers" || c.ConnectionString != "https://mcp.example.com/mcp?api_key=…" || c.State != "connected" || c.OAuthConfigID != "" {
		t.Errorf("%+v", c)
	}
	h.problem(http.StatusNotFound, "", "no OAuth configuration", http.MethodGet, "/api/oauth/config/keyed/status", nil)
	h.problem(http.StatusNotFound, "", "no OAuth configuration", http.MethodPost, clients+"/keyed/complete-oauth", nil)
	h.problem(http.StatusNotFound, "", "no OAuth configuration", http.MethodPost, clients+"/keyed/reauthorize", nil)
	h.problem(http.StatusNotFound, "", "no OAuth configuration", http.MethodDelete, "/api/oauth/config/keyed", nil)
	h.problem(http.StatusConflict, "", "exists", http.MethodPost, clients, h.wants(map[string]any{"name": "keyed"}))
	want[Success](h, http.StatusOK, http.MethodPut, clients+"/keyed", map[string]any{"auth_type": "none", "headers": nil})
	if len(h.own("keyed")) != 0 || h.Config().Server("keyed").URL != "https://mcp.example.com/mcp?api_key="+canarySecret {
		t.Errorf("left are %q", h.own("keyed"))
	}
	delete(h.files, "keyed")
	want[Success](h, http.StatusOK, http.MethodDelete, clients+"/keyed", nil)
	h.wantNothingOf("keyed")
}

func TestUnknownServers(t *testing.T) {
	h := newHouse(t)
	for _, r := range []string{
		"GET /api/mcp/client/x", "PUT /api/mcp/client/x", "DELETE /api/mcp/client/oauth_cfg.x", "POST /api/mcp/client/x/complete-oauth",
		"POST /api/mcp/client/x/reauthorize", "GET /api/oauth/config/oauth_cfg.x/status", "DELETE /api/oauth/config/x",
	} {
		method, path, _ := strings.Cut(r, " ")
		h.problem(http.StatusNotFound, "", `server "x" is not in the configuration`, method, path, map[string]any{})
	}
}

// Nothing is left of a server that gets no token or no sign-in.
func TestWhatFailsLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		status      int
		field, says string
		prepare     func(h *house)
		changes     map[string]any
	}{
		"a provider that is not there": {http.StatusBadGateway, "", "cannot be reached", nil,
			map[string]any{"oauth_config.server_url": "http://127.0.0.1:1/"}},
		"a client that it does not know": {http.StatusBadGateway, "", "invalid_client", nil, map[string]any{
			"oauth_config.client_id": "nobody", "oauth_config.grant_type": "client_credentials"}},
		"a server that registers none": {http.StatusBadRequest, "oauth_config.client_id", "client_id is required", func(h *house) {
			h.as.EditMetadata(func(m map[string]any) { delete(m, "registration_endpoint") })
		}, map[string]any{"oauth_config.client_id": nil, "oauth_config.client_secret": nil}},
		"a registration that is refused": {http.StatusBadGateway, "", "register one", func(h *house) {
			h.as.FailAt("/register", 9, oauthtest.OAuthError(http.StatusBadRequest, "invalid_client_metadata", canaryWords))
		}, map[string]any{"oauth_config.client_id": nil, "oauth_config.client_secret": nil}},
		"a server without PKCE": {http.StatusBadGateway, "", "PKCE", func(h *house) {
			h.as.EditMetadata(func(m map[string]any) { delete(m, "code_challenge_methods_supported") })
		}, nil},
		"no place for files": {http.StatusConflict, "", "no folder", func(h *house) { h.refuse.Store(&errFolder) }, nil},
		"a reload that says no": {http.StatusBadRequest, "oauth_config.token_url", "oauth_config.token_url is bad: mend it",
			func(h *house) { h.refuse.Store(&errURL) }, nil},
		"no callback": {http.StatusConflict, "", "public_url", func(h *house) { h.Redirect = "" }, nil},
		"no daemon":   {http.StatusConflict, "", "no daemon runs", func(h *house) { h.Edit = nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait between attempts
			h := newHouse(t)
			if c.prepare != nil {
				c.prepare(h)
			}
			h.problem(c.status, c.field, c.says, http.MethodPost, clients, h.wants(c.changes))
			h.wantNothingOf("tracker")
		})
	}
}

var (
	errFolder error = fmt.Errorf("%w: set admin { conf_dir }", config.ErrNoFolder)
	errURL    error = config.Diagnostics{{Message: "a warning", Severity: config.Warning},
		{Field: "OAUTH_TOKEN_URL", Message: "OAUTH_TOKEN_URL is bad", Remedy: "mend it"}}
)

func TestAChangeKeepsWhatItLeavesOut(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.begin(map[string]any{"headers": map[string]string{"X-A": "canary-a", "X-B": "canary-b"}, "oauth_config.token_url": h.as.TokenURL()}))
	h.hide("canary-a", "canary-b", "canary-c")
	token := h.token("tracker")
	put := func(body map[string]any) Success {
		return want[Success](h, http.StatusOK, http.MethodPut, clients+"/tracker", body)
	}
	put(map[string]any{"oauth_config": map[string]any{"revocation_url": h.as.RevocationURL()}})
	put(map[string]any{"name": "tracker", "headers": map[string]any{"X-B": nil, "X-C": "canary-c"}, "tools_to_execute": nil})
	put(map[string]any{"connection_string": h.rs.URL(), "oauth_config": map[string]any{"client_secret": canarySecret}})
	s := h.Config().Server("tracker")
	if s.OAuth.RevocationURL == "" || s.OAuth.ClientID != "id" || s.OAuth.Scope != "mcp:read" || s.OAuth.EnforceHTTPS || len(s.Headers) != 2 {
		t.Errorf("%+v %+v", s, s.OAuth)
	}
	var kept []string
	for _, k := range h.own("tracker") {
		kept = append(kept, strings.TrimPrefix(k, "secret/server/tracker/"))
	}
	if !slices.Equal(kept, []string{"client_secret", "header/X-A", "header/X-C"}) {
		t.Errorf("kept are %q", kept)
	}
	if h.token("tracker") != token {
		t.Error("the token is another")
	}
	h.problem(http.StatusBadRequest, "name", "make another", http.MethodPut, clients+"/tracker", map[string]any{"name": "other"})
	h.problem(http.StatusBadRequest, "oauth_config.x", "no such", http.MethodPut, clients+"/tracker", map[string]any{"oauth_config": map[string]any{"x": 1}})
	put(map[string]any{"oauth_config": nil})
	if s := h.Config().Server("tracker"); s.OAuth != nil || len(h.own("tracker")) != 2 {
		t.Errorf("%+v %q", s, h.own("tracker"))
	}
	again := want[Initiation](h, http.StatusOK, http.MethodPut, clients+"/tracker", map[string]any{"oauth_config": h.wants(nil)["oauth_config"]})
	h.signIn(again)
	h.status("tracker", "authorized")
}

// Another credential needs another sign-in.
func TestAChangeThatNeedsAPersonBeginsASignIn(t *testing.T) {
	h := newHouse(t)
	h.signIn(h.begin(nil))
	in := want[Initiation](h, http.StatusOK, http.MethodPut, clients+"/tracker", map[string]any{
		"oauth_config": map[string]any{"scopes": []string{"mcp:read", "mcp:write"}}})
	if in.Status != "pending_oauth" {
		t.Errorf("%+v", in)
	}
	h.signIn(in)
}

func TestAChangeThatFailsIsTakenBack(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
	before := h.files["tracker"]
	h.problem(http.StatusBadGateway, "", "invalid_client", http.MethodPut, clients+"/tracker", map[string]any{
		"oauth_config": map[string]any{"client_id": "nobody", "client_secret": "canary-of-another"}, "headers": map[string]string{"X-A": "canary-a"}})
	h.hide("canary-of-another", "canary-a")
	if h.files["tracker"] != before || len(h.own("tracker")) != 1 {
		t.Errorf("%s\n%q", h.files["tracker"], h.own("tracker"))
	}
	value, _, err := h.store.Get(t.Context(), secrets.StoreKey(config.OwnSecret("tracker", "client_secret")))
	if err != nil || string(value) != canarySecret {
		t.Errorf("the secret is another: %v", err)
	}
	h.status("tracker", "authorized")
	h.token("tracker")
}

func TestHandWrittenServersAreLeftAlone(t *testing.T) {
	o := config.DefaultOAuth()
	s := config.DefaultServer("hand")
	s.OAuth, o.Enabled, o.EnforceHTTPS, o.GrantType = o, true, false, "authorization_code"
	s.LocalAuth = "key"
	h := newHouse(t)
	s.URL = h.rs.URL()
	next := *h.cfg.Load()
	next.Servers = []*config.Server{s}
	h.cfg.Store(&next)
	h.Engine.Prepare(&next).Commit()
	list := want[[]Client](h, http.StatusOK, http.MethodGet, "/api/mcp/clients", nil)
	if len(list) != 1 || list[0].Name != "hand" || list[0].Made || list[0].State != "error" || list[0].Remedy == "" {
		t.Errorf("%+v", list)
	}
	for _, r := range []string{"PUT /api/mcp/client/hand", "DELETE /api/mcp/client/hand", "DELETE /api/oauth/config/hand"} {
		method, path, _ := strings.Cut(r, " ")
		h.problem(http.StatusConflict, "", "written by hand", method, path, map[string]any{})
	}
	h.problem(http.StatusConflict, "", "exists in a file that is written by hand", http.MethodPost, clients, h.wants(map[string]any{"name": "Hand"}))
	h.status("hand", "needs_reauth")
	h.problem(http.StatusConflict, "", "no sign-in", http.MethodPost, clients+"/hand/complete-oauth", nil)
	h.signIn(want[Initiation](h, http.StatusOK, http.MethodPost, clients+"/hand/reauthorize", nil))
	h.status("hand", "authorized")
}

func TestARedirectElsewhereIsForTheCommand(t *testing.T) {
	h := newHouse(t)
	h.begin(map[string]any{"oauth_config.redirect_uri": h.Redirect})
	h.Redirect = "http://127.0.0.1:9" + callbackPath
	h.problem(http.StatusConflict, "", "bearerd login tracker", http.MethodPost, clients+"/tracker/reauthorize", nil)
}

func TestAProviderThatCannotBeToldKeepsTheTokens(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{"oauth_config.revocation_url": h.as.RevocationURL()}))
	h.as.FailAt("/revoke", 2, oauthtest.OAuthError(http.StatusUnauthorized, "invalid_client", canaryWords))
	for _, path := range []string{"/api/oauth/config/tracker", clients + "/tracker"} {
		h.problem(http.StatusBadGateway, "", "nothing was removed", http.MethodDelete, path, nil)
	}
	h.status("tracker", "authorized")
	gone := want[Success](h, http.StatusOK, http.MethodDelete, clients+"/tracker?local=true", nil)
	if *gone.Revoked != 0 || !strings.Contains(gone.Told, "not told") {
		t.Errorf("%+v", gone)
	}
	h.wantNothingOf("tracker")
}

// Of changes at once one is done whole, and the others are told to wait or that there is nothing to do.
func TestChangesAtOnce(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range 8 {
		wg.Go(func() {
			method, path := http.MethodPost, clients
			var body any = h.unattended(nil)
			if i%4 == 3 {
				method, path, body = http.MethodDelete, clients+"/tracker", nil
			}
			status, answer := h.send(method, path, body)
			if !slices.Contains([]int{http.StatusOK, http.StatusConflict, http.StatusNotFound}, status) {
				t.Errorf("%s: %d %s", method, status, answer)
			}
			mu.Lock()
			defer mu.Unlock()
			if method == http.MethodPost && status == http.StatusOK {
				made++
			}
		})
	}
	wg.Wait()
	if made == 0 {
		t.Error("none was made")
	}
	if h.Config().Server("tracker") != nil {
		h.token("tracker")
		want[Success](h, http.StatusOK, http.MethodDelete, clients+"/tracker", nil)
	}
	h.wantNothingOf("tracker")
}

// Who comes while a change is under way is told so, and waits for nothing.
func TestASecondChangeIsToldOfTheFirst(t *testing.T) {
	h := newHouse(t)
	h.begin(nil)
	_, done, err := h.turns.begin(t.Context(), "Tracker")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"POST " + clients, "PUT /api/mcp/client/tracker", "DELETE /api/mcp/client/tracker", "DELETE /api/oauth/config/tracker",
		"POST /api/mcp/client/tracker/complete-oauth", "POST /api/mcp/client/tracker/reauthorize"} {
		method, path, _ := strings.Cut(r, " ")
		h.problem(http.StatusConflict, "", "under way", method, path, h.wants(map[string]any{"name": "tracker"}))
	}
	done()
	want[Success](h, http.StatusOK, http.MethodDelete, clients+"/tracker", nil)
}

// A grant without a person that was revoked is begun anew.
func TestARevokedGrantWithoutAPersonIsMadeAgain(t *testing.T) {
	h := newHouse(t)
	for range 2 {
		in := want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
		if in.Status != "authorized" {
			t.Errorf("%+v", in)
		}
		h.token("tracker")
		if gone := want[Success](h, http.StatusOK, http.MethodDelete, "/api/oauth/config/tracker", nil); *gone.Revoked != 1 {
			t.Errorf("%+v", gone)
		}
	}
}

// Who goes away in the middle leaves nothing behind.
func TestACallerThatGoesAway(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.as.FailAt("/token", 9, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	})
	d := &draft{server: config.DefaultServer("tracker"), own: map[string]secrets.Secret{"client_secret": secrets.New(canarySecret)}}
	d.server.Made, d.server.URL, d.server.LocalAuth, d.server.OAuth = true, h.rs.URL(), "key", newOAuth()
	o := d.server.OAuth
	o.Version, o.EnforceHTTPS, o.GrantType, o.ClientID, o.TokenURL = "2.0", false, "client_credentials", "id", h.as.TokenURL()
	o.ClientSecret = ownRef("tracker", "client_secret")
	if _, err := h.make(ctx, d, nil); err == nil {
		t.Error("it was made")
	}
	h.wantNothingOf("tracker")
}

func TestAGrantByARefreshToken(t *testing.T) {
	h := newHouse(t)
	refresh := h.as.Grant("id")
	h.hide(refresh)
	in := want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{
		"oauth_config.grant_type": "refresh_token", "oauth_config.refresh_token": refresh}))
	if in.Status != "authorized" || len(h.own("tracker")) != 2 {
		t.Errorf("%+v %q", in, h.own("tracker"))
	}
	h.token("tracker")
}

// A program gets its token when it starts: that one is held is all that can be shown before.
func TestAProgramIsCompletedByItsToken(t *testing.T) {
	h := newHouse(t)
	allowed := *h.cfg.Load()
	allowed.Admin.AllowStdio = true
	h.cfg.Store(&allowed)
	in := want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{
		"connection_type": "stdio", "connection_string": nil,
		"stdio_config": map[string]any{"command": "npx", "args": []string{"server"}, "env": map[string]string{"API_KEY": "canary-env"}}}))
	h.hide("canary-env")
	want[Success](h, http.StatusOK, http.MethodPost, in.CompleteURL, nil)
	s := h.Config().Server("tracker")
	if s.Command != "npx" || !slices.Equal(s.Args, []string{"server"}) || s.Env["API_KEY"] != ownRef("tracker", "env/API_KEY") {
		t.Errorf("%+v", s)
	}
	want[Success](h, http.StatusOK, http.MethodPut, clients+"/tracker", map[string]any{"stdio_config": map[string]any{"env": map[string]any{"API_KEY": nil}}})
	if s := h.Config().Server("tracker"); s.Command != "npx" || len(s.Env) != 0 || len(h.own("tracker")) != 1 {
		t.Errorf("%+v %q", s, h.own("tracker"))
	}
}

// An old configuration in force is not changed by a request that reads it.
func TestReadingAChangeLeavesTheOldServerAsItIs(t *testing.T) {
	basic := true
	old := config.DefaultServer("a")
	old.URL, old.Headers, old.OAuth = "https://mcp.example.com/mcp?key=k", map[string]secrets.Ref{"X-A": ownRef("a", "header/X-A")}, newOAuth()
	old.OAuth.UseBasicAuth, old.OAuth.Resource = &basic, []string{"https://one.example"}
	before := copyServer(old)
	d, err := readClient(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/", strings.NewReader(`{"headers":{"X-A":null,"X-B":"b"},
		"connection_string":"https://mcp.example.com/mcp?key=…","oauth_config":{"use_basic_auth":false,"resource":["https://two.example"],"scopes":["x"]}}`)), old)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(old, before) || !*old.OAuth.UseBasicAuth || len(old.Headers) != 1 || old.Headers["X-A"].IsZero() {
		t.Errorf("it is %+v now", old)
	}
	if *d.server.OAuth.UseBasicAuth || d.server.OAuth.Resource[0] != "https://two.example" || d.server.URL != old.URL {
		t.Errorf("the draft is %+v", d.server)
	}
}

func TestViewOfPrograms(t *testing.T) {
	s := config.DefaultServer("p")
	s.Command, s.Args, s.Env = "/usr/bin/npx", []string{"--key", canarySecret}, map[string]secrets.Ref{"K": secrets.LiteralRef(canarySecret)}
	h := newHouse(t, s)
	c := want[Client](h, http.StatusOK, http.MethodGet, clients+"/p", nil)
	if c.ConnectionType != "stdio" || c.ConnectionString != "npx" || c.AuthType != "none" || c.LocalURL != "" || c.Delivery != config.DeliverEnv {
		t.Errorf("%+v", c)
	}
}
