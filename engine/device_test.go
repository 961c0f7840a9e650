package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// polled finishes the device login while the person acts after a while. It gives how long that took.
func polled(t *testing.T, s *Source, act func()) (d time.Duration, err error) {
	t.Helper()
	if act != nil {
		time.AfterFunc(10*time.Second, act)
	}
	d = took(func() { _, err = s.FinishDevice(t.Context()) })
	return d, err
}

func beginDevice(t *testing.T, s *Source) *DeviceLogin {
	t.Helper()
	d, err := s.BeginDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADeviceIsApproved(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		d := beginDevice(t, s)
		if d.UserCode == "" || d.URL == "" || !strings.Contains(d.CompleteURL, d.UserCode) ||
			time.Until(d.Expires) != 10*time.Minute {
			t.Errorf("it is %+v", d)
		}
		took, err := polled(t, s, func() { as.ApproveDevice(d.UserCode) })
		if err != nil || took < 10*time.Second || took > 12*time.Second {
			t.Fatal(err, took)
		}
		if n := len(forms(as, deviceGrant)); n < 9 || n > 12 {
			t.Errorf("it asked %d times", n)
		}
		r := stored(t, b.store, "grant/a")
		if r.Refresh == "" || r.Asked != "read" || r.Issuer != as.URL() || r.Client == nil {
			t.Errorf("the record is of %q with scope %q", r.Issuer, r.Asked)
		}
		wantState(t, s, Authorized)
		b.renew(t, "a")
		if _, err := s.FinishDevice(t.Context()); !errors.Is(err, ErrOtherFlow) {
			t.Error("the code can be used again:", err)
		}
		b.Close()
	})
}

func TestADeviceThatIsToSlowDown(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		d := beginDevice(t, s)
		as.SlowDown(2)
		as.ApproveDevice(d.UserCode)
		took, err := polled(t, s, nil)
		if want := (1 + 6 + 11) * time.Second; err != nil || took != want { // 5 s more after each, RFC 8628 §3.5
			t.Errorf("it took %v, want %v: %v", took, want, err)
		}
		b.Close()
	})
}

func TestADeviceThatIsRefusedOrExpires(t *testing.T) {
	for words, act := range map[string]func(*oauthtest.Server, string) bool{
		"the sign-in was refused":             (*oauthtest.Server).DenyDevice,
		"nobody approved the sign-in in time": (*oauthtest.Server).ExpireDevice,
	} {
		t.Run(words, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				d := beginDevice(t, s)
				took, err := polled(t, s, func() { act(as, d.UserCode) })
				wantNeedsPerson(t, err, words)
				if took > 12*time.Second {
					t.Errorf("it took %v", took)
				}
				wantState(t, s, NeedsReauth)
				if _, err := s.FinishDevice(t.Context()); !errors.Is(err, ErrOtherFlow) {
					t.Error("it goes on:", err)
				}
				signIn(t, as, s)
				b.Close()
			})
		})
	}
}

func TestADeviceThatNobodyApproves(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		as.FailAt("/device_authorization", 1, oauthtest.Edit(func(answer map[string]any) {
			answer["expires_in"], answer["interval"] = 30, 5
		}))
		beginDevice(t, s)
		took, err := polled(t, s, nil)
		wantNeedsPerson(t, err, "nobody approved it in time")
		if took > 30*time.Second || len(forms(as, deviceGrant)) != 5 {
			t.Errorf("it took %v and %d requests", took, len(forms(as, deviceGrant)))
		}
		b.Close()
	})
}

func TestADeviceOutlivesAnOutageAndTheCommand(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		a := start(t, delegated(rs))
		d := beginDevice(t, a.source(t, "a"))
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		if _, err := a.source(t, "a").FinishDevice(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		a.Close()
		b := startWith(t, a.store, a.lock, delegated(rs))
		as.ApproveDevice(d.UserCode)
		as.FailAt("/token", 2, oauthtest.Answer(503, "text/plain", ""))
		if _, err := b.source(t, "a").FinishDevice(t.Context()); err != nil {
			t.Error(err)
		}
		b.token(t, "a")
		b.Close()
	})
}

func TestADeviceLoginEndsABrowsersAndTheOtherWayRound(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		query := visit(t, as, beginLogin(t, s).URL)
		beginDevice(t, s)
		wantOtherFlow(t, s, query)
		beginLogin(t, s)
		if _, err := s.FinishDevice(t.Context()); !errors.Is(err, ErrOtherFlow) {
			t.Error(err)
		}
		b.Close()
	})
}

func TestWithoutADeviceEndpointTheErrorSaysSo(t *testing.T) {
	as, rs := protected(t)
	as.EditMetadata(func(d map[string]any) { delete(d, "device_authorization_endpoint") })
	b := start(t, delegated(rs))
	_, err := b.source(t, "a").BeginDevice(t.Context())
	if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Remedy, "OAUTH_DEVICE_AUTHORIZATION_URL") {
		t.Error(err)
	}
}

// An answer that cannot be used leaves no refresh token behind that works.
func TestADeviceAnswerThatIsRefusedIsRevoked(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, scoped(rs, "read write"))
		s := b.source(t, "a")
		as.ApproveDevice(beginDevice(t, s).UserCode)
		as.FailAt("/token", 1, oauthtest.Edit(func(answer map[string]any) { answer["scope"] = "read" }))
		_, err := s.FinishDevice(t.Context())
		wantNeedsPerson(t, err, "")
		chains := as.Chains(as.Registrations()[0].ClientID)
		if len(chains) != 1 || !chains[0].Revoked {
			t.Errorf("the chains are %+v", chains)
		}
		b.Close()
	})
}
