package app

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"bearerd/secrets"
)

// memory is a store that ends with the process: where tokens are another user's, nothing of them is kept.
type memory struct {
	mu     sync.Mutex // guards what follows
	values map[string][]byte
	revs   map[string]secrets.Revision
	writes int
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, revs: map[string]secrets.Revision{}}
}

// Get implements secrets.Store.
func (m *memory) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.values[key]
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case !ok:
		return nil, "", secrets.ErrNotFound
	}
	return bytes.Clone(v), m.revs[key], nil
}

// Put implements secrets.Store.
func (m *memory) Put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case key == "" || !utf8.ValidString(key) || len(value) >= secrets.MaxValue:
		return "", fmt.Errorf("no record of %d bytes can be kept under %q", len(value), key)
	case m.revs[key] != ifRev:
		return "", secrets.ErrConflict
	}
	m.writes++
	rev := secrets.Revision(strconv.Itoa(m.writes))
	m.values[key], m.revs[key] = bytes.Clone(value), rev
	return rev, nil
}

// Delete implements secrets.Store.
func (m *memory) Delete(ctx context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() == nil {
		delete(m.values, key)
		delete(m.revs, key)
	}
	return ctx.Err()
}

// List implements secrets.Store.
func (m *memory) List(ctx context.Context, prefix string) (keys []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.values {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, ctx.Err()
}
