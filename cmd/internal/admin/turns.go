package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// ErrStopping is why a change does not begin, or was taken back.
var ErrStopping = errors.New("bearerd is stopping")

// turns are the changes of servers that are under way, at most one of each server.
type turns struct {
	mu      sync.Mutex                         // guards what follows
	taken   map[string]context.CancelCauseFunc // by the server's name in lower case
	stopped bool
	idle    chan struct{} // closed when the last one has ended after stop
}

// begin takes the turn of a server. It ends with done, which the caller calls, and its context with stop.
func (t *turns) begin(ctx context.Context, server string) (_ context.Context, done func(), err error) {
	key := strings.ToLower(server)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return nil, nil, ErrStopping
	}
	if t.taken[key] != nil {
		return nil, nil, &notNow{fmt.Sprintf("another change of server %q is under way: try again in a moment", server)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	if t.taken == nil {
		t.taken = map[string]context.CancelCauseFunc{}
	}
	t.taken[key] = cancel
	return ctx, func() { t.end(key) }, nil
}

func (t *turns) end(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken[key](nil)
	delete(t.taken, key)
	if t.idle != nil && len(t.taken) == 0 {
		close(t.idle)
	}
}

// stop lets no turn begin any more, and ends the contexts of those that have. idle is closed when they are done.
func (t *turns) stop() (idle <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.idle == nil {
		t.idle = make(chan struct{})
		if len(t.taken) == 0 {
			close(t.idle)
		}
	}
	for _, cancel := range t.taken {
		cancel(ErrStopping)
	}
	return t.idle
}

// Stop lets no change of a server begin any more. It has those that are under way taken back, and waits for that until ctx
// ends. Edit must work until it returns.
func (a *API) Stop(ctx context.Context) {
	select {
	case <-a.turns.stop():
	case <-ctx.Done():
	}
}

// inTurn answers with what f gives for r, unless another change of that server is under way: whoever comes second knows nothing
// of what the first does. Once bearerd stops, the context of f's request ends.
func (a *API) inTurn(w http.ResponseWriter, r *http.Request, server string, f func(r *http.Request) (any, error)) {
	ctx, done, err := a.turns.begin(r.Context(), server)
	if err != nil {
		fail(w, err)
		return
	}
	defer done()
	answer, err := f(r.WithContext(ctx))
	if err != nil {
		if errors.Is(context.Cause(ctx), ErrStopping) {
			err = fmt.Errorf("%w: %w", ErrStopping, err)
		}
		fail(w, err)
		return
	}
	reply(w, answer)
}
