package proxy

import (
	"net/http"
	"time"
)

// windowed answers over HTTP/2, where a caller that opens no window takes nothing, and nothing is written to its connection that
// could time out. The deadline counts while an answer is written, and from the end of the handler on.
type windowed struct {
	http.ResponseWriter
	patience time.Duration
}

// Unwrap lets http.ResponseController find what windowed leaves alone.
func (w windowed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w windowed) Write(p []byte) (int, error) {
	w.limit(time.Now().Add(w.patience))
	defer w.limit(time.Time{})
	return w.ResponseWriter.Write(p)
}

// FlushError is Flush for http.ResponseController.
func (w windowed) FlushError() error {
	w.limit(time.Now().Add(w.patience))
	defer w.limit(time.Time{})
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// end limits the time for what net/http still has to write.
func (w windowed) end() { w.limit(time.Now().Add(w.patience)) }

func (w windowed) limit(t time.Time) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}
