package engine

import (
	"errors"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// Who is told that the secret is wrong is told where it is kept, and never a literal.
func TestInvalidClientNamesTheSecretsPlace(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(9, oauthtest.OAuthError(401, "invalid_client", ""))
	literal, kept := server(as, "literal"), server(as, "kept")
	t.Setenv("EXPLAIN_TEST_SECRET", "canary-kept")
	literal.OAuth.ClientSecret = secrets.LiteralRef("canary-literal")
	kept.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Env, Name: "EXPLAIN_TEST_SECRET"}
	b := start(t, literal, kept)
	for name, want := range map[string]bool{"literal": false, "kept": true} {
		_, err := b.source(t, name).Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || strings.Contains(e.Remedy, `; the secret is that of env("EXPLAIN_TEST_SECRET")`) != want ||
			strings.Contains(e.Error(), "canary") || strings.Contains(e.Remedy, "literal") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
