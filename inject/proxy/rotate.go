package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bearerd/secrets"
)

// Where the roots of the local keys are kept: in the local store, which never leaves the host.
const (
	rootKey   = "local/proxy-root"        // 32 bytes
	beforeKey = "local/proxy-root-before" // a former
)

// grace is how long the keys before a rotation are taken.
const grace = 24 * time.Hour

// former is the root before the present one, as it is kept.
type former struct {
	Root  []byte    `json:"root"`
	Until time.Time `json:"until"`
}

// LoadKeys reads the roots from the local store and makes one at first use.
func LoadKeys(ctx context.Context, local secrets.Store) (Keys, error) {
	for {
		root, _, err := local.Get(ctx, rootKey)
		if err == nil {
			r := &roots{present: secrets.New(string(root))}
			before, _, err := readFormer(ctx, local)
			if err != nil {
				return Keys{}, err
			}
			r.before, r.until = secrets.New(string(before.Root)), before.Until
			return newKeys(r), nil
		}
		if !errors.Is(err, secrets.ErrNotFound) {
			return Keys{}, fmt.Errorf("reading the root of the local keys: %w", err)
		}
		if _, err := local.Put(ctx, rootKey, []byte(newRoot().Reveal()), ""); err != nil && !errors.Is(err, secrets.ErrConflict) {
			return Keys{}, fmt.Errorf("keeping the root of the local keys: %w", err)
		}
	}
}

// readFormer gives the zero former where there is none that can be read.
func readFormer(ctx context.Context, local secrets.Store) (f former, rev secrets.Revision, err error) {
	text, rev, err := local.Get(ctx, beforeKey)
	if errors.Is(err, secrets.ErrNotFound) {
		return former{}, "", nil
	}
	if err != nil {
		return former{}, "", fmt.Errorf("reading the root of the local keys before: %w", err)
	}
	if json.Unmarshal(text, &f) != nil {
		f = former{} // the keys before are refused, as after their day
	}
	return f, rev, nil
}

// Rotation is what came of Rotate.
type Rotation struct {
	Until   time.Time // the keys before are taken until then; zero: they are refused at once
	Dropped bool      // keys that were made before those were still taken, and are not any more
}

// Rotate makes a new root, here and in the local store that k was loaded from. The keys before are taken for 24 hours more, or,
// with atOnce, no longer. On an error the keys here are as they were.
func (k Keys) Rotate(ctx context.Context, local secrets.Store, atOnce bool) (Rotation, error) {
	k.ring.mu.Lock()
	defer k.ring.mu.Unlock()
	for {
		next, done, err := rotate(ctx, local, atOnce)
		if errors.Is(err, secrets.ErrConflict) {
			continue // another process rotates too
		}
		if err != nil {
			return Rotation{}, fmt.Errorf("keeping the new root of the local keys: %w", err)
		}
		k.ring.roots.Store(next)
		return done, nil
	}
}

// rotate writes the root before first: a crash between the two leaves the present keys as they are; those of a day before may be gone.
func rotate(ctx context.Context, local secrets.Store, atOnce bool) (*roots, Rotation, error) {
	present, rev, err := local.Get(ctx, rootKey)
	if err != nil {
		return nil, Rotation{}, err
	}
	last, beforeRev, err := readFormer(ctx, local)
	if err != nil {
		return nil, Rotation{}, err
	}
	now := time.Now().Round(0) // by the wall clock: a laptop may sleep in between
	next := &roots{present: newRoot(), since: time.Now()}
	done := Rotation{Dropped: now.Before(last.Until) && !bytes.Equal(last.Root, present)}
	if atOnce {
		err = local.Delete(ctx, beforeKey)
	} else {
		next.before, next.until = secrets.New(string(present)), now.Add(grace)
		done.Until = next.until
		text, _ := json.Marshal(former{present, next.until}) // bytes and a time
		_, err = local.Put(ctx, beforeKey, text, beforeRev)
	}
	if err == nil {
		_, err = local.Put(ctx, rootKey, []byte(next.present.Reveal()), rev)
	}
	return next, done, err
}
