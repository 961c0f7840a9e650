package secrets

import (
	"context"
	"errors"
)

// Store keeps small values (under 64 KiB) under slash-separated keys such as "grant/search". Every method is safe for
// many goroutines and for many processes that share the store.
type Store interface {
	// Get returns the value and its revision; ErrNotFound when there is none.
	Get(ctx context.Context, key string) (value []byte, rev Revision, err error)
	// Put writes the value if the stored revision still is ifRev, else it returns ErrConflict. "" means: must be absent.
	Put(ctx context.Context, key string, value []byte, ifRev Revision) (Revision, error)
	// Delete removes every version of the value; an absent key is no error.
	Delete(ctx context.Context, key string) error
	// List returns the keys that start with prefix, recursively, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// Revision is opaque and compared for equality only; "" means absent.
type Revision string

// MaxValue is the size in bytes that a value must stay under.
const MaxValue = 64 << 10

// Errors that a Store returns, to be matched with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by another writer")
	// ErrUnavailable is an outage: the store cannot be reached, or is sealed. Trying again later may help, and whether a
	// write was applied is not known.
	ErrUnavailable = errors.New("the store cannot be reached")
	// ErrDenied is no outage: the store answers, and does not let this process have the value.
	ErrDenied = errors.New("the store denies access")
)
