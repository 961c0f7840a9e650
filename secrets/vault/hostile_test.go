package vault

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/secrets"
)

// standIn answers as Vault would, unless answer has something else to say. It needs no Vault.
func standIn(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case answer(w, r):
		case strings.HasSuffix(path, "lookup-self"):
			_, _ = io.WriteString(w, `{"data":{"ttl":3600,"renewable":true,"num_uses":0,"type":"service"}}`)
		case strings.HasSuffix(path, "/login"):
			_, _ = io.WriteString(w, `{"auth":{"client_token":"hvs.canary-login","lease_duration":3600,"renewable":true}}`)
		case contains(path, "ui/mounts"):
			_, _ = io.WriteString(w, `{"data":{"type":"kv","path":"secret/","options":{"version":"2"}}}`)
		case contains(path, "/metadata/") && r.Method == "PUT", strings.HasSuffix(path, "revoke-self"):
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[]}`)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// echo answers each request whose path has part with a format, into which it puts all that the request said.
func echo(part string, code int, format string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !contains(r.URL.Path, part) {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, format, fmt.Sprintf("it says sealed: %v %s", r.Header, body))
		return true
	}
}

// raw answers with no HTTP at all, but with what was sent.
func raw(part string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !contains(r.URL.Path, part) {
			return false
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, r.Header.Get("X-Vault-Token")+"\r\n\r\n")
			_ = conn.Close()
		}
		return true
	}
}

// TestAnswersThatEcho has answers repeat what was sent: no error, status or log line carries it.
func TestAnswersThatEcho(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T, c *Client) error {
		_, err := c.Read(t.Context(), "p", "f")
		return err
	}
	write := func(t *testing.T, c *Client) error {
		_, err := c.Store("secret", "b").Put(t.Context(), "grant/a", []byte(`{"token":"canary-value"}`), "")
		return err
	}
	token := secrets.Auth{Method: "token", Token: secrets.LiteralRef("hvs.canary-token")}
	long := secrets.Auth{Method: "token", Token: secrets.LiteralRef("hvs." + strings.Repeat("canary-token", 30))}
	role := secrets.Auth{Method: "approle", RoleID: secrets.LiteralRef("role"), SecretID: secrets.LiteralRef("hvs.canary-id")}
	wrapped := role
	wrapped.Wrapped = true
	jwt := secrets.Auth{Method: "jwt", Role: "r", JWT: secrets.LiteralRef("eyJ.canary.jwt")}
	for name, test := range map[string]struct {
		auth   secrets.Auth
		answer func(http.ResponseWriter, *http.Request) bool
		use    func(*testing.T, *Client) error
	}{
		"read":                {token, echo("/data/", 500, `{"errors":[%q]}`), read},
		"read, odd case":      {token, echo("/data/", 500, `{"Errors":[%q]}`), read},
		"read, 400":           {token, echo("/data/", 400, `{"errors":["x",%q]}`), read},
		"read, cut":           {long, echo("/data/", 500, `{"errors":[%.150q]}`), read},
		"read, page":          {token, echo("/data/", 502, `<html>%s</html>`), read},
		"read, page of a 404": {token, echo("/data/", 404, `<html>%s</html>`), read},
		"read, another 404":   {token, echo("/data/", 404, `{"errors":[%q],"seen":1}`), read},
		"read, 200":           {token, echo("/data/", 200, `{"errors":[%q],"seen":1}`), read},
		"read, no HTTP":       {token, raw("/data/"), read},
		"mount":               {token, echo("ui/mounts", 500, `{"errors":[%q]}`), read},
		"lookup":              {token, echo("lookup-self", 403, `{"errors":[%q]}`), read},
		"write":               {token, echo("/data/", 500, `{"errors":[%q]}`), write},
		"write, page":         {token, echo("/data/", 502, `<html>%s</html>`), write},
		"login":               {role, echo("/login", 400, `{"errors":[%q]}`), read},
		"login, page":         {jwt, echo("/login", 502, `<html>%s</html>`), read},
		"login with a JWT":    {jwt, echo("/login", 403, `{"errors":[%q]}`), read},
		"wrapping lookup":     {wrapped, echo("wrapping/lookup", 500, `{"errors":[%q]}`), read},
		"wrapping path":       {wrapped, echo("wrapping/lookup", 200, `{"data":{"creation_path":%q}}`), read},
	} {
		t.Run(name, func(t *testing.T) {
			c, seen := open(t, &secrets.Connection{Address: standIn(t, test.answer), Auth: test.auth}, nil)
			seen.add("canary", "Y2FuYXJ5", "eyJ0b2tlbiI6") // in base64: canary, and how the record begins
			err := test.use(t, c)
			if err == nil {
				t.Fatal("there is no error")
			}
			for ; err != nil; err = cause(err) {
				seen.check(fmt.Sprintf("%v %+v", err, err))
			}
		})
	}
}

// cause is what err was made of; nil: of nothing.
func cause(err error) error {
	if f, ok := err.(*fault); ok {
		return f.cause
	}
	return nil
}

// TestWordsOfVault: what Vault itself says, and repeats nothing, is in the error, cut at 200 characters.
func TestWordsOfVault(t *testing.T) {
	t.Parallel()
	c, _ := open(t, given(standIn(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !contains(r.URL.Path, "/data/") {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, `{"errors":["1 error occurred:\n\t* disk\u0007 full","%s"]}`, strings.Repeat("ä", 300))
		return true
	}), "hvs.canary-token"), nil)
	_, err := c.Read(t.Context(), "p", "f")
	wantErr(t, err, secrets.ErrUnavailable, "500: 1 error occurred: * disk full; äää")
	if n := strings.Count(err.Error(), "ä"); n > 200 || n < 100 {
		t.Errorf("%d characters of a long text are left", n)
	}
}

// TestLeasesOfAnyLength: neither a long lease nor none is renewed at once.
func TestLeasesOfAnyLength(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int64{1 << 62, 1 << 55, 1 << 40, 18446744074, 5_000_000_000, 3600, 0, -1, -1 << 62} {
		s := &session{}
		s.extend(lifetime(seconds))
		switch left := time.Until(s.renewAt); {
		case seconds <= 0 && !s.expires.IsZero():
			t.Errorf("a lease of %d s expires at %s, want never", seconds, s.expires)
		case seconds > 0 && (left < time.Minute || left > longestLease || s.expires.Before(s.renewAt)):
			t.Errorf("a lease of %d s is renewed in %s and expires at %s", seconds, left, s.expires)
		}
	}
	for name, auth := range map[string]secrets.Auth{
		"token":   {Method: "token", Token: secrets.LiteralRef("hvs.canary-token")},
		"approle": {Method: "approle", RoleID: secrets.LiteralRef("role")},
	} {
		c, _ := open(t, &secrets.Connection{Auth: auth, Address: standIn(t, func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case strings.HasSuffix(r.URL.Path, "/login"):
				_, _ = io.WriteString(w, `{"auth":{"client_token":"hvs.canary-login","lease_duration":18446744074}}`)
			case strings.HasSuffix(r.URL.Path, "lookup-self"):
				_, _ = io.WriteString(w, `{"data":{"ttl":18446744074,"num_uses":0}}`)
			default:
				return false
			}
			return true
		})}, nil)
		_, _ = c.Read(t.Context(), "p", "f")
		if left := time.Until(c.Status().TokenExpires); left < longestLease/2 {
			t.Errorf("%s: a lease of 584 years ends in %s", name, left)
		}
	}
}

// TestGivenUpLoginsAreRevoked: a token that is refused once it has been made, or whose lookup fails, lives no longer. One
// that was given is not ours to revoke.
func TestGivenUpLoginsAreRevoked(t *testing.T) {
	t.Parallel()
	role := secrets.Auth{Method: "approle", RoleID: secrets.LiteralRef("role")}
	token := secrets.Auth{Method: "token", Token: secrets.LiteralRef("hvs.canary-token")}
	for name, test := range map[string]struct {
		auth   secrets.Auth
		code   int
		lookup string
		want   int64
	}{
		"num_uses":        {role, 200, `{"data":{"ttl":3600,"num_uses":5,"type":"service"}}`, 1},
		"lookup fails":    {role, 500, `{"errors":["internal error"]}`, 1},
		"given, num_uses": {token, 200, `{"data":{"ttl":3600,"num_uses":5,"type":"service"}}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var revoked atomic.Int64
			c, _ := open(t, &secrets.Connection{Auth: test.auth, Address: standIn(t, func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case strings.HasSuffix(r.URL.Path, "lookup-self"):
					w.WriteHeader(test.code)
					_, _ = io.WriteString(w, test.lookup)
					return true
				case strings.HasSuffix(r.URL.Path, "revoke-self"):
					revoked.Add(1)
				}
				return false
			})}, nil)
			if _, err := c.Read(t.Context(), "p", "f"); err == nil {
				t.Error("the login was not given up")
			}
			if n := revoked.Load(); n != test.want {
				t.Errorf("%d tokens were revoked, want %d", n, test.want)
			}
		})
	}
}

