// Package jsonrpc reads of a JSON-RPC 2.0 message only its envelope: id, method, and where params, result and error lie.
// It is for those that pass MCP messages on unchanged, of any size, in microseconds. It decodes no value that it was not
// asked for, and it is no validator: see Parse. It may not log, keep or change what it reads.
package jsonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Message is the envelope of one JSON-RPC 2.0 message. Its slices point into the line that it was parsed from: they are
// as long-lived as the line, and nothing may be appended to them. A null is like none, except as a result.
type Message struct {
	ID     []byte // a string or a number, raw; nil: none or null
	Method string // "": a response
	Params []byte // raw JSON; nil: none
	Result []byte // raw JSON, null included; nil: none
	Error  []byte // raw JSON; nil: none
}

// Request reports whether m asks for a response (JSON-RPC 2.0 §4).
func (m Message) Request() bool { return m.Method != "" && m.ID != nil }

// Notification reports whether m asks for none (§4.1).
func (m Message) Notification() bool { return m.Method != "" && m.ID == nil }

// Response reports whether m answers a request (§5). The id of an error is nil when its sender could not read the request's.
func (m Message) Response() bool {
	return m.Method == "" && (m.Error != nil || m.ID != nil && m.Result != nil)
}

// maxBatch is how many messages a batch may hold: a line of 16 MiB could hold millions, each dearer as a Message.
const maxBatch = 10_000

var (
	errEmpty    = errors.New("no JSON-RPC message: an empty batch")
	errTooMany  = fmt.Errorf("no JSON-RPC message: a batch of more than %d", maxBatch)
	errTrailing = errors.New("no JSON-RPC message: more follows after its end")
	errID       = errors.New("no JSON-RPC message: its id is neither a string nor a number")
	errMethod   = errors.New("no JSON-RPC message: its method is not a string")
)

// Parse reads the envelope(s) of a line: one message, or a batch (a JSON array, MCP 2025-03-26) of up to 10,000. Anything
// else is an error that quotes nothing of the line. Names are case-sensitive, and the last of several members with one
// name holds, as in JavaScript. The member "jsonrpc" is not looked at, and an object without any of the members is a
// Message that is neither request, notification nor response.
//
// The outer object must be well-formed; of the values in it is checked only that strings and brackets close, not even
// that a { is closed by a }. So what Parse accepts may be no JSON, but for all that is JSON the envelope is right.
func Parse(line []byte) (messages []Message, batch bool, err error) {
	at := space(line, 0)
	if peek(line, at) != '[' {
		m, err := ParseOne(line)
		if err != nil {
			return nil, false, err
		}
		return []Message{m}, false, nil
	}
	if at = space(line, at+1); peek(line, at) == ']' {
		return nil, true, errEmpty
	}
	for {
		m, end, err := parse(line, at)
		if err != nil {
			return nil, true, err
		}
		if len(messages) == maxBatch {
			return nil, true, errTooMany
		}
		messages = append(messages, m)
		switch at = space(line, end); peek(line, at) {
		case ',':
			at = space(line, at+1)
		case ']':
			if space(line, at+1) != len(line) {
				return nil, true, errTrailing
			}
			return messages, true, nil
		default:
			return nil, true, malformed(at, "neither a comma nor the end of the batch")
		}
	}
}

// ParseOne is Parse for what must be one message. It allocates nothing if the method is one of MCP's.
func ParseOne(line []byte) (Message, error) {
	m, end, err := parse(line, space(line, 0))
	if err == nil && space(line, end) != len(line) {
		err = errTrailing
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// parse reads the message at line[at] and says where it ends.
func parse(line []byte, at int) (m Message, end int, err error) {
	var method []byte
	members := object{line: line, at: at}
	for {
		name, value, more := members.next()
		if !more {
			break
		}
		switch string(plain(name)) {
		case `"id"`:
			m.ID = unlessNull(value)
		case `"method"`:
			method = unlessNull(value)
		case `"params"`:
			m.Params = unlessNull(value)
		case `"result"`:
			m.Result = value
		case `"error"`:
			m.Error = unlessNull(value)
		}
	}
	if members.fault != "" {
		return m, 0, malformed(members.at, members.fault)
	}
	if m.ID != nil && m.ID[0] != '"' && !numeric(m.ID) {
		return m, 0, errID
	}
	if m.Method = methodName(method); m.Method == "" && method != nil && string(method) != `""` {
		return m, 0, errMethod
	}
	return m, members.at + 1, nil
}

func malformed(at int, found string) error {
	return fmt.Errorf("no JSON-RPC message: at byte %d is %s", at, found)
}

func unlessNull(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

// known holds MCP's methods, so that naming them allocates nothing.
var known = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"initialize", "ping", "server/discover", "logging/setLevel", "completion/complete", "roots/list",
		"tools/list", "tools/call", "prompts/list", "prompts/get", "sampling/createMessage", "elicitation/create",
		"resources/list", "resources/read", "resources/templates/list", "resources/subscribe", "resources/unsubscribe",
		"subscriptions/listen", "tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "tasks/update",
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/message",
		"notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/roots/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated", "notifications/tasks/status",
		"notifications/elicitation/complete", "notifications/subscriptions/acknowledged",
	} {
		names[`"`+name+`"`] = name
	}
	return names
}()

func methodName(raw []byte) string {
	if name, ok := known[string(raw)]; ok {
		return name
	}
	return Text(raw)
}

// Failure is the line (with its newline) of an error response to id (nil, or what is no JSON: null). data is marshalled
// when it is not nil, and left out when it cannot be.
func Failure(id []byte, code int, message string, data any) []byte {
	type failure struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data,omitempty"`
	}
	answer := struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   failure         `json:"error"`
	}{"2.0", nil, failure{Code: code, Message: message}}
	if json.Valid(id) {
		answer.ID = id
	}
	if data != nil {
		answer.Error.Data = marshal(data)
	}
	return append(marshal(answer), '\n')
}

// marshal is json.Marshal without its escapes for HTML, so that an id goes back as it came; nil when v cannot be marshalled.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Replace gives a copy of line with the bytes of part (a slice of line, such as Message.ID) replaced by with. A part that
// is no slice of line, nil included, replaces nothing.
func Replace(line, part, with []byte) []byte {
	at := cap(line) - cap(part) // slices of one array end their capacity at its end
	if len(part) == 0 || at < 0 || at+len(part) > len(line) || &line[at] != &part[0] {
		return bytes.Clone(line)
	}
	out := make([]byte, 0, len(line)-len(part)+len(with))
	out = append(out, line[:at]...)
	out = append(out, with...)
	return append(out, line[at+len(part):]...)
}
