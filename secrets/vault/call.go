package vault

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// request is one call of the API.
type request struct {
	path  string // after /v1/, as a policy names it
	needs string // the capabilities that a policy must give, comma-separated
	send  func(context.Context, *api.Logical) (*api.Secret, error)
}

// do sends a request, after a login where there is none yet. An answer of 403 has two meanings that Vault does not tell
// apart: when the token is not valid any more, do logs in once and sends the request again; when it is, a policy forbids
// it, and no login would help.
func (c *Client) do(ctx context.Context, r request) (*api.Secret, error) {
	if ctx.Err() != nil {
		return nil, c.explain(ctx, ctx.Err())
	}
	for again := false; ; again = true {
		s, err := c.loginInsteadOf(ctx, nil)
		if err != nil {
			return nil, err
		}
		answer, err := r.send(ctx, s.vault)
		if status(err) != http.StatusForbidden {
			err = c.explain(ctx, err)
			c.note(ctx, err)
			return answer, err
		}
		valid, lookup := c.alive(ctx, s)
		switch {
		case lookup != nil:
			return nil, lookup
		case valid || again:
			return nil, c.forbidden(r)
		}
	}
}

func (c *Client) forbidden(r request) error {
	list := `"` + strings.ReplaceAll(r.needs, ", ", `", "`) + `"`
	return &fault{kind: secrets.ErrDenied, policy: true, text: fmt.Sprintf("Vault at %s does not allow it: a policy of this "+
		"login must have path %q { capabilities = [%s] }", c.conn.Address, r.path, list)}
}
