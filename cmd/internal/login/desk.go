package login

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a client may take. Anything on this machine can connect, and so can any page that a browser shows.
const (
	maxQuery       = 16 << 10 // bytes of an answer; codes of some providers have thousands
	maxHeader      = 64 << 10 // bytes of a request: browsers send the cookies of all that ever ran on this host
	maxConnections = 64
	readLimit      = 5 * time.Second // for the head of a request
	writeLimit     = 2 * time.Second // for an answer, and for what else the client may send
)

// After the end of a flow its last page is shown.
const (
	showLimit = 2 * time.Second        // until a browser has asked for it
	linger    = 250 * time.Millisecond // for another request for it that is on its way
	drain     = 500 * time.Millisecond // for connections that have begun
)

// desk takes answers in, each an HTTP request for the path of the redirect, and hands them to the one goroutine that judges them.
type desk struct {
	server     string // its name
	host       string // of the redirect, with the port
	path, done string // where answers arrive, and where the outcome is shown: its address holds no code
	asked      chan question
	shown      chan struct{} // closed when the outcome has been shown
	show       func()

	over  chan struct{} // closed at the end of the flow; then, and not before:
	query string        // what ended it
	err   error         // how it ended
}

// question is an answer of the provider that somebody is to judge.
type question struct {
	query string
	other chan struct{} // closed when it is found to be none of this flow
}

func newDesk(server string, redirect *url.URL) *desk {
	path := redirect.EscapedPath()
	shown := make(chan struct{})
	return &desk{
		server: server, host: redirect.Host, path: path, done: strings.TrimSuffix(path, "/") + "/done",
		asked: make(chan question), over: make(chan struct{}), shown: shown, show: sync.OnceFunc(func() { close(shown) }),
	}
}

// end ends the flow, once: query had the outcome err.
func (d *desk) end(query string, err error) {
	d.query, d.err = query, err
	close(d.over)
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.EscapedPath(); {
	case !strings.EqualFold(r.Host, d.host): // a page whose name was rebound to this address
		d.word(w, http.StatusForbidden, "forbidden")
	case path == d.done && r.Method == http.MethodGet:
		d.outcome(w)
	case path != d.path:
		d.word(w, http.StatusNotFound, "not found")
	case r.Method != http.MethodGet: // HEAD too: a link checker must not spend the code
		w.Header().Set("Allow", http.MethodGet)
		d.word(w, http.StatusMethodNotAllowed, "method not allowed")
	case len(r.URL.RawQuery) > maxQuery:
		d.word(w, http.StatusRequestURITooLong, "too long")
	default:
		d.answer(w, r)
	}
}

// answer has the query judged, or waits until the same query, sent twice, has been.
func (d *desk) answer(w http.ResponseWriter, r *http.Request) {
	q := question{r.URL.RawQuery, make(chan struct{})}
	asked := d.asked
	for {
		select {
		case asked <- q:
			asked = nil
		case <-q.other:
			d.page(w, http.StatusBadRequest, stranger(d.server))
			return
		case <-d.over:
			if q.query != d.query {
				d.page(w, http.StatusBadRequest, stranger(d.server))
				return
			}
			d.headers(w)
			w.Header().Set("Location", d.done) // so that no history keeps the code
			w.WriteHeader(http.StatusSeeOther)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// outcome is the last page. It is there for whoever asks, as it says nothing that is private.
func (d *desk) outcome(w http.ResponseWriter) {
	select {
	case <-d.over:
	default:
		d.word(w, http.StatusNotFound, "not found")
		return
	}
	if d.err != nil {
		d.page(w, http.StatusBadRequest, failed(d.server, d.err))
	} else {
		d.page(w, http.StatusOK, signedIn(d.server))
	}
	d.show()
}

func (d *desk) word(w http.ResponseWriter, status int, text string) {
	d.headers(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

func (d *desk) headers(w http.ResponseWriter) {
	until := time.Now().Add(writeLimit)
	_ = http.NewResponseController(w).SetWriteDeadline(until)
	_ = http.NewResponseController(w).SetReadDeadline(until)
	protect(w.Header())
}

// serve answers on the sockets until stop, which waits for the last page, if a browser is to see one, and then for all of
// its goroutines.
func (d *desk) serve(sockets []net.Listener) (stop func(ctx context.Context, lastPage bool)) {
	var open atomic.Int32
	s := &http.Server{
		Handler: d, ReadHeaderTimeout: readLimit, MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0),
		ConnState: func(c net.Conn, state http.ConnState) {
			switch {
			case state == http.StateNew && open.Add(1) > maxConnections:
				_ = c.Close()
			case state == http.StateClosed:
				open.Add(-1)
			}
		},
	}
	s.SetKeepAlivesEnabled(false)
	var serving sync.WaitGroup
	for _, l := range sockets {
		serving.Go(func() { _ = s.Serve(l) })
	}
	return func(ctx context.Context, lastPage bool) {
		if lastPage && pause(ctx, showLimit, d.shown) {
			pause(ctx, linger, nil)
		}
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if s.Shutdown(draining) != nil {
			_ = s.Close()
		}
		serving.Wait()
	}
}

// pause waits for a time at most, and reports whether wake was closed in it.
func pause(ctx context.Context, limit time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-wake:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
