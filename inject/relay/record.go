package relay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"bearerd/inject/jsonrpc"
)

// record is what a fresh server must be told so that the session can go on with it. Lines are the client's own.
type record struct {
	version       int               // counts the changes
	initialize    []byte            // answered well; nil: none
	initialized   []byte            // the notification
	discover      []byte            // server/discover of 2026-07-28, answered well
	promised      json.RawMessage   // the result of initialize
	discovered    json.RawMessage   // the result of server/discover
	level         []byte            // the last logging/setLevel
	subscriptions map[string][]byte // resources/subscribe, by URI
	listens       map[string]*listen
	lists         map[string]*list // by method
}

// listen is an open subscriptions/listen: a request whose answer is the end of the subscription.
type listen struct {
	id           []byte
	line         []byte
	acknowledged bool // the client has been told
}

// list is what the client has seen of one list.
type list struct {
	line   []byte   // the request of the first page
	items  []string // digests of what has come so far
	digest string   // "": not all pages were asked for
	before bool     // it was seen before, so that a fresh server is asked for it anyway
}

func newRecord() record {
	return record{subscriptions: map[string][]byte{}, listens: map[string]*listen{}, lists: map[string]*list{}}
}

// listMember is where a result has its items, by method.
var listMember = map[string]string{
	"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates",
}

// repeatable reports whether a request may be sent to another server when the first has not answered it: it changes
// nothing beyond the session.
func repeatable(method string) bool {
	switch method {
	case "initialize", "ping", "server/discover", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return true
	}
	return listMember[method] != ""
}

// opened notes that the client has said notifications/initialized.
func (c *record) opened(line []byte, batch bool) {
	if batch {
		line = []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n")
	}
	c.initialized = bytes.Clone(line)
	c.version++
}

// endListen notes that a subscription of 2026-07-28 is over.
func (c *record) endListen(key string) {
	if c.listens[key] != nil {
		delete(c.listens, key)
		c.version++
	}
}

// answered notes the answer to a request.
func (c *record) answered(r *request, m jsonrpc.Message) {
	if r.line == nil || m.Error != nil {
		return
	}
	switch r.method {
	case "initialize":
		version := c.version
		*c = newRecord()
		c.version, c.initialize, c.promised = version, r.line, bytes.Clone(m.Result)
	case "server/discover":
		c.discover, c.discovered = r.line, bytes.Clone(m.Result)
	case "logging/setLevel":
		c.level = r.line
	case "resources/subscribe":
		c.subscriptions[uriOf(r.line)] = r.line
	case "resources/unsubscribe":
		delete(c.subscriptions, uriOf(r.line))
	default:
		c.listed(r, m)
		return
	}
	c.version++
}

func uriOf(line []byte) string {
	m, err := jsonrpc.ParseOne(line)
	if err != nil {
		return ""
	}
	return jsonrpc.Text(jsonrpc.Field(m.Params, "uri"))
}

// listed notes a page of a list that the client has got.
func (c *record) listed(r *request, m jsonrpc.Message) {
	member := listMember[r.method]
	if member == "" {
		return
	}
	request, err := jsonrpc.ParseOne(r.line)
	if err != nil {
		return
	}
	seen := c.lists[r.method]
	if jsonrpc.Field(request.Params, "cursor") == nil {
		seen = &list{line: r.line, before: seen != nil && (seen.before || seen.digest != "")}
		c.lists[r.method] = seen
	}
	if seen == nil || seen.digest != "" {
		return // a page of a list whose beginning was not seen
	}
	seen.items = append(seen.items, digests(m.Result, member)...)
	if jsonrpc.Field(m.Result, "nextCursor") == nil {
		seen.digest = digestOf(seen.items)
		seen.items = nil
		if !seen.before { // else a client that lists all the time would always be ahead of the fresh server
			c.version++
		}
	}
}

// acknowledged reports whether the client has still to be told that a subscription of 2026-07-28 is in force.
func (c *record) acknowledged(m jsonrpc.Message) bool {
	id := jsonrpc.Field(m.Params, "_meta", "io.modelcontextprotocol/subscriptionId")
	l := c.listens[jsonrpc.Key(id)]
	if l == nil || l.acknowledged {
		return l == nil && id == nil
	}
	l.acknowledged = true
	return true
}

// digests are those of the items of a result, whatever the order of their members.
func digests(result []byte, member string) (list []string) {
	var items []any
	if json.Unmarshal(jsonrpc.Field(result, member), &items) != nil {
		return nil
	}
	for _, item := range items {
		b, _ := json.Marshal(item) // it was JSON
		sum := sha256.Sum256(b)
		list = append(list, hex.EncodeToString(sum[:]))
	}
	return list
}

// digestOf is one digest for a list in any order.
func digestOf(items []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(items)), " ")))
	return hex.EncodeToString(sum[:])
}

// copied is m with slices of its own.
func copied(m jsonrpc.Message) jsonrpc.Message {
	m.ID, m.Params, m.Result, m.Error = bytes.Clone(m.ID), bytes.Clone(m.Params), bytes.Clone(m.Result), bytes.Clone(m.Error)
	return m
}
