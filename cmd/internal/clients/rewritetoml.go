package clients

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// expression is a header or a key with its value in a TOML file.
type expression struct {
	header, array bool
	table         []string     // of the header that it stands under
	path          []string     // from the root of the file on
	start, end    int          // of its lines, with the line end
	key, value    int          // where they start; none for a header
	last          int          // behind the value, or the last key of a header
	inline        []expression // of an inline table, with start and end of each key and value
	isInline      bool
}

// edit puts text in the place of bytes.
type edit struct {
	start, end int
	text       string
}

func rewriteTOML(data []byte, changes []change, drop []string) ([]byte, error) {
	all, err := expressions(data)
	if err != nil {
		return nil, err
	}
	nl := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		nl = "\r\n"
	}
	var edits []edit
	for _, c := range changes {
		more, err := (&tomlEntry{change: c, data: data, drop: drop, nl: nl}).edits(all)
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	return apply(data, edits)
}

// apply makes edits, which must not overlap.
func apply(data []byte, edits []edit) ([]byte, error) {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, e := range edits {
		if e.start < at {
			return nil, fmt.Errorf("two servers are written into each other: %w", errNotRewritten)
		}
		out = append(append(out, data[at:e.start]...), e.text...)
		at = e.end
	}
	return append(out, data[at:]...), nil
}

func expressions(data []byte) (all []expression, err error) {
	p := unstable.Parser{KeepComments: true}
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		n := p.Expression()
		if n.Kind == unstable.Comment {
			continue
		}
		e := expression{header: n.Kind != unstable.KeyValue, array: n.Kind == unstable.ArrayTable}
		if e.header {
			table = nil
		}
		e.table = table
		if err := e.locate(n, data); err != nil {
			return nil, err
		}
		e.start = bytes.LastIndexByte(data[:e.key], '\n') + 1
		e.end = len(data)
		if i := bytes.IndexByte(data[e.last:], '\n'); i >= 0 {
			e.end = e.last + i + 1
		}
		if e.header {
			table = e.path
		}
		all = append(all, e)
	}
	if p.Error() != nil {
		return nil, fmt.Errorf("it is not valid TOML: %w", errNotRewritten)
	}
	return all, nil
}

// locate fills in the path of a node and where it is.
func (e *expression) locate(n *unstable.Node, data []byte) error {
	e.path = slices.Clone(e.table)
	first := true
	for it := n.Key(); it.Next(); first = false {
		key := it.Node()
		if first {
			e.key = int(key.Raw.Offset)
		}
		e.path = append(e.path, string(key.Data))
		e.last = int(key.Raw.Offset + key.Raw.Length)
	}
	if e.header {
		return nil
	}
	equals := e.last + bytes.IndexByte(data[e.last:], '=') + 1
	e.value = equals + len(data[equals:]) - len(bytes.TrimLeft(data[equals:], " \t"))
	e.last = int(n.Raw.Offset + n.Raw.Length)
	v := n.Value()
	e.isInline = v.Kind == unstable.InlineTable
	if !e.isInline {
		return nil
	}
	for it := v.Children(); it.Next(); {
		child := expression{table: e.path}
		if it.Node().Kind == unstable.Comment {
			child.array = true // a mark: an inline table with comments is left alone
		} else if err := child.locate(it.Node(), data); err != nil {
			return err
		}
		e.inline = append(e.inline, child)
	}
	return nil
}

// tomlEntry finds the edits for one change.
type tomlEntry struct {
	change
	data []byte
	drop []string
	nl   string

	found  []edit
	done   map[string]bool
	insert int    // where the keys that are not done go; -1: not known yet
	indent string // before them
	prefix []string
}

func (t *tomlEntry) edits(all []expression) ([]edit, error) {
	t.done, t.insert = map[string]bool{}, -1
	header := slices.IndexFunc(all, func(e expression) bool { return e.header && slices.Equal(e.path, t.at) })
	for i, e := range all {
		switch {
		case e.header && e.array && begins(t.at, e.path):
			return nil, fmt.Errorf("%s is in a list of tables: %w", shown(t.at), errNotRewritten)
		case !e.header && e.isInline && begins(t.at, e.path):
			return t.inInline(e)
		case len(e.path) <= len(t.at) || !begins(e.path, t.at):
		case e.header:
			t.section(all, i)
		case len(e.table) <= len(t.at):
			t.line(e)
		}
	}
	rest := t.rest()
	switch {
	case t.insert >= 0:
	case header >= 0:
		t.insert = all[header].end
	default: // nothing but tables beneath it
		i := slices.IndexFunc(all, func(e expression) bool { return e.header && begins(e.path, t.at) })
		if i < 0 {
			return nil, notThere(t.at)
		}
		t.insert, rest = all[i].start, tomlTable(t.at, t.entry, t.nl)+t.nl
	}
	if rest == "" {
		return t.found, nil
	}
	if t.insert == len(t.data) && !bytes.HasSuffix(t.data, []byte("\n")) {
		rest = t.nl + strings.TrimSuffix(rest, t.nl)
	}
	return append([]edit{{t.insert, t.insert, rest}}, t.found...), nil
}

