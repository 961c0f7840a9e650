package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bearerd/inject/jsonrpc"
)

// told is what the session itself has told a server.
type told struct {
	version       int    // of the record
	hello         string // the line that opened the session
	initialized   bool
	level         string
	subscriptions map[string]string // lines by URI
	listens       map[string][]byte // ids
}

// ReplayLimit is how long a fresh server may take to answer what Replay tells it: clients give up after 60 s.
const ReplayLimit = 45 * time.Second

// ErrChanged is the error of a server that offers less than the client was promised: it cannot go on with it. What is said of
// the server is in its own words, of any length.
var ErrChanged = errors.New("the server offers less than it did at the start of the session")

// Replay tells a fresh server what the session is about, in the client's own words, and swallows its answers. When it has
// been told before, it is told what is new. Its error is ErrChanged, ctx's, context.DeadlineExceeded after ReplayLimit, or
// says what the server did.
func (l *Link) Replay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ReplayLimit)
	defer cancel()
	s := l.session
	s.mu.Lock()
	r := s.record.snapshot()
	s.mu.Unlock()
	if err := l.greet(ctx, r); err != nil {
		return err
	}
	if r.initialize != nil {
		if err := l.restore(ctx, r); err != nil {
			return err
		}
	}
	if err := l.listen(ctx, r); err != nil {
		return err
	}
	if err := l.survey(ctx, r); err != nil {
		return err
	}
	s.mu.Lock()
	l.told.version = r.version
	s.mu.Unlock()
	return nil
}

// greet opens the session with the server, as the client did.
func (l *Link) greet(ctx context.Context, r record) error {
	hello, promised := r.initialize, r.promised
	if hello == nil {
		hello, promised = r.discover, r.discovered
	}
	if hello != nil && l.told.hello != string(hello) {
		answer, err := l.ask(ctx, hello)
		if err != nil {
			return fmt.Errorf("the opening of the session: %w", err)
		}
		if err := keepsPromise(promised, answer.Result); err != nil {
			return err
		}
		l.told.hello, l.told.initialized = string(hello), false
	}
	if r.initialize == nil || r.initialized == nil || l.told.initialized {
		return nil
	}
	l.told.initialized = true
	return l.send(ctx, r.initialized)
}

// restore brings the log level and the subscriptions of 2025-11-25 and before. What the server refuses is left at that.
func (l *Link) restore(ctx context.Context, r record) error {
	tell := func(what string, line []byte) error {
		_, err := l.ask(ctx, line)
		var refused *refusedError
		if errors.As(err, &refused) {
			l.session.log.Warn("a fresh process did not take over a setting of the session", "server", l.session.name, "setting", what)
			return nil
		}
		return err
	}
	if r.level != nil && l.told.level != string(r.level) {
		if err := tell("log level", r.level); err != nil {
			return err
		}
		l.told.level = string(r.level)
	}
	for uri, line := range r.subscriptions {
		if l.told.subscriptions[uri] == string(line) {
			continue
		}
		if err := tell("subscription", line); err != nil {
			return err
		}
		l.told.subscriptions[uri] = string(line)
	}
	for uri := range l.told.subscriptions {
		if r.subscriptions[uri] != nil {
			continue
		}
		uriText, _ := json.Marshal(uri)
		line := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":0,"method":"resources/unsubscribe","params":{"uri":%s}}`+"\n", uriText)
		if err := tell("end of a subscription", line); err != nil {
			return err
		}
		delete(l.told.subscriptions, uri)
	}
	return nil
}

// listen opens the subscriptions of 2026-07-28. They are not answered as long as they last.
func (l *Link) listen(ctx context.Context, r record) error {
	for key, sub := range r.listens {
		if l.told.listens[key] == nil {
			if err := l.send(ctx, sub.line); err != nil {
				return err
			}
			l.told.listens[key] = sub.id
		}
	}
	for key, id := range l.told.listens {
		if r.listens[key] == nil {
			if err := l.send(ctx, withdrawal(id, "the client has ended the subscription")); err != nil {
				return err
			}
			delete(l.told.listens, key)
		}
	}
	return nil
}

