package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"bearerd/secrets"
)

// keptKey is where the local store has an unwrapped secret id.
const keptKey = "vault/secret-id"

// keptID is an unwrapped secret id and the wrapping token, told by its fingerprint, that it came from.
type keptID struct {
	Wrapping string `json:"wrapping"`
	SecretID string `json:"secret_id"`
}

func (c *Client) approle(ctx context.Context) (map[string]any, error) {
	role, err := c.resolve.Resolve(ctx, c.conn.Auth.RoleID)
	if err != nil {
		return nil, fmt.Errorf("role_id: %w", err)
	}
	body := map[string]any{"role_id": role.Reveal()}
	if c.conn.Auth.SecretID.IsZero() {
		return body, nil // the role has bind_secret_id = false
	}
	id, err := c.resolve.Resolve(ctx, c.conn.Auth.SecretID)
	if err != nil {
		return nil, fmt.Errorf("secret_id: %w", err)
	}
	if c.conn.Auth.Wrapped {
		if id, err = c.unwrapped(ctx, id); err != nil {
			return nil, err
		}
	}
	body["secret_id"] = id.Reveal()
	return body, nil
}

// hint adds to the remedy for a refused login what fits the secret id that was sent.
func (c *Client) hint(body map[string]any) string {
	id, _ := body["secret_id"].(string)
	switch {
	case c.conn.Auth.Wrapped:
		return "; a new one needs a new wrapping token"
	case strings.HasPrefix(id, "hvs."):
		return "; secret_id has the form of a token: if it is a wrapping token, write wrapped = true"
	}
	return ""
}

// unwrapped returns the secret id behind a wrapping token. A wrapping token serves once, so what it gave is kept, and
// found again by the token's fingerprint.
func (c *Client) unwrapped(ctx context.Context, wrapping secrets.Secret) (secrets.Secret, error) {
	mark := wrapping.Fingerprint()
	id, err := c.keptFor(ctx, mark)
	if err != nil || !id.IsZero() {
		return id, err
	}
	// What follows cannot be done twice: it does not end with the caller.
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.conn.Timeout)
	defer cancel()
	id, err = c.unwrap(once, wrapping)
	if errors.Is(err, secrets.ErrDenied) {
		// Another process of this host may have been faster, and just be keeping it.
		for range 5 {
			if other, err := c.keptFor(ctx, mark); err == nil && !other.IsZero() {
				return other, nil
			}
			if err := sleep(ctx, 100*time.Millisecond); err != nil {
				return secrets.Secret{}, err
			}
		}
	}
	if err != nil {
		return secrets.Secret{}, err
	}
	c.mu.Lock()
	c.unkept = keptID{mark, id.Reveal()}
	c.mu.Unlock()
	if err := c.keep(once, keptID{mark, id.Reveal()}); err != nil {
		c.log.ErrorContext(ctx, "The unwrapped secret id could not be kept: a restart will need a new wrapping token",
			"error", err)
	}
	return id, nil
}

// keptFor returns the secret id that came from the wrapping token with this fingerprint, the zero Secret if there is none.
func (c *Client) keptFor(ctx context.Context, mark string) (secrets.Secret, error) {
	c.mu.Lock()
	have := c.unkept
	c.mu.Unlock()
	if have.Wrapping == mark {
		return secrets.New(have.SecretID), nil
	}
	if c.kept == nil {
		return secrets.Secret{}, nil
	}
	value, _, err := c.kept.Get(ctx, keptKey)
	if errors.Is(err, secrets.ErrNotFound) {
		return secrets.Secret{}, nil
	}
	if err != nil {
		return secrets.Secret{}, fmt.Errorf("the kept secret id: %w", err)
	}
	if err := json.Unmarshal(value, &have); err != nil || have.Wrapping != mark {
		return secrets.Secret{}, nil
	}
	return secrets.New(have.SecretID), nil
}

func (c *Client) keep(ctx context.Context, id keptID) error {
	if c.kept == nil {
		return nil
	}
	value, err := json.Marshal(id)
	if err != nil {
		return err
	}
	for {
		_, rev, err := c.kept.Get(ctx, keptKey)
		if err != nil && !errors.Is(err, secrets.ErrNotFound) {
			return err
		}
		if _, err = c.kept.Put(ctx, keptKey, value, rev); !errors.Is(err, secrets.ErrConflict) {
			return err
		}
	}
}

// unwrap spends the wrapping token, after a look at where it comes from: one that was put in its place by somebody else
// does not come from the auth method.
func (c *Client) unwrap(ctx context.Context, wrapping secrets.Secret) (secrets.Secret, error) {
	var none secrets.Secret
	if uuid.Validate(wrapping.Reveal()) == nil {
		return none, denied("vault: secret_id: it is no wrapping token but has the form of a secret id: remove wrapped = true, " +
			"or supply a wrapping token")
	}
	token := map[string]any{"token": wrapping.Reveal()}
	look, err := c.as("").WriteWithContext(ctx, "sys/wrapping/lookup", token)
	if err != nil {
		return none, c.wrappingFault(ctx, err)
	}
	path := text(look, "creation_path")
	if (sent{wrapping.Reveal()}).in(path) {
		path = "…" // it may be anywhere, but not in the error
	}
	if !strings.HasPrefix(path, "auth/"+c.conn.Auth.Mount+"/role/") {
		return none, denied("vault: secret_id: the wrapping token was made at %q, not at auth/%s/role/NAME/secret-id: "+
			"it was not used; find out who put it there", path, c.conn.Auth.Mount)
	}
	answer, err := c.as(wrapping.Reveal()).WriteWithContext(ctx, "sys/wrapping/unwrap", nil)
	if err != nil {
		return none, c.wrappingFault(ctx, err)
	}
	id := text(answer, "secret_id")
	if id == "" {
		return none, denied("vault: secret_id: what the wrapping token held is no secret id")
	}
	return secrets.New(id), nil
}

func (c *Client) wrappingFault(ctx context.Context, err error) error {
	if code := status(err); code != http.StatusBadRequest && code != http.StatusForbidden && code != http.StatusNotFound {
		return c.explain(ctx, err)
	}
	return denied("Vault at %s does not know the wrapping token of secret_id: it has expired, or somebody else has unwrapped "+
		"it and holds the secret id. If it was not bearerd, destroy that secret id; then supply a new wrapping token",
		c.conn.Address)
}
