package bridge

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"bearerd/inject/jsonrpc"
)

// hear passes on what the server says in the session called turn, one message or a batch.
func (b *Bridge) hear(data []byte, turn int) {
	data = bytes.TrimSpace(data)
	if !valid(data) {
		b.log.Warn("the server says what is no JSON")
		b.garbled(data)
		return
	}
	if len(data) > 0 && data[0] == '[' {
		var parts []json.RawMessage
		_ = json.Unmarshal(data, &parts) // it is valid
		for _, part := range parts {
			b.hearOne(part, turn)
		}
		return
	}
	b.hearOne(data, turn)
}

// valid reports whether a client can read a message. Many end at a line that they cannot.
func valid(data []byte) bool { return utf8.Valid(data) && json.Valid(data) }

// garbled fails the request that a response which cannot be passed on answers, if that can be seen.
func (b *Bridge) garbled(data []byte) {
	m, err := jsonrpc.ParseOne(data)
	if err != nil || !m.Response() || m.ID == nil {
		return
	}
	b.mu.Lock()
	c := b.open[jsonrpc.Key(m.ID)]
	b.mu.Unlock()
	if c != nil && c.reply == nil {
		b.fail(c, b.say("no_message", "answered with what is no valid JSON, or nested too deep"))
	}
}

func (b *Bridge) hearOne(data []byte, turn int) {
	m, err := jsonrpc.ParseOne(data)
	switch {
	case err != nil:
		b.log.Warn("the server says what is no JSON-RPC message", "error", err)
	case m.Response():
		b.answer(m, data)
	case m.Request():
		b.write(b.ask(m, data, turn))
	case m.Method == methodCancelled:
		b.write(b.withdrawn(m, data, turn))
	case m.Notification():
		b.write(data)
	default:
		b.log.Warn("the server says what is neither request nor notification nor response")
	}
}

// answer passes a response on to whoever has asked, once.
func (b *Bridge) answer(m jsonrpc.Message, data []byte) {
	b.mu.Lock()
	c := b.open[jsonrpc.Key(m.ID)]
	b.mu.Unlock()
	if c == nil || m.ID == nil {
		b.log.Debug("the server answers what was not asked, or has been answered")
		return
	}
	if c.reply == nil && m.Result != nil {
		b.note(c, m)
		data = b.learn(c, m, data)
	}
	if !b.finish(c) {
		return
	}
	if c.reply != nil {
		c.reply <- m
		return
	}
	b.write(data)
}

// asked is a request that the server made.
type asked struct {
	id    []byte // as the server knows it
	known []byte // as the client knows it
	turn  int    // of its session
}

// ask enters a request of the server's. Its id is changed if the client still has one with it, of a session that was lost.
func (b *Bridge) ask(m jsonrpc.Message, data []byte, turn int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, id := jsonrpc.Key(m.ID), bytes.Clone(m.ID)
	if before, ok := b.asked[key]; !ok || before.turn == turn {
		b.asked[key] = asked{id, id, turn}
		return data
	}
	known := b.newID()
	b.asked[jsonrpc.Key(known)] = asked{id, known, turn}
	b.renamed[key] = jsonrpc.Key(known)
	return jsonrpc.Replace(data, m.ID, known)
}

// withdrawn is the server's notifications/cancelled, with the id that the client knows.
func (b *Bridge) withdrawn(m jsonrpc.Message, data []byte, turn int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := jsonrpc.Field(m.Params, "requestId")
	key := jsonrpc.Key(id)
	for _, key := range []string{b.renamed[key], key} {
		if question, ok := b.asked[key]; ok && id != nil && question.turn == turn {
			b.forget(key, question)
			return jsonrpc.Replace(data, id, question.known)
		}
	}
	return data
}

// forget takes a request of the server's out of those open. The caller holds mu.
func (b *Bridge) forget(key string, question asked) {
	delete(b.asked, key)
	if at := jsonrpc.Key(question.id); b.renamed[at] == key {
		delete(b.renamed, at)
	}
}

// replyTo takes the question that m answers out of those open, and gives the answer with the id that the server knows. It is
// nil if the session s has not asked.
func (b *Bridge) replyTo(m jsonrpc.Message, line []byte, s *session) []byte {
	b.mu.Lock()
	key := jsonrpc.Key(m.ID)
	question, known := b.asked[key]
	if known {
		b.forget(key, question)
	}
	b.mu.Unlock()
	if !known || question.turn != s.turn {
		b.log.Debug("the client answers what the server does not ask any more")
		return nil
	}
	return jsonrpc.Replace(line, m.ID, question.id)
}
