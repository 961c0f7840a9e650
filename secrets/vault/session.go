package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

const (
	checkEvery  = 5 * time.Second // between looks whether the token is still valid
	firstRetry  = time.Second     // after a failed login, doubling
	lastRetry   = 30 * time.Second
	betweenGood = time.Second // between two logins that succeed

	longestLease = 10 * 365 * 24 * time.Hour // a longer one counts as this long, and overflows nothing
)

// session is one token of Vault. expires and renewAt change, under Client.mu.
type session struct {
	vault     *api.Logical
	revocable bool          // bearerd logged in for it, and it is no batch token
	blind     bool          // it may not look itself up, as it lacks the policy "default"
	renewable bool          // it may be renewed
	lease     time.Duration // when it was new; 0: it does not expire
	expires   time.Time     // zero: never
	renewAt   time.Time     // zero: never
}

// lifetime is a lease that Vault gives in seconds.
func lifetime(seconds int64) time.Duration {
	return time.Duration(max(0, min(seconds, int64(longestLease/time.Second)))) * time.Second
}

// extend says that the token now lives for lease.
func (s *session) extend(lease time.Duration) {
	if lease <= 0 {
		s.expires, s.renewAt = time.Time{}, time.Time{}
		return
	}
	s.expires = time.Now().Add(lease)
	s.renewAt = time.Now().Add(max(betweenGood, jitter(lease*2/3)))
}

// jitter is d, give or take a tenth, so that many processes do not come at once.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// Run keeps the connection logged in until ctx ends: it logs in, renews the token, and looks every few seconds whether
// the token is still valid. Each time Vault becomes usable after it was not, it calls up, which must return soon. Run is
// called once.
func (c *Client) Run(ctx context.Context, up func()) {
	for ctx.Err() == nil {
		c.tend(ctx)
		if c.news() {
			up()
		}
		timer := time.NewTimer(c.pause())
		select {
		case <-timer.C:
		case <-c.wake:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// tend does what is due: a login, a renewal, or a look at the token.
func (c *Client) tend(ctx context.Context) {
	c.mu.Lock()
	s := c.session
	due := s != nil && !s.renewAt.IsZero() && !time.Now().Before(s.renewAt)
	c.mu.Unlock()
	switch {
	case s == nil:
		_, _ = c.loginInsteadOf(ctx, nil) // note has the error
	case due:
		c.renew(ctx, s)
	default:
		c.alive(ctx, s)
	}
}

// pause is how long Run may wait.
func (c *Client) pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.session == nil:
		return time.Until(c.retryAt)
	case c.session.renewAt.IsZero():
		return jitter(checkEvery)
	}
	return min(jitter(checkEvery), time.Until(c.session.renewAt))
}

// alive asks Vault whether the token is valid. If it is not, the session ends, and the next use logs in again.
func (c *Client) alive(ctx context.Context, s *session) (bool, error) {
	_, err := s.vault.ReadWithContext(ctx, "auth/token/lookup-self")
	dead := status(err) == http.StatusForbidden && (!s.blind || says(err, http.StatusForbidden, saysInvalid))
	if dead {
		c.mu.Lock()
		if c.session == s {
			c.session = nil
			c.log.WarnContext(ctx, "Vault does not accept the token any more", "auth", c.conn.Auth.Method)
			c.rouse()
		}
		c.mu.Unlock()
		return false, nil
	}
	if status(err) == http.StatusForbidden {
		err = nil // a blind token; Vault has answered
	}
	err = c.explain(ctx, err)
	c.note(ctx, err)
	return true, err
}

// renew makes the token live longer, or logs in again where it cannot: it is not renewable, or near its longest life.
func (c *Client) renew(ctx context.Context, s *session) {
	if !s.renewable {
		c.replace(ctx, s)
		return
	}
	answer, err := s.vault.WriteWithContext(ctx, "auth/token/renew-self", nil)
	if err == nil && answer != nil && answer.Auth != nil {
		lease := lifetime(int64(answer.Auth.LeaseDuration))
		c.mu.Lock()
		c.status.Renewals++
		s.extend(lease)
		c.mu.Unlock()
		c.note(ctx, nil)
		if lease < s.lease/2 {
			c.replace(ctx, s)
		}
		return
	}
	if err = c.explain(ctx, err); errors.Is(err, secrets.ErrUnavailable) {
		c.note(ctx, err)
		c.postpone(s)
		return
	}
	if valid, _ := c.alive(ctx, s); valid && ctx.Err() == nil {
		c.log.WarnContext(ctx, "The Vault token cannot be renewed", "error", err,
			"remedy", "let the login have the policy \"default\"")
		c.replace(ctx, s)
	}
}

// replace logs in while the token is still valid. If that fails the token serves on, until it expires.
func (c *Client) replace(ctx context.Context, s *session) {
	if _, err := c.loginInsteadOf(ctx, s); err != nil {
		c.postpone(s)
	}
}

// postpone lets some of what is left of the lease pass before the next try.
func (c *Client) postpone(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.renewAt = time.Now().Add(max(betweenGood, jitter(time.Until(s.expires)/4)))
}

// loginInsteadOf returns a session that is not old, and logs in if there is none. Many callers share one login, and one
// that failed a moment ago is not tried again: they get its error.
func (c *Client) loginInsteadOf(ctx context.Context, old *session) (*session, error) {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil && s != old {
		return s, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, c.explain(ctx, ctx.Err())
	}
	c.mu.Lock()
	s = c.session
	failed, retryAt := c.failed, c.retryAt
	c.mu.Unlock()
	if s != nil && s != old {
		return s, nil
	}
	if wait := time.Until(retryAt); wait > 0 && failed != nil {
		return nil, failed
	} else if err := sleep(ctx, wait); err != nil {
		return nil, c.explain(ctx, err)
	}
	s, err := c.login(ctx)
	if ctx.Err() != nil && err != nil {
		return nil, c.explain(ctx, err)
	}
	c.loggedIn(ctx, s, err)
	return s, err
}

// loggedIn keeps what came of a login.
func (c *Client) loggedIn(ctx context.Context, s *session, err error) {
	c.mu.Lock()
	c.failed = err
	if err == nil {
		c.session, c.failures, c.retryAt = s, 0, time.Now().Add(betweenGood)
		c.status.Logins++
		c.log.InfoContext(ctx, "Logged in to Vault", "address", c.conn.Address, "auth", c.conn.Auth.Method, "lease", s.lease)
	} else {
		c.retryAt = time.Now().Add(jitter(min(lastRetry, firstRetry<<min(c.failures, 10))))
		c.failures++
		c.status.LoginFailures++
		c.log.WarnContext(ctx, "The login to Vault failed", "error", err, "again_in", time.Until(c.retryAt).Round(time.Second))
	}
	c.mu.Unlock()
	c.rouse()
	c.note(ctx, err)
}

// revoke ends a token that bearerd logged in for. It takes at most 3 s.
func (c *Client) revoke(ctx context.Context, s *session) {
	if !s.revocable {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err := s.vault.WriteWithContext(ctx, "auth/token/revoke-self", nil); err != nil {
		c.log.WarnContext(ctx, "The Vault token could not be revoked, it stays valid until it expires",
			"error", c.explain(ctx, err), "expires", s.expires)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
