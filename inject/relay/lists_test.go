package relay

import (
	"slices"
	"strings"
	"testing"
)

const (
	listTools = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	page2     = `{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"a"}}`
	twoTools  = `"result":{"tools":[{"name":"x","a":1},{"name":"y"}]}`
)

// lists has the client ask for the tools and get them from f.
func (r *rig) lists(f *fake, line, result string) {
	r.t.Helper()
	id := strings.TrimSuffix(line[strings.Index(line, `"id":`)+5:][:2], ",")
	r.say("%s", line)
	f.hears("%s", line)
	f.say(`{"id":%s,%s}`, id, result)
	r.hears(`{"id":%s,%s}`, id, result)
}

// surveyed starts a server that is replayed a session with a list of tools.
func (r *rig) surveyed(answer string) *fake {
	r.t.Helper()
	f := r.start()
	done := f.replay()
	f.asked(hello, welcome)
	f.hears(initialized)
	f.asked(listTools, answer)
	replayed(r.t, done)
	return f
}

func TestTellsOfAnotherList(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		told   bool
	}{
		"the same":         {twoTools, false},
		"in another order": {`"result":{"tools":[{"name":"y"},{"a":1,"name":"x"}],"_meta":{}}`, false},
		"another tool":     {`"result":{"tools":[{"name":"x","a":1},{"name":"z"}]}`, true},
		"another schema":   {`"result":{"tools":[{"name":"x","a":2},{"name":"y"}]}`, true},
		"one less":         {`"result":{"tools":[{"name":"y"}]}`, true},
		"none":             {`"result":{"tools":[]}`, true},
		"an error":         {`"error":{"code":1,"message":"no"}`, false},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			r.lists(r.opened(), listTools, twoTools)
			fresh := r.surveyed(c.answer)
			r.serve(fresh)
			if c.told {
				r.hears(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			}
			t.Log(name)
			quiet(t, r.lines)
		})
	}
}

func TestPages(t *testing.T) {
	first := `"result":{"nextCursor":"a","tools":[{"name":"x","a":1}]}`
	for name, c := range map[string]struct {
		second string
		told   bool
	}{
		"the same": {`"result":{"tools":[{"name":"y"}]}`, false},
		"another":  {`"result":{"tools":[{"name":"z"}]}`, true},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			old := r.opened()
			r.lists(old, listTools, first)
			r.lists(old, page2, `"result":{"tools":[{"name":"y"}]}`)
			fresh := r.start()
			done := fresh.replay()
			fresh.asked(hello, welcome)
			fresh.hears(initialized)
			fresh.asked(listTools, `"result":{"tools":[{"name":"x","a":1}],"nextCursor":"b"}`)
			fresh.asked(`{"id":0,"jsonrpc":"2.0","method":"tools/list","params":{"cursor":"b"}}`, c.second)
			replayed(t, done)
			r.serve(fresh)
			if c.told {
				r.hears(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
			}
			t.Log(name)
			quiet(t, r.lines)
		})
	}
}

// A list that the client has not seen, or not to its end, is nothing to it.
func TestListsThatWereNotSeen(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.lists(r.opened(), listTools, `"result":{"nextCursor":"a","tools":[]}`)
		r.serve(r.greeted())
		quiet(t, r.lines)
	})
}

// A list of the client's between Replay and Switch is surveyed before the server takes over.
func TestAListBetweenReplayAndSwitch(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(9))
		old.hears(call(9))
		fresh := r.greeted()
		r.lists(old, listTools, twoTools)
		sw := r.switchTo(fresh, nil)
		old.say(result(9))
		r.hears(result(9))
		fresh.asked(listTools, `"result":{"tools":[]}`)
		sw.switched()
		r.hears(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	})
}

// A fresh server may say that its tools have changed after it was asked for them and before it takes over.
func TestAListThatChangesBetweenReplayAndSwitch(t *testing.T) {
	const notice = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.lists(old, listTools, twoTools)
		r.say(call(9))
		old.hears(call(9))
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, welcome)
		fresh.hears(initialized)
		fresh.say(`{"method":"notifications/prompts/list_changed"}`) // never asked for
		fresh.asked(listTools, twoTools)
		replayed(t, done)
		fresh.say(notice)
		sw := r.switchTo(fresh, nil)
		old.say(result(9))
		sw.switched()
		got := []string{next(t, "the client", r.lines), next(t, "the client", r.lines)}
		if !slices.Contains(got, notice+"\n") || !slices.Contains(got, result(9)+"\n") {
			t.Errorf("the client got %q", got)
		}
		quiet(t, r.lines)
	})
}
