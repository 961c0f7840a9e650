package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"bearerd/secrets"
)

// headers are a server's configured extra headers. Their references are read again once a minute, not at each request:
// a sealed or remote value takes far longer than the request itself.
type headers struct {
	server  string
	refs    map[string]secrets.Ref
	resolve *secrets.Resolver
	log     *slog.Logger

	reading chan struct{} // holds one value while values are read: no mutex, as who waits may leave
	failed  failedRead    // of the last reading, while reading is held
	kept    atomic.Pointer[headerValues]
	changes atomic.Uint64 // how often reread was called
}

type headerValues struct {
	byName map[string]secrets.Secret
	until  time.Time
	change uint64 // of headers.changes, as reading them began
}

// failedRead is why values could not be read: those who waited for that go with it, or each of them would wait in its turn.
type failedRead struct {
	err    error
	ended  time.Time
	change uint64
}

const (
	headersAge    = time.Minute
	headersJitter = 10 * time.Second // for remote values, to both sides: servers that started together do not ask together
	rereadTimeout = 5 * time.Second  // for remote values, while those before can serve
)

// remote reports whether reading a reference may use the network. A stored secret may be in Vault too.
func remote(ref secrets.Ref) bool { return ref.Kind == secrets.Vault || ref.Kind == secrets.Stored }

// all are the values by name; none, without an error, where none are configured.
func (h *headers) all(ctx context.Context) (map[string]secrets.Secret, error) {
	if len(h.refs) == 0 {
		return nil, nil
	}
	values, err := h.current(ctx)
	if err != nil {
		return nil, err
	}
	return values.byName, nil
}

func (h *headers) set(ctx context.Context, out http.Header) error {
	values, err := h.all(ctx)
	for name, v := range values {
		out.Set(name, v.Reveal())
	}
	return err
}

// reread has the next request read the values again: a secret has changed.
func (h *headers) reread() { h.changes.Add(1) }

// current reads the values when they are old. Requests that come meanwhile use those before, if there are any and none is
// known to have changed.
func (h *headers) current(ctx context.Context) (*headerValues, error) {
	change, kept := h.changes.Load(), h.kept.Load()
	known := kept != nil && kept.change >= change
	if known && !time.Now().After(kept.until) {
		return kept, nil
	}
	came := time.Now()
	select {
	case h.reading <- struct{}{}:
	default:
		if known {
			return kept, nil
		}
		select {
		case h.reading <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-h.reading }()
	if again := h.kept.Load(); again != kept && again.change >= change { // somebody else has just read them
		return again, nil
	}
	if f := h.failed; f.err != nil && f.change >= change && f.ended.After(came) {
		return nil, f.err
	}
	began := h.changes.Load()
	next, err := h.read(ctx, h.kept.Load())
	switch {
	case err == nil:
		h.kept.Store(next)
	case ctx.Err() == nil:
		h.failed = failedRead{err, time.Now(), began}
	}
	return next, err
}

// read gives the values as they are now. A remote one that cannot be read keeps its value of old, which may be nil.
func (h *headers) read(ctx context.Context, old *headerValues) (*headerValues, error) {
	next := &headerValues{byName: map[string]secrets.Secret{}, until: time.Now().Add(headersAge), change: h.changes.Load()}
	if old != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rereadTimeout)
		defer cancel()
	}
	for name, ref := range h.refs {
		v, err := h.resolve.Resolve(ctx, ref)
		if remote(ref) {
			next.until = time.Now().Add(headersAge - headersJitter + rand.N(2*headersJitter))
			if old != nil {
				v, err = h.again(name, old.byName[name], v, err), nil
			}
		}
		if err == nil && !httpguts.ValidHeaderFieldValue(v.Reveal()) {
			err = errors.New("its value holds a control character")
		}
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		next.byName[name] = v
	}
	return next, nil
}

// again chooses between the value of a remote header that is held and what reading it again gave.
func (h *headers) again(name string, old, next secrets.Secret, err error) secrets.Secret {
	switch {
	case err != nil:
		h.log.Warn("a header cannot be read again: its last value stays in use", "server", h.server, "header", name, "error", err)
		return old
	case next.Reveal() != old.Reveal():
		h.log.Info("a header has a new value", "server", h.server, "header", name)
	}
	return next
}
