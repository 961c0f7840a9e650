package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSecretThatIsThere is kept as it is where the caller asks for that, and is compared without being shown or changed.
func TestSecretThatIsThere(t *testing.T) {
	w := watch(t)
	send := func(h http.Handler, method, path, value string, header ...string) (status int, answer string) {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost/api/secrets/"+path, strings.NewReader(value))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		return got.Code, strings.TrimSpace(got.Body.String())
	}
	for _, c := range []struct {
		method, path, value string
		status              int
		answer              string
	}{
		{"POST", "a%2Fb/compare", "CANARY-1", 200, `{"there":false,"same":false}`},
		{"PUT", "a%2Fb", "CANARY-1", 204, ""},
		{"PUT", "a%2Fb", "CANARY-2", 412, `{"error":"there is a secret named \"a/b\" already"}`},
		{"POST", "a%2Fb/compare", "CANARY-1", 200, `{"there":true,"same":true}`},
		{"POST", "a%2Fb/compare", "CANARY-2", 200, `{"there":true,"same":false}`},
		{"POST", "a%2Fb/compare", "", 400, `{"error":"the value is empty"}`},
	} {
		if status, answer := send(w.Handler(), c.method, c.path, c.value, "If-None-Match", "*"); status != c.status || answer != c.answer {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.value, status, answer)
		}
	}
	if status, answer := send(w.Public(), "POST", "a%2Fb/compare", "CANARY-1", "Authorization", "Bearer the admin key"); status != http.StatusForbidden {
		t.Errorf("over TCP: %d %s", status, answer)
	}
}
