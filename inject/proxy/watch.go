package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// watchAfter is how long a request may take before somebody looks whether its caller is still there: most are answered by
// then, and need no goroutine of their own for it.
const watchAfter = 15 * time.Millisecond

// watch notices that a caller leaves while its request is under way. It has one owner, who starts and stops it in turn.
type watch struct {
	conn    net.Conn
	leave   context.CancelFunc // called when the caller has left
	lookout *lookout
	turn    uint64        // counts the starts
	awaited atomic.Uint64 // the turn that looking may begin for; 0: none
	blind   *atomic.Bool  // the caller has sent so much ahead that nobody looks any more: sweep does
	done    chan struct{} // has a value when looking has ended
	first   [1]byte       // what was read first while looking
	ahead   []byte        // all that was read while looking: of the next request

	mu       sync.Mutex
	gone     bool     // guarded by mu
	upstream net.Conn // guarded by mu: closed when the caller leaves; nil: none
}

func (w *watch) start() {
	w.turn++
	w.awaited.Store(w.turn)
	w.lookout.add(w, w.turn)
}

// look waits for the caller to leave. What it sends meanwhile is the beginning of its next request, of which one buffer is read.
func (w *watch) look() {
	w.ahead = w.first[:0]
	for len(w.ahead) < fastHead {
		n, err := w.conn.Read(w.ahead[len(w.ahead):cap(w.ahead)])
		w.ahead = w.ahead[:len(w.ahead)+n]
		if t, ok := err.(net.Error); ok && t.Timeout() {
			break
		}
		if err != nil {
			w.left()
			break
		}
		if cap(w.ahead) == 1 {
			w.ahead = append(make([]byte, 0, fastHead), w.ahead...)
		}
	}
	w.blind.Store(len(w.ahead) >= fastHead)
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

// stop ends the watch, and gives what was read of the next request. A deadline that looking needed is taken away.
func (w *watch) stop() []byte {
	if w.awaited.CompareAndSwap(w.turn, 0) {
		return nil
	}
	_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	<-w.done
	w.blind.Store(false)
	_ = w.conn.SetReadDeadline(time.Time{})
	return w.ahead
}

// lookout begins the looks of requests that take longer than watchAfter. There is one for all: a timer for each request
// would cost more than the rest of its way, as each wakes a thread.
type lookout struct {
	mu    sync.Mutex
	queue []awaited   // guarded by mu: in the order of their starts
	timer *time.Timer // guarded by mu: runs while there is a queue
}

type awaited struct {
	watch *watch
	turn  uint64
	at    time.Time
}

func (o *lookout) add(w *watch, turn uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, awaited{w, turn, time.Now().Add(watchAfter)})
	switch {
	case o.timer == nil:
		o.timer = time.AfterFunc(watchAfter, o.begin)
	case len(o.queue) == 1:
		o.timer.Reset(watchAfter)
	}
}

// begin begins the looks that are due.
func (o *lookout) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	due, now := 0, time.Now()
	for ; due < len(o.queue) && !o.queue[due].at.After(now); due++ {
		if a := o.queue[due]; a.watch.awaited.CompareAndSwap(a.turn, 0) {
			go a.watch.look() // stop waits for it
		}
	}
	o.queue = append(o.queue[:0], o.queue[due:]...)
	clear(o.queue[len(o.queue):cap(o.queue)])
	if len(o.queue) > 0 {
		o.timer.Reset(time.Until(o.queue[0].at))
	}
}
