package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// method is one way to log in: what it sends, and what to look at when Vault refuses it.
type method struct {
	body   func(*Client, context.Context) (map[string]any, error)
	remedy string
}

var methods = map[string]method{
	"approle": {(*Client).approle, "check role_id and secret_id, which may have expired or been used up"},
	"kubernetes": {(*Client).signed, "check role, and that it is bound to the service account and " +
		"namespace of this pod"},
	"jwt": {(*Client).signed, "check role and jwt: its signature, expiry, audience and the claims that the role " +
		"is bound to"},
	"cert": {(*Client).cert, "check client_cert_path and role: the auth method must trust the certificate, " +
		"or its CA"},
}

// login gets a new token, by whatever method. A refusal is secrets.ErrDenied: it is an answer, no outage.
func (c *Client) login(ctx context.Context) (*session, error) {
	if c.conn.Auth.Method == "token" {
		return c.given(ctx)
	}
	m, ok := methods[c.conn.Auth.Method]
	if !ok {
		return nil, denied("vault: there is no auth method %q: use token, approle, kubernetes, jwt or cert", c.conn.Auth.Method)
	}
	body, err := m.body(c, ctx)
	if err != nil {
		return nil, c.unready(ctx, err)
	}
	path := "auth/" + c.conn.Auth.Mount + "/login"
	answer, err := c.as("").WriteWithContext(ctx, path, body)
	if err != nil {
		return nil, c.refused(ctx, path, m.remedy+c.hint(body), err)
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return nil, denied("Vault at %s gives no token at %s: does the login need a second factor? bearerd has none",
			c.conn.Address, path)
	}
	s := c.start(answer.Auth.ClientToken, lifetime(int64(answer.Auth.LeaseDuration)))
	s.renewable, s.revocable = answer.Auth.Renewable, true
	if err := c.examine(ctx, s); err != nil {
		c.revoke(context.WithoutCancel(ctx), s) // nobody will use it
		return nil, err
	}
	return s, nil
}

// examine looks at a token that has just been made.
func (c *Client) examine(ctx context.Context, s *session) error {
	look, err := s.vault.ReadWithContext(ctx, "auth/token/lookup-self")
	switch {
	case status(err) == http.StatusForbidden:
		s.blind = true
		c.log.WarnContext(ctx, "The Vault token may not look itself up: that it was revoked is noticed late",
			"remedy", "let the login have the policy \"default\"")
	case err != nil:
		return c.explain(ctx, err)
	default:
		s.revocable = text(look, "type") != "batch"
	}
	return limited(look)
}

// limited refuses a token that serves a number of times only: the looks whether it is valid would use it up.
func limited(look *api.Secret) error {
	if n := text(look, "num_uses"); n != "" && n != "0" {
		return denied("vault: the token may be used %s times more: make one without num_uses (token_num_uses = 0 in a role)", n)
	}
	return nil
}

// given takes the token of auth "token", which somebody else answers for.
func (c *Client) given(ctx context.Context) (*session, error) {
	token, err := c.resolve.Resolve(ctx, c.conn.Auth.Token)
	if err != nil {
		return nil, c.unready(ctx, fmt.Errorf("token: %w", err))
	}
	if strings.ContainsFunc(token.Reveal(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, denied("vault: token: %s holds characters that no token has", c.conn.Auth.Token)
	}
	s := c.start(token.Reveal(), 0)
	answer, err := s.vault.ReadWithContext(ctx, "auth/token/lookup-self")
	if err != nil {
		return nil, c.refused(ctx, "auth/token/lookup-self", "token: it has expired, was revoked, or is for another Vault "+
			"or namespace; give a valid one, with the policy \"default\"", err)
	}
	if answer != nil {
		ttl, _ := strconv.ParseInt(text(answer, "ttl"), 10, 64) // out of range it is the longest
		s.lease = lifetime(ttl)
		s.extend(s.lease)
		s.renewable, _ = answer.TokenIsRenewable()
	}
	return s, limited(answer)
}

func (c *Client) start(token string, lease time.Duration) *session {
	s := &session{vault: c.as(token), lease: lease}
	s.extend(lease)
	return s
}

// unready is about a value that the login needs and that could not be had.
func (c *Client) unready(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*fault](err); ok {
		return err
	}
	if ctx.Err() != nil {
		return c.explain(ctx, err)
	}
	return &fault{kind: secrets.ErrDenied, cause: err, text: fmt.Sprintf("vault: auth %q: %v", c.conn.Auth.Method, err)}
}

// refused is about a login that Vault did not grant.
func (c *Client) refused(ctx context.Context, path, remedy string, err error) error {
	explained := c.explain(ctx, err)
	code := status(err)
	switch {
	case code == 0 || errors.Is(explained, secrets.ErrUnavailable) || ctx.Err() != nil:
		return explained
	case code == http.StatusNotFound:
		remedy = fmt.Sprintf("there may be no auth method at auth/%s: check mount and namespace", c.conn.Auth.Mount)
	}
	answer, _ := errors.AsType[*api.ResponseError](err)
	return &fault{kind: secrets.ErrDenied, text: fmt.Sprintf("Vault at %s refuses the login at %s: %d %s: %s",
		c.conn.Address, path, code, words(answer), remedy)}
}

// signed reads the JWT anew at each login: the kubelet replaces it.
func (c *Client) signed(ctx context.Context) (map[string]any, error) {
	jwt, err := c.resolve.Resolve(ctx, c.conn.Auth.JWT)
	if err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	return map[string]any{"role": c.conn.Auth.Role, "jwt": jwt.Reveal()}, nil
}

// cert sends nothing but the role: the certificate is in the handshake, so that one must be new.
func (c *Client) cert(context.Context) (map[string]any, error) {
	c.wire.CloseIdleConnections()
	if c.conn.Auth.Role == "" {
		return map[string]any{}, nil
	}
	return map[string]any{"name": c.conn.Auth.Role}, nil
}

// text is a string, or a number as text, in the data of an answer; "" when there is none.
func text(answer *api.Secret, name string) string {
	if answer == nil {
		return ""
	}
	switch v := answer.Data[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
