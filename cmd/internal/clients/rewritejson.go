package clients

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

func rewriteJSON(data []byte, changes []change, drop []string) ([]byte, error) {
	root, err := hujson.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("it is not valid JSON: %w", errNotRewritten) // the parser's words may quote a value
	}
	for _, c := range changes {
		found := find(&root, c.at)
		if len(found) == 0 {
			return nil, notThere(c.at)
		}
		for _, v := range found {
			object, ok := v.Value.(*hujson.Object)
			if !ok {
				return nil, notThere(c.at)
			}
			replaceMembers(object, c.entry, drop)
		}
	}
	return root.Pack(), nil
}

// find is what stands at a path. A name may be given twice: clients heed the last one, but the others hold secrets, too.
func find(v *hujson.Value, at []string) (found []*hujson.Value) {
	if len(at) == 0 {
		return []*hujson.Value{v}
	}
	switch in := v.Value.(type) {
	case *hujson.Object:
		for i := range in.Members {
			if nameOf(in.Members[i]) == at[0] {
				found = append(found, find(&in.Members[i].Value, at[1:])...)
			}
		}
	case *hujson.Array:
		if i, err := strconv.Atoi(at[0]); err == nil && i >= 0 && i < len(in.Elements) {
			return find(&in.Elements[i], at[1:])
		}
	}
	return found
}

func nameOf(m hujson.ObjectMember) string {
	name, _ := m.Name.Value.(hujson.Literal)
	return name.String()
}

// layout is how the members of an object are written.
type layout struct {
	first, next hujson.Extra // the white space before the first and before each other member
	nl, unit    string       // as for render
}

func layoutOf(o *hujson.Object) layout {
	l := layout{next: hujson.Extra(" ")}
	if len(o.Members) == 0 {
		return l
	}
	l.first = indentation(o.Members[0].Name.BeforeExtra)
	l.nl, l.unit = string(l.first), "  "
	if !strings.Contains(l.nl, "\n") {
		l.nl = ""
		return l
	}
	l.next = l.first
	if unit, ok := strings.CutPrefix(l.nl, string(indentation(o.AfterExtra))); ok && unit != "" && !strings.Contains(unit, "\n") {
		l.unit = unit
	}
	return l
}

// indentation is the white space at the end of an extra, from its last line end on.
func indentation(e hujson.Extra) hujson.Extra {
	space := e[len(bytes.TrimRight(e, " \t\r\n")):]
	if i := bytes.LastIndexByte(space, '\n'); i > 0 && space[i-1] == '\r' {
		return space[i-1:]
	} else if i >= 0 {
		return space[i:]
	}
	return space
}

// replaceMembers puts the members of an entry where those of the same name are, the new ones behind them, and takes out what
// else is to be dropped. Comments inside of what goes, and behind it in its line, go with it.
func replaceMembers(o *hujson.Object, entry map[string]any, drop []string) {
	l := layoutOf(o)
	trailing := len(o.Members) > 0 && o.Members[len(o.Members)-1].Value.AfterExtra != nil
	var kept []hujson.ObjectMember
	done, at := map[string]bool{}, -1
	var carry hujson.Extra // the comments above what was taken out
	for i, m := range o.Members {
		name := nameOf(m)
		m.Name.BeforeExtra, carry = joinExtras(carry, m.Name.BeforeExtra), nil
		value, wanted := entry[name]
		switch {
		case !slices.Contains(drop, name):
			kept = append(kept, m)
			continue
		case wanted && !done[name]:
			done[name] = true
			m.Value.Value, m.Name.AfterExtra = hujson.Literal(render(value, l.nl, l.unit)), nil
			m.Value.BeforeExtra, m.Value.AfterExtra = blank(m.Value.BeforeExtra), nil
			kept = append(kept, m)
			at = len(kept)
		default:
			if at < 0 {
				at = len(kept)
			}
			if commented(m.Name.BeforeExtra) {
				carry = m.Name.BeforeExtra
			}
		}
		behind := &o.AfterExtra
		if i+1 < len(o.Members) {
			behind = &o.Members[i+1].Name.BeforeExtra
		}
		*behind = sameLine.ReplaceAll(*behind, []byte("$1"))
	}
	o.AfterExtra = joinExtras(carry, o.AfterExtra)
	if at < 0 {
		at = len(kept)
	}
	o.Members = slices.Insert(kept, at, newMembers(entry, done, l, at)...)
	endMembers(o, trailing)
}

// sameLine is what stands behind a value in its line: block comments that end the line, or one to the end of it.
var sameLine = regexp.MustCompile(`^[ \t]*(?:/\*(?:[^*]|\*+[^*/])*\*+/[ \t]*)*(?://[^\r\n]*|(\r?\n))`)

func commented(e hujson.Extra) bool { return len(bytes.TrimSpace(e)) > 0 }

// blank is an extra without comments.
func blank(e hujson.Extra) hujson.Extra {
	if commented(e) {
		return hujson.Extra(" ")
	}
	return e
}

// joinExtras is next with the comments of carry above it.
func joinExtras(carry, next hujson.Extra) hujson.Extra {
	if carry == nil {
		return next
	}
	rest := bytes.TrimLeft(next, " \t")
	if bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n")) {
		return append(bytes.TrimRight(carry, " \t\r\n"), next...)
	}
	return append(bytes.Clone(carry), rest...)
}

// newMembers are those of an entry that are not done; they become members of an object from index at on.
func newMembers(entry map[string]any, done map[string]bool, l layout, at int) (fresh []hujson.ObjectMember) {
	for _, key := range ordered(entry) {
		if done[key] {
			continue
		}
		var m hujson.ObjectMember
		m.Name.BeforeExtra, m.Name.Value = l.next, hujson.String(key)
		if at+len(fresh) == 0 {
			m.Name.BeforeExtra = l.first
		}
		m.Value.BeforeExtra, m.Value.Value = hujson.Extra(" "), hujson.Literal(render(entry[key], l.nl, l.unit))
		fresh = append(fresh, m)
	}
	return fresh
}

// endMembers gives the last member a trailing comma or none: an extra behind it, even an empty one, means a comma.
func endMembers(o *hujson.Object, trailing bool) {
	if len(o.Members) == 0 {
		return
	}
	last := &o.Members[len(o.Members)-1].Value
	switch {
	case trailing && last.AfterExtra == nil:
		last.AfterExtra = hujson.Extra{}
	case !trailing && last.AfterExtra != nil:
		o.AfterExtra, last.AfterExtra = append(bytes.Clone(last.AfterExtra), o.AfterExtra...), nil
	}
}
