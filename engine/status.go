package engine

import "time"

// Status is the documented token info and what a person needs to act on. It holds no part of the token.
type Status struct {
	Server      string     `json:"server"`
	State       State      `json:"state"`
	Status      string     `json:"status"`                 // valid, expiring, expired, none
	Fingerprint string     `json:"fingerprint,omitempty"`  // the first 12 digits of the token's SHA-256
	TokenType   string     `json:"token_type,omitempty"`   // Bearer
	ExpiresIn   *int64     `json:"expires_in,omitempty"`   // seconds of life when it was issued
	Scope       string     `json:"scope,omitempty"`        // as granted
	CreatedAt   *time.Time `json:"created_at,omitempty"`   //
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`   // absent: no expiry was given
	IsExpired   bool       `json:"is_expired"`             //
	Generation  uint64     `json:"generation,omitempty"`   //
	NextRenewal *time.Time `json:"next_renewal,omitempty"` //
	Error       string     `json:"error,omitempty"`        // why the last acquisition failed
	Remedy      string     `json:"remedy,omitempty"`       //
	NextTry     *time.Time `json:"next_try,omitempty"`     //
	Store       string     `json:"store,omitempty"`        // store_unwritable, store_unavailable, store_denied; absent: in order
	StoreError  string     `json:"store_error,omitempty"`  // in the store's words: what it was asked for, and why not
	Renewable   *bool      `json:"renewable,omitempty"`    // of a grant by a person: a refresh token is kept
	SigningIn   bool       `json:"signing_in,omitempty"`   // a person is asked to sign in now
	WantedScope string     `json:"wanted_scope,omitempty"` // that upstream demands and a person must approve
	Uncommitted bool       `json:"uncommitted,omitempty"`  // the newest refresh token is in the journal, not yet in the store
}

// wants fills in what a person is to do while a token is served. mu is held.
func (s *Source) wants(st *Status) {
	if !s.server.Load().OAuth.Delegated() {
		return
	}
	st.SigningIn = s.login != nil || s.asking
	var e *Error
	switch t := s.current.Load(); {
	case st.Error != "":
		if t != nil && t.questioned.Load() && s.trouble.consent { // else it would be served as good for ever
			st.State = NeedsReauth
		}
		return
	case s.state == Revoked:
		st.Remedy = "run `bearerd login " + s.name + "`"
		return
	case s.wanted != "":
		e = s.needsPerson("upstream wants the scope " + s.wanted + ", which nobody has approved")
	case t == nil && s.state == Pending && s.trouble == nil && s.flight == nil && !s.refreshKept:
		e = s.needsPerson("nobody has signed in yet")
	default:
		return
	}
	st.State, st.WantedScope, st.Error, st.Remedy = NeedsReauth, s.wanted, e.Error(), e.Remedy
}

// Status tells how the source is now.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	st := Status{Server: s.name, State: s.state, Status: "none"}
	st.Store, st.StoreError, st.Uncommitted = s.store, s.storeError, s.uncommitted != nil
	if s.trouble != nil {
		st.Error, st.Remedy = s.trouble.Error(), s.trouble.Remedy
		if s.state != Revoked {
			at := s.retryAt
			st.NextTry = &at
		}
	}
	t := s.current.Load()
	s.wants(&st)
	if st.Error == "" && s.disbelief.doubts(t) {
		at := s.disbelief.next()
		st.Error, st.Remedy, st.NextTry = "upstream refuses this token, which was just renewed", checkAudience, &at
	}
	if t == nil {
		return st
	}
	if s.server.Load().OAuth.Delegated() {
		st.Renewable = &t.renewable
	}
	st.Fingerprint, st.TokenType, st.Scope, st.Generation = t.access.Fingerprint(), "Bearer", t.Scope, t.Generation
	st.CreatedAt = &t.Issued
	if !t.Expires.IsZero() {
		seconds := int64(t.Expires.Sub(t.Issued).Seconds())
		due := s.due(t)
		st.ExpiresIn, st.ExpiresAt, st.NextRenewal = &seconds, &t.Expires, &due
	}
	switch {
	case !t.valid(now):
		st.Status, st.IsExpired = "expired", true
		if s.trouble != nil && st.State == Authorized { // it has ended since the last attempt
			st.State = Failed
			if s.trouble.consent {
				st.State = NeedsReauth
			}
		}
	case !t.fresh(now):
		st.Status = "expiring"
	default:
		st.Status = "valid"
	}
	return st
}
