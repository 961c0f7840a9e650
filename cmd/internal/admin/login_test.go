package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine"
)

// A command tells an answer to another sign-in, which does not end the wait, from what does.
func TestProblemsOfASignInHaveCodes(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{fmt.Errorf("server %q: %w", "s", engine.ErrOtherFlow), http.StatusConflict, OtherFlow},
		{fmt.Errorf("server %q: %w", "s", engine.ErrNoLogin), http.StatusBadRequest, NoLogin},
		{&engine.Error{Server: "s", Reason: "access_denied"}, http.StatusBadGateway, ""},
		{errors.New("anything"), http.StatusInternalServerError, ""},
	} {
		w := httptest.NewRecorder()
		fail(w, c.err)
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != c.status || p.Code != c.code || p.Error == "" {
			t.Errorf("%v: %d %+v %v", c.err, w.Code, p, err)
		}
	}
}

func TestASignInThatNobodyNeedsSaysWhatGetsAToken(t *testing.T) {
	cfg := &config.Config{Servers: []*config.Server{{Name: "s", OAuth: &config.OAuth{GrantType: "client_credentials"}}}}
	a := &API{Config: func() *config.Config { return cfg }}
	for name, want := range map[string]string{"s": "`bearerd refresh s` gets a token", "removed": "no person needs to sign in"} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.SetPathValue("name", name)
		err := a.unneeded(r, engine.ErrNoLogin)
		if !errors.Is(err, engine.ErrNoLogin) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if other := errors.New("another"); a.unneeded(r, other) != other {
			t.Error("another error was changed")
		}
	}
}
