package proxy

import (
	"context"
	"net"
	"sync"
	"time"
)

// watchAfter is how long a request may take before somebody looks whether its caller is still there: most are answered by
// then, and need no goroutine of their own for it.
const watchAfter = 15 * time.Millisecond

// watch notices that a caller leaves while its request is under way. It has one owner, who starts and stops it in turn.
type watch struct {
	conn  net.Conn
	leave context.CancelFunc // called when the caller has left
	timer *time.Timer
	done  chan struct{} // has a value when looking has ended
	one   [1]byte       // what was read while looking
	read  bool          // there is one

	mu       sync.Mutex
	gone     bool     // guarded by mu
	upstream net.Conn // guarded by mu: closed when the caller leaves; nil: none
}

func newWatch(conn net.Conn, leave context.CancelFunc) *watch {
	return &watch{conn: conn, leave: leave, done: make(chan struct{}, 1)}
}

func (w *watch) start() {
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.look)
	} else {
		w.timer.Reset(watchAfter)
	}
}

// look waits for the caller to leave, or to send what belongs to its next request.
func (w *watch) look() {
	n, err := w.conn.Read(w.one[:])
	w.read = n == 1
	if t, ok := err.(net.Error); n == 0 && !(ok && t.Timeout()) {
		w.left()
	}
	w.done <- struct{}{}
}

func (w *watch) left() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	w.leave()
	if w.upstream != nil {
		_ = w.upstream.Close()
	}
}

// over names the connection that is closed when the caller leaves; nil: none any more.
func (w *watch) over(upstream net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upstream = upstream
	if w.gone && upstream != nil {
		_ = upstream.Close()
	}
}

// stop ends the watch, and gives what was read of the next request. The deadline of the connection is zero then.
func (w *watch) stop() []byte {
	if w.timer.Stop() {
		return nil
	}
	_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	<-w.done
	_ = w.conn.SetReadDeadline(time.Time{})
	if !w.read {
		return nil
	}
	w.read = false
	return w.one[:]
}
