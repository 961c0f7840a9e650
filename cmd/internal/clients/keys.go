package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// entry is what was found out of one server's entry beside the server.
type entry struct {
	lost  []string
	said  []string
	wrong error // the first value of a type that cannot be: the entry is left out
}

// keys are the keys of an entry, or of an object in it. What is asked for is read; rest tells what was not.
type keys struct {
	*entry
	under  string // what stands before a key in messages, such as "oauth."
	values map[string]any
	read   map[string]bool
	expand func(text string) Text // turns the placeholders of the client into parts
}

// value is what stands at a key; null is the same as nothing.
func (k keys) value(key string) any {
	k.read[key] = true
	return k.values[key]
}

func (k keys) has(key string) bool { return k.values[key] != nil }

// skip marks keys as read whose values say nothing about the server.
func (k keys) skip(names ...string) {
	for _, key := range names {
		k.read[key] = true
	}
}

// lose tells that a key is not taken over.
func (k keys) lose(key string) {
	k.read[key] = true
	if !empty(k.values[key]) {
		k.lost = append(k.lost, k.under+key)
	}
}

// rest loses all keys that were not read; those that start with _ or $ are comments of their writers.
func (k keys) rest() {
	for _, key := range slices.Sorted(maps.Keys(k.values)) {
		if !k.read[key] && !strings.HasPrefix(key, "_") && !strings.HasPrefix(key, "$") {
			k.lose(key)
		}
	}
}

// empty reports whether a value that is not taken over is no loss: it says nothing, or that something is switched off.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0 || v["enabled"] == false
	}
	return false
}

func (k keys) refuse(key, want string) {
	if k.wrong == nil {
		k.wrong = fmt.Errorf("%s is not %s", k.under+key, want)
	}
}

// text is the text at a key; nil: there is none. A number and a boolean are the text they are written as.
func (k keys) text(key string) Text {
	value := k.value(key)
	if value == nil {
		return nil
	}
	s, ok := scalar(value)
	if !ok {
		k.refuse(key, "a text")
		return nil
	}
	return k.expand(s)
}

// texts are those of a list.
func (k keys) texts(key string) []Text {
	value := k.value(key)
	if value == nil {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		k.refuse(key, "a list of texts")
		return nil
	}
	texts := make([]Text, 0, len(list))
	for _, item := range list {
		s, ok := scalar(item)
		if !ok {
			k.refuse(key, "a list of texts")
			return nil
		}
		texts = append(texts, k.expand(s))
	}
	return texts
}

// table is an object of texts. One that is null is left out and told.
func (k keys) table(key string) map[string]Text {
	value := k.value(key)
	if value == nil {
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		k.refuse(key, "an object of texts")
		return nil
	}
	table := make(map[string]Text, len(object))
	for name, item := range object {
		s, ok := scalar(item)
		switch {
		case item == nil:
			k.lost = append(k.lost, k.under+key+"."+name)
		case !ok:
			k.refuse(key+"."+name, "a text")
		default:
			table[name] = k.expand(s)
		}
	}
	return table
}

// name is a text in which nothing is put in; "": there is none.
func (k keys) name(key string) string {
	k.expand = literal
	name, _ := k.text(key).Plain()
	return name
}

// flag is a boolean.
func (k keys) flag(key string) (value, there bool) {
	v := k.value(key)
	if v == nil {
		return false, false
	}
	value, there = v.(bool)
	if !there {
		k.refuse(key, "true or false")
	}
	return value, there
}

// object are the keys of an object at a key; ok is false where there is none.
func (k keys) object(key string) (inner keys, ok bool) {
	value := k.value(key)
	if value == nil {
		return keys{}, false
	}
	object, ok := value.(map[string]any)
	if !ok {
		k.refuse(key, "an object")
		return keys{}, false
	}
	inner = k
	inner.under, inner.values, inner.read = k.under+key+".", object, map[string]bool{}
	return inner, true
}

func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// joined names a place in a file in a message.
func joined(at []string) string { return strings.Join(at, ".") }
