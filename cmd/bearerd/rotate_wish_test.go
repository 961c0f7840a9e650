package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// endless gives out tokens without saying when they end.
func endless(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	var body map[string]any
	_ = json.Unmarshal(answer.Body.Bytes(), &body) // else there is no token
	delete(body, "expires_in")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	_ = json.NewEncoder(w).Encode(body)
}

// A token without an end that was replaced on a wish is replaced in the server, too. What befalls a later one is followed also
// where the server still holds the one before it.
func TestRotationOnWish(t *testing.T) {
	t.Parallel()
	for name, endless := range map[string]func(http.ResponseWriter, *http.Request, http.Handler){"with an end": nil, "without an end": endless} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			as, grant := h.authServer()
			if endless != nil {
				as.Fail(100, endless)
			}
			h.configure(server("s", modernServer(t, legacyWire), `token_file = "token"`, grant))
			c := h.goClient("s", legacyWire)
			known := func() string { token, _ := os.ReadFile(h.path("token")); return string(token) } // by exec
			first, before := c.who(), known()
			h.ok("refresh", "s")
			second := first
			if endless != nil {
				eventually(t, "the refreshed token takes over", func() bool { second = c.who(); return second.PID != first.PID })
			} else {
				eventually(t, "exec knows of the refreshed token", func() bool { return known() != before })
			}
			h.ok("invalidate", "s")
			eventually(t, "another token takes over", func() bool { return c.who().PID != second.PID })
			c.close()
		})
	}
}