// survey asks for the lists that the client has seen, page by page. A server that does not answer well lists nothing new.
func (l *Link) survey(ctx context.Context, r record) error {
	const pages = 1000
	for method, seen := range r.lists {
		if l.lists[method] != "" || seen.digest == "" {
			continue
		}
		l.session.mu.Lock()
		delete(l.stale, changed[method].method) // it is asked only now
		l.session.mu.Unlock()
		var items []string
		line := seen.line
		for range pages {
			answer, err := l.ask(ctx, line)
			var refused *refusedError
			if errors.As(err, &refused) {
				break
			}
			if err != nil {
				return err
			}
			items = append(items, digests(answer.Result, listMember[method])...)
			cursor := jsonrpc.Field(answer.Result, "nextCursor")
			if cursor == nil {
				l.lists[method] = digestOf(items)
				break
			}
			line = withCursor(seen.line, cursor)
		}
	}
	return nil
}

// withCursor is a list request for the page at cursor.
func withCursor(line, cursor []byte) []byte {
	m, err := jsonrpc.ParseOne(line)
	params := map[string]json.RawMessage{}
	if err != nil || m.Params != nil && json.Unmarshal(m.Params, &params) != nil {
		return line
	}
	params["cursor"] = cursor
	b, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 0, "method": m.Method, "params": params}) // it was JSON
	return append(b, '\n')
}

// refusedError is a server's error in answer to a request of ours.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return "the server answered with an error: " + e.text }

// ask sends a request of the client's in the session's own name, and waits for the answer.
func (l *Link) ask(ctx context.Context, line []byte) (jsonrpc.Message, error) {
	m, err := jsonrpc.ParseOne(line)
	if err != nil {
		return m, err
	}
	s := l.session
	s.mu.Lock()
	if l.phase == gone {
		s.mu.Unlock()
		return m, ErrEnded
	}
	id, reply := s.newID(), make(chan jsonrpc.Message, 1)
	l.replies[jsonrpc.Key(id)] = reply
	s.mu.Unlock()
	if err := l.send(ctx, jsonrpc.Replace(line, m.ID, id)); err != nil {
		return m, err
	}
	select {
	case answer, ok := <-reply:
		switch {
		case !ok:
			return answer, ErrEnded
		case answer.Error != nil:
			return answer, &refusedError{jsonrpc.Text(jsonrpc.Field(answer.Error, "message"))}
		}
		return answer, nil
	case <-l.read:
		return m, ErrEnded
	case <-ctx.Done():
		return m, ctx.Err()
	}
}

// snapshot is a copy whose maps are its own. Lines are never written to.
func (c *record) snapshot() record {
	r := *c
	r.subscriptions, r.listens, r.lists = map[string][]byte{}, map[string]*listen{}, map[string]*list{}
	for k, v := range c.subscriptions {
		r.subscriptions[k] = v
	}
	for k, v := range c.listens {
		r.listens[k] = v
	}
	for k, v := range c.lists {
		seen := *v
		r.lists[k] = &seen
	}
	return r
}

// keepsPromise compares what a fresh server says of itself with what the first one said: the protocol version must be the
// same, and every capability still there.
func keepsPromise(promised, now []byte) error {
	if p, n := jsonrpc.Text(jsonrpc.Field(promised, "protocolVersion")), jsonrpc.Text(jsonrpc.Field(now, "protocolVersion")); p != n {
		return fmt.Errorf("%w: protocol version %s instead of %s", ErrChanged, n, p)
	}
	var before, after []string // of server/discover
	_ = json.Unmarshal(jsonrpc.Field(promised, "supportedVersions"), &before)
	_ = json.Unmarshal(jsonrpc.Field(now, "supportedVersions"), &after)
	for _, version := range before {
		if !slices.Contains(after, version) {
			return fmt.Errorf("%w: it lacks the protocol version %s", ErrChanged, version)
		}
	}
	var p, n map[string]any
	if json.Unmarshal(jsonrpc.Field(promised, "capabilities"), &p) != nil {
		return nil // none were promised
	}
	_ = json.Unmarshal(jsonrpc.Field(now, "capabilities"), &n)
	if lost := missing(p, n, ""); len(lost) > 0 {
		return fmt.Errorf("%w: it lacks the capability %v", ErrChanged, lost)
	}
	return nil
}

// missing names what is in p and not in n. A flag that was false promises nothing.
func missing(p, n map[string]any, prefix string) (names []string) {
	for name, value := range p {
		other, ok := n[name]
		inner, isObject := value.(map[string]any)
		switch {
		case value == false:
		case !ok, value == true && other != true:
			names = append(names, prefix+name)
		case isObject:
			otherInner, _ := other.(map[string]any)
			names = append(names, missing(inner, otherInner, prefix+name+".")...)
		}
	}
	slices.Sort(names)
	return names
}
