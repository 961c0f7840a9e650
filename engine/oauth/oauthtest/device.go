package oauthtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	deviceGrant    = "urn:ietf:params:oauth:grant-type:device_code"
	deviceLifetime = 10 * time.Minute
)

// device is a device authorization; state is the error code of RFC 8628 §3.5 that it is at, "" once approved.
type device struct {
	clientID, userCode, scope, state string
	resource                         []string
	expiry                           time.Time
}

// DeviceAuthorizationURL is the device authorization endpoint (RFC 8628), there after Delegate.
func (s *Server) DeviceAuthorizationURL() string { return s.base + "/device_authorization" }

// ApproveDevice is the person who typed the code and agreed. It reports whether such a code waits, as do the next two.
// Opening the verification_uri_complete approves as well.
func (s *Server) ApproveDevice(userCode string) bool { return s.decideDevice(userCode, "") }

// DenyDevice is the person who refused.
func (s *Server) DenyDevice(userCode string) bool { return s.decideDevice(userCode, "access_denied") }

// ExpireDevice lets the ten minutes of a code be over.
func (s *Server) ExpireDevice(userCode string) bool { return s.decideDevice(userCode, "expired_token") }

// SlowDown answers the next n token requests for a device code with slow_down (RFC 8628 §3.5), an approved one's too.
func (s *Server) SlowDown(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = n
}

func (s *Server) decideDevice(userCode, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode && d.state == "authorization_pending" {
			d.state = state
			return true
		}
	}
	return false
}

func (s *Server) authorizeDevice(w http.ResponseWriter, r Request) {
	c, err := s.client(r)
	if err != nil {
		fail(w, http.StatusUnauthorized, "invalid_client", err.Error())
		return
	}
	letters := rand.Text()
	deviceCode, userCode := rand.Text()+rand.Text(), letters[:4]+"-"+letters[4:8]
	s.mu.Lock()
	s.devices[deviceCode] = &device{
		clientID: c.ID, userCode: userCode, scope: c.allowed(r.Form.Get("scope")), state: "authorization_pending",
		resource: r.Form["resource"], expiry: time.Now().Add(deviceLifetime),
	}
	s.mu.Unlock()
	reply(w, http.StatusOK, map[string]any{
		"device_code": deviceCode, "user_code": userCode, "verification_uri": s.base + "/device",
		"verification_uri_complete": s.base + "/device?user_code=" + userCode,
		"expires_in":                int(deviceLifetime / time.Second), "interval": 1,
	})
}

// visitDevice is the page at verification_uri_complete, where the person approves at once.
func (s *Server) visitDevice(w http.ResponseWriter, r *http.Request, _ Request) {
	if !s.ApproveDevice(r.URL.Query().Get("user_code")) {
		fail(w, http.StatusBadRequest, "invalid_request", "no such code waits")
		return
	}
	reply(w, http.StatusOK, map[string]any{"approved": true})
}

// deviceToken answers a token request for a device code (RFC 8628 §3.5). An approved one is spent by it.
func (s *Server) deviceToken(client Client, form url.Values) (refresh string, granted *chain, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[form.Get("device_code")]
	switch {
	case !ok || d.clientID != client.ID:
		return "", nil, refusal{"invalid_grant", "the device code is not known"}
	case s.slow > 0:
		s.slow--
		return "", nil, refusal{"slow_down", "the requests come too fast"}
	case !time.Now().Before(d.expiry):
		return "", nil, refusal{"expired_token", "the device code has expired"}
	case d.state != "":
		return "", nil, refusal{d.state, "the person has not approved"}
	}
	granted = &chain{clientID: client.ID, delegated: true, scope: d.scope, resource: slices.Clone(d.resource)}
	if err := granted.beyond(form); err != nil {
		return "", nil, err
	}
	delete(s.devices, form.Get("device_code"))
	s.begin(granted)
	return granted.current, granted, nil
}
