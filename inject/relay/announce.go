package relay

import (
	"fmt"

	"bearerd/inject/jsonrpc"
)

// changed is the notification that a list has changed, by the method that lists, and what a subscriptions/listen that
// wants it says.
var changed = map[string]struct{ method, filter string }{
	"tools/list":               {"notifications/tools/list_changed", "toolsListChanged"},
	"prompts/list":             {"notifications/prompts/list_changed", "promptsListChanged"},
	"resources/list":           {"notifications/resources/list_changed", "resourcesListChanged"},
	"resources/templates/list": {"notifications/resources/list_changed", "resourcesListChanged"},
}

// replaced is why a subscription has ended.
var replaced = Reason{Code: "server_replaced", Retry: true, Text: "its process was replaced: subscribe again"}

// announce tells the client, once l has taken over, of the subscriptions that have ended, and of the lists that are other
// ones than those it has seen.
func (s *Session) announce(l *Link) {
	s.mu.Lock()
	var lines [][]byte
	told := map[string]bool{}
	for method, seen := range s.record.lists {
		notice := changed[method]
		other := l.lists[method] != "" && seen.digest != "" && l.lists[method] != seen.digest
		if (other || l.stale[notice.method]) && !told[notice.method] {
			told[notice.method] = true
			lines = append(lines, s.notices(notice.method, notice.filter)...)
		}
	}
	s.mu.Unlock()
	s.out.say(append(l.farewell, lines...)...)
}

// endListens ends the subscriptions of 2026-07-28 that l, which takes over, does not go on with, and gives what their client
// is told.
func (s *Session) endListens(l *Link) (lines [][]byte) {
	for key, sub := range s.record.listens {
		line := l.early[key]
		if l.bare {
			line = s.failure(sub.id, replaced)
		}
		if line != nil {
			s.record.endListen(key)
			lines = append(lines, line)
		}
	}
	return lines
}

// notices are the lines of one notification: on the wire of 2026-07-28 one for each subscription that wants it.
func (s *Session) notices(method, filter string) (lines [][]byte) {
	if s.record.initialize != nil {
		return [][]byte{fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%q}`+"\n", method)}
	}
	for _, sub := range s.record.listens {
		m, err := jsonrpc.ParseOne(sub.line)
		if err != nil || string(jsonrpc.Field(m.Params, "notifications", filter)) != "true" {
			continue
		}
		lines = append(lines, fmt.Appendf(nil,
			`{"jsonrpc":"2.0","method":%q,"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":%s}}}`+"\n", method, m.ID))
	}
	return lines
}
