package vault

import (
	"context"
	"errors"
	"time"

	"bearerd/secrets"
)

// Status is the state of the connection. It holds no secret.
type Status struct {
	Address       string    `json:"address"`
	Auth          string    `json:"auth"` // the method
	Up            bool      `json:"up"`   // the last answer was Vault's, and it lets us in
	Sealed        bool      `json:"sealed"`
	Since         time.Time `json:"since"`                  // of Up, or of not Up
	Error         string    `json:"error,omitempty"`        // why it is not up; "" before the first use too
	TokenExpires  time.Time `json:"token_expires,omitzero"` // of our own token; zero: never, or not logged in
	Logins        uint64    `json:"logins"`
	LoginFailures uint64    `json:"login_failures"`
	Renewals      uint64    `json:"renewals"`
}

// Status returns the state as it is now.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	if c.session != nil {
		s.TokenExpires = c.session.expires
	}
	return s
}

// note keeps what a call says about Vault: a policy that forbids something is no trouble with Vault itself, an outage and
// a refused login are. A caller that gave up says nothing.
func (c *Client) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	usable := err == nil || !errors.Is(err, secrets.ErrUnavailable) && c.session != nil
	if usable != c.usable {
		c.status.Since = time.Now()
	}
	switch {
	case usable && !c.usable:
		c.told = false
		c.log.InfoContext(ctx, "Vault can be used", "address", c.conn.Address)
		c.rouse()
	case !usable && c.usable:
		c.log.WarnContext(ctx, "Vault cannot be used", "error", err)
	}
	c.usable, c.status.Up, c.status.Sealed, c.status.Error = usable, usable, false, ""
	if !usable {
		c.status.Error = err.Error()
		f, ok := errors.AsType[*fault](err)
		c.status.Sealed = ok && f.sealed
	}
}

// rouse makes Run look again now.
func (c *Client) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// news reports, once, that Vault has become usable.
func (c *Client) news() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.usable && !c.told
	c.told = c.told || fresh
	return fresh
}