// begins reports whether path starts with the keys of prefix.
func begins(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// rest are the lines of the keys that were not there before.
func (t *tomlEntry) rest() string {
	var b strings.Builder
	for _, key := range ordered(t.entry) {
		if !t.done[key] {
			fmt.Fprintf(&b, "%s%s = %s%s", t.indent, tomlKey(append(slices.Clone(t.prefix), key)...), tomlValue(t.entry[key]), t.nl)
		}
	}
	return b.String()
}

// line replaces a key of the entry in its place, or takes it out. What stands behind it in its line goes with it.
func (t *tomlEntry) line(e expression) {
	key := e.path[len(t.at)]
	value, wanted := t.entry[key]
	dropped := slices.Contains(t.drop, key)
	if t.insert < 0 || dropped {
		t.indent, t.prefix = string(t.data[e.start:e.key]), t.at[len(e.table):]
	}
	switch {
	case wanted && dropped && !t.done[key] && len(e.path) == len(t.at)+1:
		t.done[key] = true
		lineEnd := e.last + len(bytes.TrimRight(t.data[e.last:e.end], "\r\n"))
		t.found = append(t.found, edit{e.value, lineEnd, tomlValue(value)})
		t.insert = e.end
	case dropped:
		t.found = append(t.found, edit{e.start, e.end, ""})
		if t.insert < 0 {
			t.insert = e.start
		}
	case t.insert < 0 && len(t.prefix) > 0:
		t.insert = e.end
	}
}

// section takes out a table of the entry, with the comments in it.
func (t *tomlEntry) section(all []expression, i int) {
	if !slices.Contains(t.drop, all[i].path[len(t.at)]) {
		return
	}
	start, end := all[i].start, all[i].end
	for i++; i < len(all) && !all[i].header; i++ {
		end = all[i].end
	}
	next := len(t.data)
	if i < len(all) {
		next = all[i].start
	}
	// Comments that follow without a gap are the section's own, unless the next header follows them without one.
	behind := end
	for behind < next && t.starts(behind, "#") {
		behind = t.lineFrom(behind)
	}
	if behind >= next && i < len(all) {
		behind = end
	}
	if start == 0 || bytes.HasSuffix(t.data[:start], []byte("\n\n")) || bytes.HasSuffix(t.data[:start], []byte("\n\r\n")) {
		for behind < next && t.starts(behind, "\n") {
			behind = t.lineFrom(behind)
		}
	}
	t.found = append(t.found, edit{start, behind, ""})
}

// starts reports whether the line at an offset starts with text, white space aside.
func (t *tomlEntry) starts(at int, text string) bool {
	return bytes.HasPrefix(bytes.TrimLeft(t.data[at:], " \t\r"), []byte(text))
}

// lineFrom is where the line behind the one at an offset starts.
func (t *tomlEntry) lineFrom(at int) int {
	if i := bytes.IndexByte(t.data[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(t.data)
}

// inInline replaces keys in an entry that is an inline table, or in one.
func (t *tomlEntry) inInline(e expression) ([]edit, error) {
	if !slices.Equal(e.path, t.at) {
		for _, child := range e.inline {
			if !child.array && child.isInline && begins(t.at, child.path) {
				return t.inInline(child)
			}
		}
		return nil, notThere(t.at)
	}
	var parts []string
	for _, child := range e.inline {
		if child.array {
			return nil, fmt.Errorf("%s is an inline table with comments: %w", shown(t.at), errNotRewritten)
		}
		key := child.path[len(t.at)]
		value, wanted := t.entry[key]
		switch {
		case !slices.Contains(t.drop, key):
			parts = append(parts, string(t.data[child.key:child.last]))
		case wanted && !t.done[key]:
			t.done[key] = true
			parts = append(parts, tomlKey(key)+" = "+tomlValue(value))
		}
	}
	for _, key := range ordered(t.entry) {
		if !t.done[key] {
			parts = append(parts, tomlKey(key)+" = "+tomlValue(t.entry[key]))
		}
	}
	return []edit{{e.value, e.last, "{ " + strings.Join(parts, ", ") + " }"}}, nil
}
