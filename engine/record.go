package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// schema is the newest record that this version understands. A newer one is read, never written.
const schema = 3

// record is what the store keeps of one grant, under grant/NAME.
type record struct {
	Schema      int       `json:"schema"`
	Server      string    `json:"server"`
	Fingerprint string    `json:"fingerprint"`
	Subject     string    `json:"subject,omitempty"`
	Generation  uint64    `json:"generation"`
	Revoked     bool      `json:"revoked,omitempty"` // a tombstone: no process may use or renew the grant
	AccessToken string    `json:"access_token,omitempty"`
	Refresh     string    `json:"refresh_token,omitempty"` // of client credentials: kept to be revoked, never spent
	Scope       string    `json:"scope,omitempty"`
	Issued      time.Time `json:"issued_at,omitzero"`
	Expires     time.Time `json:"expires_at,omitzero"`
	Correlation string    `json:"correlation_id,omitempty"`
	Backoff     time.Time `json:"backoff_until,omitzero"` // the last request failed: nobody asks before
	Nonce       string    `json:"nonce,omitempty"`        // fresh for each write
	Certificate string    `json:"certificate,omitempty"`  // the thumbprint of the one that the token may be bound to

	// Of a chain of refresh tokens.
	Chain    string `json:"chain,omitempty"`    // the fingerprint of what a refresh token belongs to
	Rotation uint64 `json:"rotation,omitempty"` // counts the refresh tokens
	Origin   string `json:"origin,omitempty"`   // the fingerprint of the supplied refresh token that it began with
	Dead     string `json:"dead,omitempty"`     // the fingerprint of the refresh token that was refused
	Moved    string `json:"moved_to,omitempty"` // the server that has taken all this over: a stub
	Place    string `json:"place,omitempty"`    // the state folder that it lives in; "": a shared store
	Replaces string `json:"replaces,omitempty"` // the origin of the chain that a login has put this one in the place of
	Lease    *lease `json:"lease,omitempty"`    // who may spend the refresh token now; nil: whoever takes it
	Pending  bool   `json:"pending,omitempty"`  // in a local copy: not yet committed

	// Of what was discovered, registered and approved.
	Metadata     *oauth.Metadata `json:"metadata,omitempty"`
	Found        time.Time       `json:"metadata_at,omitzero"`
	Issuer       string          `json:"issuer,omitempty"`        // whose the tokens and the registration are; "": nothing was discovered
	Pinned       string          `json:"pinned_issuer,omitempty"` // the only one that what is configured goes to
	PinnedClient string          `json:"pinned_client,omitempty"` // OAUTH_CLIENT_ID then
	Client       *client         `json:"client,omitempty"`        // that was registered
	As           string          `json:"as_client,omitempty"`     // the client that the grant was given to
	Asked        string          `json:"asked_scope,omitempty"`   // the scope of the request that the grant came from
	Wanted       string          `json:"wanted_scope,omitempty"`  // what upstream demands beyond it, and nobody has approved
}

func recordKey(server string) string { return "grant/" + server }

