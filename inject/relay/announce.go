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

// announce tells the client of the lists that are other ones at l than those it has seen.
func (s *Session) announce(l *Link) {
	s.mu.Lock()
	var lines [][]byte
	told := map[string]bool{}
	for method, seen := range s.record.lists {
		notice := changed[method]
		if l.lists[method] == "" || seen.digest == "" || l.lists[method] == seen.digest || told[notice.method] {
			continue
		}
		told[notice.method] = true
		lines = append(lines, s.notices(notice.method, notice.filter)...)
	}
	s.mu.Unlock()
	s.toClient(lines...)
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
