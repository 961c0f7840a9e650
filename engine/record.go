package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// schema is the newest record that this version understands. A newer one is read, never written.
const schema = 1

// record is what the store keeps of one grant, under grant/NAME.
type record struct {
	Schema      int       `json:"schema"`
	Server      string    `json:"server"`
	Fingerprint string    `json:"fingerprint"`
	Subject     string    `json:"subject,omitempty"`
	Generation  uint64    `json:"generation"`
	Revoked     bool      `json:"revoked,omitempty"` // a tombstone: no process may use or renew the grant
	AccessToken string    `json:"access_token,omitempty"`
	Refresh     string    `json:"refresh_token,omitempty"` // kept to be revoked: this grant never spends it
	Scope       string    `json:"scope,omitempty"`
	Issued      time.Time `json:"issued_at,omitzero"`
	Expires     time.Time `json:"expires_at,omitzero"`
	Correlation string    `json:"correlation_id,omitempty"`
	Backoff     time.Time `json:"backoff_until,omitzero"` // the last request failed: nobody asks before
}

func recordKey(server string) string { return "grant/" + server }

// fingerprint tells credentials apart: change one of these and no token of the old one may be used.
func fingerprint(s *config.Server) string {
	o := s.OAuth
	params := []string{}
	for _, name := range slices.Sorted(maps.Keys(o.AdditionalParams)) {
		params = append(params, name+"="+o.AdditionalParams[name].Identity())
	}
	b, _ := json.Marshal([]any{
		upstreamOrigin(s), o.GrantType, o.TokenURL, o.ClientID, o.ClientSecret.Identity(), o.Resource, o.Scope, o.Audience,
		o.Organization, params, o.UseMTLS, o.ClientCertPath.Identity(),
	})
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// upstreamOrigin is where the token goes: the origin of the url, or of the URL among the arguments of mcp-remote. A
// plain child has none: new arguments give it no right to another token.
func upstreamOrigin(s *config.Server) string {
	address := s.URL
	if delivery, _ := s.Delivery(); delivery == config.DeliverArguments {
		if at := s.URLArgument(); at >= 0 {
			address = s.Args[at]
		}
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// clockSkew is how far in the future a stored token may have been issued. One from later than that was stored while
// the clock ran ahead, and its expiry means nothing.
const clockSkew = 5 * time.Minute

// token makes the record's token ready for use; nil when it holds none.
func (r *record) token(buffer time.Duration) *Token {
	if r.AccessToken == "" || r.Revoked || r.Issued.After(time.Now().Add(clockSkew)) {
		return nil
	}
	t := newToken(secrets.New(r.AccessToken), r.Scope, r.Issued, r.Expires, r.Generation, buffer)
	t.correlation = r.Correlation
	return t
}

// load reads a record. An absent one, and one of another credential, is an empty record to be written over at rev.
func (e *Engine) load(ctx context.Context, server, fp string) (record, secrets.Revision, error) {
	empty := record{Schema: schema, Server: server, Fingerprint: fp}
	b, rev, err := e.store.Get(ctx, recordKey(server))
	if errors.Is(err, secrets.ErrNotFound) {
		return empty, "", nil
	}
	if err != nil {
		return empty, "", fmt.Errorf("reading the stored token: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return empty, rev, nil // it carries nothing that could be saved: the next token is written over it
	}
	if r.Fingerprint != fp {
		empty.Generation = r.Generation
		return empty, rev, nil
	}
	return r, rev, nil
}

// save writes a record that was read at rev.
func (e *Engine) save(ctx context.Context, r record, rev secrets.Revision) error {
	if r.Schema > schema {
		return fmt.Errorf("the stored record of %q was written by a newer bearerd: upgrade this one", r.Server)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = e.store.Put(ctx, recordKey(r.Server), b, rev)
	return err
}
