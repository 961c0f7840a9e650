package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// wiretap watches what passes between the go-sdk and its transport: each request must have one answer, and progress must
// be complete and in order. The SDK does not tell.
type wiretap struct {
	mcp.Transport

	mu     sync.Mutex           // guards what follows
	asked  map[any]*openRequest // requests of the client, by id
	tokens map[any]*openRequest // those of them that want progress, by its token
	asking map[any]bool         // requests of the server that are open, by id
	faults []string
}

type openRequest struct {
	id         any
	method     string
	now, total float64 // progress
	answers    int
}

func newWiretap(transport mcp.Transport) *wiretap {
	return &wiretap{Transport: transport, asked: map[any]*openRequest{}, tokens: map[any]*openRequest{}, asking: map[any]bool{}}
}

func (w *wiretap) Connect(ctx context.Context) (mcp.Connection, error) {
	conn, err := w.Transport.Connect(ctx)
	return &tappedConnection{conn, w}, err
}

type tappedConnection struct {
	mcp.Connection
	wire *wiretap
}

func (c *tappedConnection) Read(ctx context.Context) (jsonrpc.Message, error) {
	message, err := c.Connection.Read(ctx)
	if err == nil {
		c.wire.received(message)
	}
	return message, err
}

func (c *tappedConnection) Write(ctx context.Context, message jsonrpc.Message) error {
	c.wire.sent(message)
	return c.Connection.Write(ctx, message)
}

func (w *wiretap) sent(message jsonrpc.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := message.(type) {
	case *jsonrpc.Response:
		delete(w.asking, m.ID.Raw())
	case *jsonrpc.Request:
		if !m.IsCall() {
			return
		}
		var params struct {
			Meta struct {
				ProgressToken any `json:"progressToken"`
			} `json:"_meta"`
		}
		_ = json.Unmarshal(m.Params, &params) // else there is none
		request := &openRequest{id: m.ID.Raw(), method: m.Method}
		w.asked[request.id] = request
		if params.Meta.ProgressToken != nil {
			w.tokens[params.Meta.ProgressToken] = request
		}
	}
}

func (w *wiretap) received(message jsonrpc.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := message.(type) {
	case *jsonrpc.Response:
		w.answer(m)
	case *jsonrpc.Request:
		switch id := m.ID.Raw(); {
		case m.IsCall() && w.asking[id]:
			w.fault("%s with the id %v, which is open already", m.Method, id)
		case m.IsCall():
			w.asking[id] = true
		case m.Method == "notifications/progress":
			w.step(m.Params)
		}
	}
}

func (w *wiretap) answer(m *jsonrpc.Response) {
	request := w.asked[m.ID.Raw()]
	if request == nil {
		w.fault("an answer to %v, which was not asked", m.ID.Raw())
		return
	}
	if request.answers++; request.answers > 1 {
		w.fault("answer %d to %v, %s", request.answers, request.id, request.method)
	}
	if m.Error == nil && request.now != request.total {
		w.fault("the answer to %v came after progress %v of %v", request.id, request.now, request.total)
	}
}

func (w *wiretap) step(raw json.RawMessage) {
	var params struct {
		Token    any     `json:"progressToken"`
		Progress float64 `json:"progress"`
		Total    float64 `json:"total"`
	}
	_ = json.Unmarshal(raw, &params) // then it belongs to nothing
	request := w.tokens[params.Token]
	switch {
	case request == nil:
		w.fault("progress of %v, which was not asked", params.Token)
		return
	case request.answers > 0 || params.Progress != request.now+1:
		w.fault("progress %v of %v after %v and %d answers", params.Progress, params.Token, request.now, request.answers)
	}
	request.now, request.total = params.Progress, params.Total
}

func (w *wiretap) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// progress is how far the request with a progress token got.
func (w *wiretap) progress(token string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if request := w.tokens[token]; request != nil {
		return int(request.now)
	}
	return 0
}

// verdict is what went wrong until now, with the requests that were never answered.
func (w *wiretap) verdict() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	faults := append([]string(nil), w.faults...)
	for _, request := range w.asked {
		if request.answers == 0 && request.method != "subscriptions/listen" { // that one has no answer while it lasts
			faults = append(faults, fmt.Sprintf("no answer to %v, %s", request.id, request.method))
		}
	}
	if len(faults) > 10 {
		faults = append(faults[:10], fmt.Sprintf("and %d more", len(faults)-10))
	}
	return faults
}
