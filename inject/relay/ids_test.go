package relay

import (
	"fmt"
	"testing"

	"bearerd/inject/jsonrpc"
)

const sampling = `{"jsonrpc":"2.0","id":1.0,"method":"sampling/createMessage"}`

// renamed has the server ask, and expects that the client knows it by another id.
func (r *rig) renamed(f *fake) (id string) {
	r.t.Helper()
	f.say(sampling)
	line := next(r.t, "the client", r.lines)
	m, err := jsonrpc.ParseOne([]byte(line))
	if err != nil || jsonrpc.Key(m.ID) == "1" || line != fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"sampling/createMessage"}`+"\n", m.ID) {
		r.t.Fatalf("the client got %q", line)
	}
	return string(m.ID)
}

// Two servers ask with the same id, as servers do that count from 0.
func TestEqualIDsOfTwoServers(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		old.say(sampling)
		r.hears(sampling)
		busy := make(chan struct{})
		close(busy)
		fresh := r.greeted()
		r.switchTo(fresh, busy).switched()
		id := r.renamed(fresh)
		r.say(`{"id":%s,"result":{ }}`, id)
		fresh.hears(`{"id":1.0,"result":{ }}`)
		r.say(`{"result":{},"id":1}`)
		old.hears(`{"result":{},"id":1}`)

		old.say(sampling)
		r.hears(sampling)
		id = r.renamed(fresh)
		fresh.say(`{"method":"notifications/cancelled","params":{"requestId":1,"reason":"x"}}`)
		r.hears(`{"method":"notifications/cancelled","params":{"requestId":%s,"reason":"x"}}`, id)
		old.say(`{"method":"notifications/cancelled","params":{"requestId":1}}`)
		r.hears(`{"method":"notifications/cancelled","params":{"requestId":1}}`)
		r.say(`{"id":%s,"result":{}}`, id) // too late
		quiet(t, fresh.lines)
	})
}

func TestOrphans(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		old.say(sampling)
		r.hears(sampling)
		old.crash()
		r.hears(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.0,"reason":"the server that asked has gone"}}`)
		fresh := r.greeted()
		r.serve(fresh)
		id := r.renamed(fresh)
		r.say(`{"id":1,"result":{"text":"late"}}`)
		quiet(t, fresh.lines)
		r.say(`{"id":%s,"error":{"code":1}}`, id)
		fresh.hears(`{"id":1.0,"error":{"code":1}}`)
		fresh.say(sampling) // the late answer has come: the id is free
		r.hears(sampling)
	})
}

// What a server has withdrawn may be answered late too: not to the next one, which uses the same id.
func TestALateAnswerToAWithdrawnQuestion(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		old.say(sampling)
		r.hears(sampling)
		old.say(`{"method":"notifications/cancelled","params":{"requestId":1}}`)
		r.hears(`{"method":"notifications/cancelled","params":{"requestId":1}}`)
		fresh := r.serve(r.greeted())
		id := r.renamed(fresh)
		r.say(`{"id":1,"result":{"text":"late"}}`)
		r.say(`{"id":%s,"result":{}}`, id)
		fresh.hears(`{"id":1.0,"result":{}}`)
	})
}

// An id of the session's own must not be one that a bearerd beneath it has made.
func TestOwnIDsAreNobodyElses(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a, b := r.serve(r.start()), r.start()
		r.say(call("bearerd-2"))
		a.hears(call("bearerd-2"))
		a.say(sampling)
		r.hears(sampling)
		a.say(`{"id":"bearerd-1","method":"roots/list"}`)
		r.hears(`{"id":"bearerd-1","method":"roots/list"}`)
		if id := r.renamed(b); id == `"bearerd-1"` || id == `"bearerd-2"` {
			t.Fatalf("the id is taken: %s", id)
		}
	})
}

func TestCancellationsGoToTheServerThatHasTheRequest(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		for _, id := range []any{"1", 1} {
			r.say(call(id))
			old.hears(call(id))
		}
		busy := make(chan struct{})
		close(busy)
		fresh := r.greeted()
		r.switchTo(fresh, busy).switched()
		r.say(call(2))
		fresh.hears(call(2))
		const cancelled = `{"method":"notifications/cancelled","params":{"requestId":%s}}`
		r.say(cancelled, `"1"`)
		old.hears(cancelled, `"1"`)
		r.say(cancelled, `2`)
		fresh.hears(cancelled, `2`)
		r.say(cancelled, `"2"`) // unknown
		fresh.hears(cancelled, `"2"`)
		old.say(`{"id":1.0,"result":{}}`)
		r.hears(`{"id":1.0,"result":{}}`)
		old.link.Finish(t.Context()) // the cancelled one needs no answer
		old.link.Fail(Reason{})
		quiet(t, r.lines)
	})
}
