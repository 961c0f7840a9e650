package vault

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// trusted is how long a revision that this process has seen is taken for one of the value that is there now. See current.
const trusted = 30 * time.Second

// Store is a folder of a KV v2 engine as secrets.Store. Use Client.Store to make one.
type Store struct {
	client        *Client
	mount, prefix string
	warned        atomic.Bool // about metadata that may not be written

	mu   sync.Mutex
	seen map[string]sighting
}

// sighting is the newest revision of a key that this process has seen.
type sighting struct {
	rev secrets.Revision
	at  time.Time
}

var _ secrets.Store = (*Store)(nil)

// Store returns the store below prefix in the KV v2 engine at mount. Nothing is sent before it is used.
func (c *Client) Store(mount, prefix string) *Store {
	return &Store{client: c, mount: strings.Trim(mount, "/"), prefix: strings.Trim(prefix, "/"), seen: map[string]sighting{}}
}

// Get returns the value and its revision; secrets.ErrNotFound when there is none, or when its newest version was deleted.
func (s *Store) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	v, err := s.version(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if v.deleted {
		return nil, "", notFound("Vault has no value at %s", s.path("data", key))
	}
	value, err := base64.StdEncoding.DecodeString(v.value)
	if err != nil || v.value == "" && !v.ours {
		return nil, "", fmt.Errorf("the value at %s in Vault was not written by bearerd: move it elsewhere", s.path("data", key))
	}
	s.saw(key, v.rev)
	return value, v.rev, nil
}

// Put writes the value with check-and-set. When it returns secrets.ErrUnavailable, Vault may have written it nevertheless.
// A revision of before a Delete is refused; only when this process itself has seen it less than half a minute ago, and
// another one has deleted and written the same number of versions since, it is taken for the new one.
func (s *Store) Put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	if key == "" {
		return "", errors.New("a key must not be empty")
	}
	if len(value) >= secrets.MaxValue {
		return "", fmt.Errorf("the value of %q has %d bytes, it must have fewer than %d", key, len(value), secrets.MaxValue)
	}
	if ifRev == "" {
		return s.create(ctx, key, value)
	}
	if err := s.current(ctx, key, ifRev); err != nil {
		return "", err
	}
	return s.write(ctx, key, value, number(ifRev))
}

// create writes the first version, or the first after a deleted one.
func (s *Store) create(ctx context.Context, key string, value []byte) (secrets.Revision, error) {
	if err := s.limit(ctx, key); err != nil {
		return "", err
	}
	rev, err := s.write(ctx, key, value, "0")
	if !errors.Is(err, secrets.ErrConflict) {
		return rev, err
	}
	v, missing := s.version(ctx, key)
	if missing != nil || !v.deleted {
		return "", err
	}
	return s.write(ctx, key, value, number(v.rev))
}

// limit makes Vault keep two versions of the key, and refuse writes without check-and-set.
func (s *Store) limit(ctx context.Context, key string) error {
	path := s.path("metadata", key)
	_, err := s.send(ctx, path, "create, update", map[string]any{"max_versions": 2, "cas_required": true})
	if f, ok := errors.AsType[*fault](err); !ok || !f.policy {
		return err
	}
	if s.warned.CompareAndSwap(false, true) {
		s.client.log.WarnContext(ctx, "Vault keeps old versions of tokens: bearerd may not set max_versions",
			"error", err, "remedy", fmt.Sprintf("path %q { capabilities = [\"create\", \"update\"] }", s.path("metadata", "*")))
	}
	return nil
}

// write writes one version if the newest one has the number cas; "0": if there is none at all.
func (s *Store) write(ctx context.Context, key string, value []byte, cas string) (secrets.Revision, error) {
	body := map[string]any{
		"options": map[string]any{"cas": json.Number(cas)},
		"data":    map[string]any{"value": base64.StdEncoding.EncodeToString(value)},
	}
	answer, err := s.send(ctx, s.path("data", key), "create, update", body)
	if says(err, http.StatusBadRequest, saysConflict) {
		return "", fmt.Errorf("%s in Vault: %w", s.path("data", key), secrets.ErrConflict)
	}
	if err != nil {
		return "", err
	}
	if _, err := strconv.Atoi(text(answer, "version")); err != nil || text(answer, "created_time") == "" {
		return "", &fault{kind: secrets.ErrUnavailable, text: fmt.Sprintf("Vault at %s does not say whether it has written %s: "+
			"check that the address is Vault's own", s.client.conn.Address, s.path("data", key))}
	}
	rev := revision(answer.Data)
	s.saw(key, rev)
	return rev, nil
}

// current refuses a revision whose number fits but that is of before a Delete, as numbers begin at 1 again. Looking costs a
// request, so it is left out when this process has seen the revision just now: check-and-set does the rest.
func (s *Store) current(ctx context.Context, key string, rev secrets.Revision) error {
	s.mu.Lock()
	last := s.seen[key]
	s.mu.Unlock()
	if last.rev == rev && time.Since(last.at) < trusted {
		return nil
	}
	v, err := s.version(ctx, key)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		return err
	}
	if v.rev != rev || v.deleted {
		return fmt.Errorf("%s in Vault: %w", s.path("data", key), secrets.ErrConflict)
	}
	return nil
}

// Delete removes every version and the metadata.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.client.verified(ctx, s.mount); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.seen, key)
	s.mu.Unlock()
	path := s.path("metadata", key)
	_, err := s.client.do(ctx, request{path, "delete", func(ctx context.Context, v *api.Logical) (*api.Secret, error) {
		return v.DeleteWithContext(ctx, path)
	}})
	return err
}

// List returns the keys that start with prefix. It reads each of them, as Vault also lists those whose value is gone.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := s.client.verified(ctx, s.mount); err != nil {
		return nil, err
	}
	keys, err := s.walk(ctx, prefix[:strings.LastIndex(prefix, "/")+1], prefix)
	slices.Sort(keys)
	return keys, err
}

// walk lists the folder, which is "" or ends with a slash, and those in it.
func (s *Store) walk(ctx context.Context, folder, prefix string) (keys []string, err error) {
	path := s.folder(folder)
	answer, err := s.client.do(ctx, request{path + "/", "list", func(ctx context.Context, v *api.Logical) (*api.Secret, error) {
		return v.ListWithContext(ctx, path)
	}})
	if err != nil || answer == nil {
		return nil, err
	}
	names, _ := answer.Data["keys"].([]any)
	for _, n := range names {
		name, _ := n.(string)
		part, err := decodePart(strings.TrimSuffix(name, "/"))
		if err != nil {
			continue
		}
		below, err := s.present(ctx, folder+part, strings.HasSuffix(name, "/"), prefix)
		if err != nil {
			return nil, err
		}
		keys = append(keys, below...)
	}
	return keys, nil
}

// present returns the keys that start with prefix below a folder, or the key itself if it has a value.
func (s *Store) present(ctx context.Context, key string, folder bool, prefix string) ([]string, error) {
	switch {
	case folder && (strings.HasPrefix(key+"/", prefix) || strings.HasPrefix(prefix, key+"/")):
		return s.walk(ctx, key+"/", prefix)
	case folder || !strings.HasPrefix(key, prefix):
		return nil, nil
	}
	v, err := s.version(ctx, key)
	if errors.Is(err, secrets.ErrNotFound) || err == nil && v.deleted {
		return nil, nil
	}
	return []string{key}, err
}
