package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"bearerd/inject/jsonrpc"
)

// batch passes an array on, without what may not be sent (2025-03-26).
func (b *Bridge) batch(run context.Context, line []byte, messages []jsonrpc.Message) {
	var parts [][]byte
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) != len(messages) {
		b.refuse(nil, -32700, "the batch is no valid JSON")
		return
	}
	ctx, cancel := context.WithCancel(run)
	members := &members{cancel: cancel}
	s := b.current()
	for i, m := range messages {
		part := []byte(raw[i])
		switch {
		case m.Request():
			c := b.newCall(m, nil, nil, members.cancelDone)
			if c == nil {
				continue
			}
			members.add(c)
		case m.Response():
			one, err := jsonrpc.ParseOne(part)
			if err != nil {
				continue
			}
			if part = b.replyTo(one, part, &s); part == nil {
				continue
			}
		case m.Method == methodCancelled:
			b.unwanted(m)
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		cancel()
		return
	}
	if len(parts) < len(raw) || slices.ContainsFunc(messages, jsonrpc.Message.Response) {
		line = slices.Concat([]byte("["), bytes.Join(parts, []byte(",")), []byte("]"))
	}
	calls := members.all()
	if len(calls) == 0 {
		cancel()
		b.tell(run, line, func(err error) {
			if err != nil && run.Err() == nil {
				b.warn("a batch of the client did not reach the server", err)
			}
		})
		return
	}
	b.work.Go(func() {
		defer cancel()
		b.exchange(run, ctx, line, calls)
	})
}

// members are the requests of a batch: its exchange is given up when all are answered, not when one is.
type members struct {
	mu     sync.Mutex
	calls  []*call
	cancel context.CancelFunc
}

func (m *members) add(c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
}

func (m *members) all() []*call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

func (m *members) cancelDone() {
	if answered(m.all()) {
		m.cancel()
	}
}