// TestOddAnswers: none is taken for a value, nor for a write that was done.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"null": `null`, "empty": ``, "array": `[]`, "no data": `{}`, "data null": `{"data":null}`, "data text": `{"data":"x"}`,
		"data in data text": `{"data":{"data":"x","metadata":{}}}`,
		"metadata odd":      `{"data":{"data":{"value":5},"metadata":{"version":"x"}}}`,
		"version odd":       `{"data":{"version":"x","created_time":"now"}}`,
		"html":              `<html>`, "deep": strings.Repeat(`{"data":`, 5000) + `1` + strings.Repeat(`}`, 5000),
		"wrapped": `{"wrap_info":{"token":"x","ttl":"no"}}`,
		"huge":    `{"data":{"data":{"value":"` + strings.Repeat("A", 9<<20) + `"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := open(t, given(standIn(t, func(w http.ResponseWriter, r *http.Request) bool {
				ours := contains(r.URL.Path, "/data/") || contains(r.URL.Path, "/metadata/")
				if ours {
					_, _ = io.WriteString(w, body)
				}
				return ours
			}), "hvs.canary-token"), nil)
			if _, err := c.Read(t.Context(), "p", "f"); err == nil {
				t.Error("it was read as a value")
			}
			store := c.Store("secret", "b")
			if _, _, err := store.Get(t.Context(), "k"); err == nil {
				t.Error("it was read as a record")
			}
			rev, err := store.Put(t.Context(), "k", []byte("v"), "")
			wantErr(t, err, secrets.ErrUnavailable)
			if rev != "" {
				t.Errorf("a write that may not be done has the revision %q", rev)
			}
		})
	}
}

// TestSlowDrip has an answer that never ends: the connection's timeout ends it.
func TestSlowDrip(t *testing.T) {
	t.Parallel()
	conn := given(standIn(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !contains(r.URL.Path, "/data/") {
			return false
		}
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return true
			}
		}
	}), "hvs.canary-token")
	conn.Timeout = time.Second
	c, _ := open(t, conn, nil)
	begin := time.Now()
	_, err := c.Read(t.Context(), "p", "f")
	wantErr(t, err, secrets.ErrUnavailable)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
