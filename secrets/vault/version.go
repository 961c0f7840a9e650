package vault

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// version is the newest version of a key.
type version struct {
	rev     secrets.Revision
	value   string // base64
	ours    bool   // it has the field that we write
	deleted bool   // Vault still counts it
}

// version reads the newest version of a key; secrets.ErrNotFound when there was never one.
func (s *Store) version(ctx context.Context, key string) (version, error) {
	answer, err := s.client.get(ctx, s.mount, s.prefixed(key))
	if err != nil {
		return version{}, err
	}
	metadata, _ := answer.Data["metadata"].(map[string]any)
	if metadata == nil {
		return version{}, notFound("Vault has no value at %s", s.path("data", key))
	}
	data, _ := answer.Data["data"].(map[string]any)
	v := version{rev: revision(metadata), deleted: data == nil}
	v.value, v.ours = data["value"].(string)
	return v, nil
}

// revision is the number of a version and its time, since numbers begin at 1 again after a Delete.
func revision(metadata map[string]any) secrets.Revision {
	look := &api.Secret{Data: metadata}
	return secrets.Revision(text(look, "version") + "@" + text(look, "created_time"))
}

// number is the version's number in a revision.
func number(rev secrets.Revision) string {
	n, _, _ := strings.Cut(string(rev), "@")
	return n
}

// saw remembers the newest revision of a key.
func (s *Store) saw(key string, rev secrets.Revision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[key] = sighting{rev, time.Now()}
}

// path is where the API has the key: kind is "data" or "metadata".
func (s *Store) path(kind, key string) string { return s.mount + "/" + kind + "/" + s.prefixed(key) }

// prefixed is the path of a key below data/ and metadata/; "*" stays, for the text of a policy.
func (s *Store) prefixed(key string) string {
	if key != "*" {
		key = encode(key)
	}
	return strings.TrimPrefix(s.prefix+"/"+key, "/")
}

// folder is where the API lists the keys that start with folder, which is "" or ends with a slash.
func (s *Store) folder(folder string) string {
	if folder == "" {
		return strings.TrimSuffix(s.mount+"/metadata/"+s.prefix, "/")
	}
	return s.path("metadata", strings.TrimSuffix(folder, "/"))
}

// send writes body at path. The answer is not nil where there is no error.
func (s *Store) send(ctx context.Context, path, needs string, body map[string]any) (*api.Secret, error) {
	if err := s.client.verified(ctx, s.mount); err != nil {
		return nil, err
	}
	answer, err := s.client.do(ctx, request{path, needs, func(ctx context.Context, v *api.Logical) (*api.Secret, error) {
		return v.WriteWithContext(ctx, path, body)
	}})
	if answer == nil {
		answer = &api.Secret{}
	}
	return answer, err
}
