package admin

import (
	"net/http"
	"testing"
)

func TestTheGuideFromCreationToRemoval(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	if in.OAuthConfigID != "oauth_cfg.tracker" || in.MCPClientID != "tracker" || in.Expires.IsZero() ||
		in.CompleteURL != "/api/mcp/client/tracker/complete-oauth" || in.StatusURL != "/api/oauth/config/oauth_cfg.tracker/status" {
		t.Errorf("%+v", in)
	}
	if st := h.status("oauth_cfg.tracker", "pending"); st.Expires == nil || !st.Expires.Equal(in.Expires) {
		t.Errorf("%+v, the sign-in ends at %v", st, in.Expires)
	}
	h.problem(http.StatusConflict, "", "OAuth not authorized yet. Current status: pending", http.MethodPost, in.CompleteURL, nil)
	h.signIn(in)
	st := h.status("tracker", "authorized")
	if st.TokenID == "" || st.TokenExpires == nil || len(st.TokenScopes) != 1 || st.TokenScopes[0] != "mcp:read" || st.Created.IsZero() {
		t.Errorf("%+v", st)
	}
	done := want[Success](h, http.StatusOK, http.MethodPost, "/api/mcp/client/oauth_cfg.tracker/complete-oauth", nil)
	if done.Status != "success" || done.Message != "MCP client connected successfully with OAuth" {
		t.Errorf("%+v", done)
	}
	h.problem(http.StatusConflict, "", "completed already", http.MethodPost, in.CompleteURL, nil)
	if c := want[Client](h, http.StatusOK, http.MethodGet, "/api/mcp/client/tracker", nil); c.State != "connected" || !c.Made {
		t.Errorf("%+v", c)
	}
	token := h.token("tracker")
	gone := want[Success](h, http.StatusOK, http.MethodDelete, "/api/oauth/config/oauth_cfg.tracker", nil)
	if gone.Message != "OAuth token revoked successfully" || *gone.Revoked != 2 || gone.Told == "" {
		t.Errorf("%+v", gone)
	}
	if _, live := h.as.Introspect(token); live {
		t.Error("the provider takes the token still")
	}
	if s := h.Config().Server("tracker"); s == nil || s.OAuth != nil || len(h.own("tracker")) > 0 {
		t.Errorf("left are %+v and %q", s, h.own("tracker"))
	}
	h.problem(http.StatusNotFound, "", "no OAuth configuration", http.MethodGet, in.StatusURL, nil)
	again := h.begin(nil) // the guide: revoke, then create anew
	h.signIn(again)
	want[Success](h, http.StatusOK, http.MethodPost, again.CompleteURL, nil)
	want[Success](h, http.StatusOK, http.MethodDelete, "/api/mcp/client/tracker", nil)
	h.wantNothingOf("tracker")
}
