package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// DeviceLogin is a device authorization (RFC 8628): what a person is to type, and where.
type DeviceLogin struct {
	UserCode    string
	URL         string
	CompleteURL string // with the code in it; "": none
	Expires     time.Time
}

// BeginDevice begins a device authorization, in the place of any login that is pending.
func (s *Source) BeginDevice(ctx context.Context) (*DeviceLogin, error) {
	if !s.server.Load().OAuth.Delegated() {
		return nil, fmt.Errorf("server %q: %w", s.name, ErrNoLogin)
	}
	ctx, done := s.untilRetired(ctx)
	defer done()
	t, g, err := s.prepare(ctx, "", false)
	if err != nil {
		return nil, s.beforeLogin(err)
	}
	if t.DeviceURL == "" {
		return nil, &Error{Server: s.name, State: NeedsReauth, local: true, Reason: "its authorization server names no endpoint for devices",
			Remedy: "run `bearerd login " + s.name + "` without --device, or write OAUTH_DEVICE_AUTHORIZATION_URL"}
	}
	d, err := oauth.AuthorizeDevice(ctx, s.engine.log.With("server", s.name), t, s.engine.resolve, uuid.NewString())
	if err != nil {
		return nil, s.beforeLogin(err)
	}
	_, rev, err := s.pendingLogin(ctx)
	if err != nil {
		return nil, err
	}
	p := &pending{Fingerprint: s.fingerprint, Device: d.Code.Reveal(), Interval: d.Interval, Scope: t.Scope, Metadata: g.Metadata, Client: g.Client,
		Expires: time.Now().Add(d.ExpiresIn), Generation: g.Generation, Rotation: g.Rotation, Origin: g.Origin}
	if err := s.keepPending(ctx, p, rev); err != nil {
		return nil, err
	}
	s.waitForLogin(p.Expires)
	s.happened(Event{Kind: SignInBegun, Scope: p.Scope})
	return &DeviceLogin{UserCode: d.UserCode, URL: d.URL, CompleteURL: d.CompleteURL, Expires: p.Expires}, nil
}

// FinishDevice waits until the person has approved the device authorization that was begun last, has refused, or it has
// expired.
func (s *Source) FinishDevice(ctx context.Context) (*Token, error) {
	p, _, err := s.pendingLogin(ctx)
	if err != nil {
		return nil, err
	}
	if p == nil || p.Device == "" {
		return nil, ErrOtherFlow
	}
	t, err := s.finishDevice(ctx, p)
	if !errors.Is(err, errReplaced) {
		s.loginEnded("it was given up")
	}
	return t, err
}

// errReplaced says that a person signs in otherwise by now, or not at all.
var errReplaced = errors.New("it was given up, or another sign-in has taken its place")

func (s *Source) finishDevice(ctx context.Context, p *pending) (*Token, error) {
	for wait := p.Interval; ; {
		if !time.Now().Add(wait).Before(p.Expires) {
			s.loginEnded("nobody approved it in time")
			_ = s.EndLogin(ctx, "") // it is over anyway
			return nil, &Error{Server: s.name, State: NeedsReauth, consent: true, Reason: "nobody approved it in time", Remedy: "run `bearerd login " + s.name + " --device` again"}
		}
		if !sleep(ctx, wait) {
			return nil, context.Cause(ctx)
		}
		if now, _, err := s.pendingLogin(ctx); s.isRetired() || err == nil && (now == nil || now.Device != p.Device) {
			e := s.needsPerson(errReplaced.Error())
			e.Err = errReplaced
			return nil, e
		}
		t, err := s.onEngineTime(func(ctx context.Context) (*Token, error) {
			return s.obtain(ctx, p, func(t *oauth.Target) (*oauth.Token, error) { return s.poll(ctx, t, p) })
		})
		var wire *oauth.Error
		switch {
		case err == nil:
			_ = s.engine.local.Store.Delete(ctx, flowKey(s.name)) // its code is spent
			return t, nil
		case !errors.As(err, &wire):
			return nil, err
		case wire.Code == "slow_down":
			wait += 5 * time.Second // RFC 8628 §3.5
		case wire.Code == "authorization_pending":
		case wire.Final || wire.Unsent:
			s.discard(ctx, p, err)
			return nil, s.notApproved(ctx, p, err)
		default: // no answer: it is asked again
			wait = max(wait, firstPause)
		}
	}
}

// poll asks once. It is silent while the person has not approved.
func (s *Source) poll(ctx context.Context, t *oauth.Target, p *pending) (*oauth.Token, error) {
	log, id := s.engine.log.With("server", s.name), uuid.NewString()
	answer, err := oauth.DeviceToken(ctx, log, t, s.engine.resolve, secrets.New(p.Device), id)
	var wire *oauth.Error
	switch {
	case err == nil:
		s.obtained(log, t, answer)
	case errors.As(err, &wire) && (wire.Code == "authorization_pending" || wire.Code == "slow_down" || unapproved(wire) != ""):
	default:
		s.logFailure(ctx, log, id, err)
	}
	return answer, err
}
