package clients

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// change is a new entry, and where it goes.
type change struct {
	at    []string
	entry map[string]any // its keys are all among Format.drop
}

// Rewrite is the file with launches in the places of servers; the keys of launches are Server.At joined by a zero byte. All
// else stays byte by byte: comments, order, white space, and what an entry says beside how its server is reached. A file that
// is written in a way that would not allow this is refused.
func (f *Format) Rewrite(data []byte, launches map[string]Launch) ([]byte, error) {
	body, err := plainText(data)
	if err != nil {
		return nil, err
	}
	mark := data[:len(data)-len(body)]
	var changes []change
	for _, at := range slices.Sorted(maps.Keys(launches)) {
		entry, err := f.launch(launches[at])
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(entry, func(key string, _ any) bool { return !slices.Contains(f.drop, key) })
		c := change{entry: entry}
		if at != "" { // else the whole file is the entry
			c.at = strings.Split(at, "\x00")
		}
		changes = append(changes, c)
	}
	before, err := decode(body, f.toml)
	if err != nil {
		return nil, err
	}
	rewrite := rewriteJSON
	if f.toml {
		rewrite = rewriteTOML
	}
	out, err := rewrite(body, changes, f.drop)
	if err != nil {
		return nil, err
	}
	if err := f.check(before, out, changes); err != nil {
		return nil, err
	}
	return append(slices.Clone(mark), out...), nil
}

// check makes sure that out says what before says but for the changes: an edit of text must not be trusted blindly.
func (f *Format) check(before map[string]any, out []byte, changes []change) error {
	after, err := decode(out, f.toml)
	if err != nil {
		return fmt.Errorf("the changed file would not be readable: %w", errNotRewritten)
	}
	for _, c := range changes {
		entry, ok := lookUp(before, c.at).(map[string]any)
		if !ok {
			return notThere(c.at)
		}
		for _, key := range f.drop {
			delete(entry, key)
		}
		for key, value := range c.entry {
			entry[key] = plain(value)
		}
	}
	if !reflect.DeepEqual(before, after) {
		return fmt.Errorf("the changed file would not say the same: %w", errNotRewritten)
	}
	return nil
}

var errNotRewritten = errors.New("nothing was changed; put in what `bearerd client-config NAME --for CLIENT` prints by hand")

func notThere(at []string) error {
	return fmt.Errorf("there is no entry %s that could be replaced: %w", shown(at), errNotRewritten)
}

func shown(at []string) string { return strings.Join(at, " → ") }

func lookUp(v any, at []string) any {
	for _, key := range at {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// plain is a value of an entry as it is decoded.
func plain(v any) any {
	switch v := v.(type) {
	case []string:
		list := make([]any, 0, len(v))
		for _, s := range v {
			list = append(list, s)
		}
		return list
	case map[string]string:
		return plain(values(v))
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			m[key] = plain(value)
		}
		return m
	}
	return v
}
