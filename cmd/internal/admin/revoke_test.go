package admin

import (
	"strings"
	"testing"

	"bearerd/config"
)

// The end of a chain of refresh tokens is told: `refresh` alone gets no token then.
func TestRevokeSaysWhatIsNext(t *testing.T) {
	cfg := &config.Config{Servers: []*config.Server{
		{Name: "plain", OAuth: &config.OAuth{GrantType: "client_credentials"}},
		{Name: "chain", OAuth: &config.OAuth{GrantType: "refresh_token"}},
		{Name: "person", OAuth: &config.OAuth{GrantType: "authorization_code"}},
	}}
	a := &API{Config: func() *config.Config { return cfg }}
	for _, c := range []struct {
		name, want string
		sent       int
	}{
		{"plain", "`bearerd refresh plain` gets a new one", 1},
		{"removed", "`bearerd refresh removed` gets a new one", 1},
		{"person", "`bearerd login person` signs in again", 2},
		{"person", "`bearerd login person` signs in again", 0},
		{"chain", "chain needs a new refresh token now: put it where OAUTH_REFRESH_TOKEN refers to, then run `bearerd refresh chain`", 2},
		{"chain", "unless the one that OAUTH_REFRESH_TOKEN refers to is unused", 0},
	} {
		if got := a.next(c.name, c.sent); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