// fingerprint tells credentials apart: change one of these and no token of the old one may be used.
func fingerprint(s *config.Server) string {
	o := s.OAuth
	params := []string{}
	for _, name := range slices.Sorted(maps.Keys(o.AdditionalParams)) {
		params = append(params, name+"="+o.AdditionalParams[name].Identity())
	}
	parts := []any{
		s.Origin(), o.GrantType, o.TokenURL, o.ClientID, o.Resource, o.Scope, o.Audience,
		o.Organization, params, o.UseMTLS, o.ClientCertPath.Identity(),
	}
	if o.Discovers() || o.Delegated() { // others have the fingerprints of before there were these
		parts = append(parts, o.AuthorizationURL, s.Resource(), o.ClientMetadataURL)
	}
	b, _ := json.Marshal(parts)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// chain tells chains of refresh tokens apart. A refresh token outlives an edit of the scope, say, but goes to nobody else
// than who gave it.
func chain(s *config.Server) string {
	if !s.OAuth.Rotating() {
		return ""
	}
	parts := []any{s.OAuth.TokenURL, s.OAuth.ClientID}
	if s.OAuth.Delegated() {
		parts = append(parts, s.OAuth.GrantType, s.OAuth.ClientMetadataURL, s.Resource())
	}
	b, _ := json.Marshal(parts)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// clockSkew is how far in the future a stored token may have been issued. One from later than that was stored while
// the clock ran ahead, and its expiry means nothing.
const clockSkew = 5 * time.Minute

// token makes the record's token ready for use; nil when it holds none that can be delivered: others may write the store.
func (r *record) token(buffer time.Duration) *Token {
	if r.AccessToken == "" || r.Revoked || r.Issued.After(time.Now().Add(clockSkew)) || !oauth.Deliverable(r.AccessToken) {
		return nil
	}
	return r.given(buffer)
}

// given is the token of a record that an answer has just been put into.
func (r *record) given(buffer time.Duration) *Token {
	t := newToken(secrets.New(r.AccessToken), r.Scope, r.Issued, r.Expires, r.Generation, buffer)
	t.correlation, t.renewable = r.Correlation, r.Refresh != ""
	return t
}

// reading is a record as it was read, and what was known at that moment.
type reading struct {
	record
	rev     secrets.Revision
	locked  bool // the lock of this host is held
	foreign bool // it was of another credential: what it said of its token is not in here
}

// mostCounted is beyond any count that is real: a larger one was not written by bearerd, and adding to it could overflow.
const mostCounted = 1 << 53

// decode reads a record; of one that cannot be read the schema alone, as far as that can be.
func decode(b []byte) (r record, ok bool) {
	if err := json.Unmarshal(b, &r); err == nil && r.Generation < mostCounted && r.Rotation < mostCounted {
		return r, true
	}
	var head struct {
		Schema int `json:"schema"`
	}
	_ = json.Unmarshal(b, &head) // zero will do
	return record{Schema: head.Schema}, false
}

// load reads the record of s. An absent one, and one of another credential, is an empty record to be written over; a chain
// of refresh tokens goes on in it.
func (s *Source) load(ctx context.Context) (*reading, error) {
	empty := record{Schema: schema, Server: s.name, Fingerprint: s.fingerprint, Chain: s.chain}
	b, rev, err := s.engine.store.Get(ctx, recordKey(s.name))
	if errors.Is(err, secrets.ErrNotFound) {
		return &reading{record: empty}, nil
	}
	if err != nil {
		return &reading{record: empty}, fmt.Errorf("reading the stored token: %w", err)
	}
	r, ok := decode(b)
	if !ok { // it carries nothing that could be saved: the next token is written over it
		empty.Schema = max(empty.Schema, r.Schema)
		if s.chain != "" {
			mend := "remove it and put a new refresh token where OAUTH_REFRESH_TOKEN refers to"
			if s.server.Load().OAuth.Delegated() {
				mend = "run `bearerd logout " + s.name + "` and sign in again"
			}
			return &reading{record: empty, rev: rev}, fmt.Errorf("the stored record %s cannot be read, and may hold the only refresh token: "+
				"restore it, or %s", recordKey(s.name), mend)
		}
		return &reading{record: empty, rev: rev}, nil
	}
	foreign := r.Fingerprint != s.fingerprint
	if foreign {
		empty.Schema, empty.Moved = max(empty.Schema, r.Schema), r.Moved
		empty.Pinned, empty.PinnedClient = r.Pinned, r.PinnedClient
		empty.Generation, empty.Origin, empty.Dead, empty.Place, empty.Rotation = r.Generation, r.Origin, r.Dead, r.Place, r.Rotation
		if r.Chain == s.chain && s.chain != "" {
			empty.Refresh, empty.Lease, empty.Asked, empty.Wanted = r.Refresh, r.Lease, r.Asked, r.Wanted
			empty.Metadata, empty.Found, empty.Issuer, empty.Client, empty.As = r.Metadata, r.Found, r.Issuer, r.Client, r.As
		}
		r = empty
	}
	return &reading{record: r, rev: rev, foreign: foreign}, nil
}

// save writes a record that was read at rev. Whether a write was applied whose answer got lost is told by its nonce.
func (e *Engine) save(ctx context.Context, r *record, rev secrets.Revision) (secrets.Revision, error) {
	if r.Schema > schema {
		return "", fmt.Errorf("the stored record of %q was written by a newer bearerd: upgrade this one", r.Server)
	}
	r.Schema, r.Nonce = schema, rand.Text()
	b, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	key := recordKey(r.Server)
	next, err := e.store.Put(ctx, key, b, rev)
	if err == nil || errors.Is(err, secrets.ErrDenied) {
		return next, err
	}
	var there record
	b, next, readErr := e.store.Get(ctx, key)
	if readErr == nil && json.Unmarshal(b, &there) == nil && there.Nonce == r.Nonce {
		return next, nil
	}
	return "", err
}
