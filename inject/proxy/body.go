package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
)

const (
	replayBudget = 64 << 20 // bytes of request bodies that are kept so that they can be sent again, over all requests in flight
	firstBuffer  = 64 << 10 // bytes that a caller gets for claiming a length; more comes with the bytes
)

// budget is what may still be kept of request bodies, over all requests, in bytes.
type budget struct{ left atomic.Int64 }

func (b *budget) take(n int) bool {
	if b.left.Add(-int64(n)) >= 0 {
		return true
	}
	b.left.Add(int64(n))
	return false
}

// body is a request body. What fits the limit and the budget is in memory, so that it can be sent again.
type body struct {
	head   []byte
	rest   *upload                       // what follows head
	size   int64                         // as the caller says; -1: not known
	most   int                           // bytes of it that are kept at the most
	whole  bool                          // head, or what again gives, is all of it
	again  func() (io.ReadCloser, error) // gives it from the start, in place of head; may be nil
	budget *budget
	acted  bool // upstream may have acted on the request already
}

// bodyOf is the body of a request that the program itself makes: it is in memory already.
func bodyOf(r *http.Request) (*body, error) {
	b := &body{whole: true, rest: &upload{}, again: r.GetBody, size: r.ContentLength}
	if r.Body == nil || r.Body == http.NoBody {
		b.again = nil
		return b, nil
	}
	defer r.Body.Close()
	if b.again != nil {
		return b, nil
	}
	var err error
	b.head, err = io.ReadAll(r.Body)
	return b, err
}

// bytes are what is in memory of the body.
func (b *body) bytes() []byte {
	if b.again == nil {
		return b.head
	}
	r, err := b.again()
	if err != nil {
		return nil
	}
	defer r.Close()
	all, _ := io.ReadAll(r)
	return all
}

// newBody is w's request's body, of which nothing has been read. It must be released before the handler returns.
func newBody(w http.ResponseWriter, r *http.Request, limits config.Limits, budget *budget) *body {
	if r.Body == nil || r.Body == http.NoBody {
		return &body{whole: true, rest: &upload{}, budget: budget}
	}
	rest := &upload{
		from: r.Body, left: int64(limits.MaxBodyBytes), patience: limits.BodyTimeout,
		setDeadline: http.NewResponseController(w).SetReadDeadline,
	}
	return &body{size: r.ContentLength, most: limits.ReplayBytes, rest: rest, budget: budget}
}

// keep reads as much of the body as may be kept.
func (b *body) keep() error {
	if b.size > b.rest.left {
		b.rest.tooLarge.Store(true)
		return errBodyTooLarge
	}
	for !b.whole {
		if len(b.head) == cap(b.head) && !b.grow() {
			return nil
		}
		n, err := b.rest.Read(b.head[len(b.head):cap(b.head)])
		b.head = b.head[:len(b.head)+n]
		if err == io.EOF {
			b.whole = len(b.head) <= b.most
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// grow makes room for what comes, the one byte over the limit included that tells that a body is too large.
func (b *body) grow() bool {
	most, size := b.most+1, max(2*cap(b.head), 512)
	if b.size >= 0 {
		most = int(min(b.size, int64(b.most))) + 1
	}
	if cap(b.head) == 0 && b.size > 0 {
		size = firstBuffer
	}
	size = min(size, most)
	if size <= cap(b.head) || !b.budget.take(size-cap(b.head)) {
		return false
	}
	b.head = append(make([]byte, 0, size), b.head...)
	return true
}

// release gives back what was taken of the budget, and leaves the connection to net/http.
func (b *body) release() {
	b.budget.left.Add(int64(cap(b.head)))
	b.rest.mu.Lock()
	defer b.rest.mu.Unlock()
	b.rest.over = true
}

// unsent says why a body that is not whole cannot be sent again.
func (b *body) unsent() error {
	if len(b.head) > b.most {
		return errTooLarge
	}
	return errCrowded
}

func (b *body) attach(out *http.Request) {
	switch {
	case b.again != nil:
		out.ContentLength, out.GetBody = b.size, b.again
		if out.Body, _ = b.again(); out.Body == nil {
			out.Body = io.NopCloser(bytes.NewReader(nil)) // shorter than its length: it is not sent
		}
	case b.whole && len(b.head) == 0:
		out.Body = http.NoBody
	case b.whole:
		out.ContentLength = int64(len(b.head))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.head)), nil }
		out.Body, _ = out.GetBody()
	default:
		out.ContentLength = b.size
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b.head), b.rest))
	}
}

// upload reads a request body whose sender must go on sending. The deadline counts while it is read and no longer: the
// answer may take as long as it likes.
type upload struct {
	from        io.Reader
	left        int64 // bytes that may still come
	patience    time.Duration
	setDeadline func(time.Time) error
	stalled     atomic.Bool
	tooLarge    atomic.Bool

	mu   sync.Mutex // guards over: the transport may read on when the handler has returned
	over bool       // the deadline is net/http's own again
}

// errBodyTooLarge says that a request body is larger than max_body_bytes.
var errBodyTooLarge = errors.New("the request body is too large")

// failed reports whether the body is the reason that a request cannot be answered.
func (u *upload) failed() bool { return u.stalled.Load() || u.tooLarge.Load() }

func (u *upload) Read(p []byte) (int, error) {
	u.limit(time.Now().Add(u.patience))
	n, err := u.from.Read(p)
	u.left -= int64(n)
	switch {
	case u.left < 0:
		u.tooLarge.Store(true)
		return 0, errBodyTooLarge
	case err == io.EOF:
		u.limit(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		u.stalled.Store(true) // the deadline stays, so that net/http does not wait for the rest either
	}
	return n, err
}

func (u *upload) limit(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		_ = u.setDeadline(t)
	}
}
