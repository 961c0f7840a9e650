package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"bearerd/secrets"
)

// Class says what a change of a field does to what runs.
type Class string

// The classes, as the reload tags of the fields name them.
const (
	Live    Class = "live"    // in force at once, for the next request
	Retoken Class = "retoken" // the token belongs to another credential: a new one is acquired
	Respawn Class = "respawn" // a running child has been started with the old value
	Rebind  Class = "rebind"  // served at another address
	Restart Class = "restart" // bearerd has to be restarted: the edit is refused whole

	none Class = "none" // no change by itself
)

// Action is what happens to a server.
type Action string

// The actions. A block beside servers is only ever changed.
const (
	Add    Action = "add"
	Remove Action = "remove"
	Modify Action = "change"
	Rename Action = "rename"
)

// Change is what a reload does to one server, or to a block beside servers.
type Change struct {
	Action Action  `json:"action"`
	Server string  `json:"server,omitempty"` // "": a block beside servers
	From   string  `json:"from,omitempty"`   // the old name of a renamed server
	Block  string  `json:"block,omitempty"`  // log, store "file", …
	Fields []Field `json:"fields,omitempty"` // of a changed or renamed one
}

// Field is one value that differs; one entry of an object, one list as a whole. Old and New are left out where a value
// could be secret, and where what may be shown of them is the same.
type Field struct {
	Name  string `json:"name"`
	Class Class  `json:"class"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Changes is what a reload does: the blocks beside servers first, then the servers by name.
type Changes []Change

// Classes lists the classes of the changed fields, each once.
func (c Change) Classes() (list []Class) {
	for _, f := range c.Fields {
		if !slices.Contains(list, f.Class) {
			list = append(list, f.Class)
		}
	}
	return list
}

// RestartRequired names the values that are in force after a restart only, as in: store "file": path. When there are any,
// nothing of the edit may be applied.
func (cs Changes) RestartRequired() (list []string) {
	for _, c := range cs {
		for _, f := range c.Fields {
			if f.Class == Restart {
				list = append(list, c.Block+": "+f.Name)
			}
		}
	}
	return list
}

// Compare says what a reload from one configuration to the other does. It looks at values only, so comments, order and
// white space are no change.
func Compare(from, to *Config) (changes Changes) {
	for _, b := range []struct {
		name   string
		fields []Field
	}{
		{"log", differ("", Live, &from.Log, &to.Log)},
		{fileStore, differ("", Restart, &from.Store, &to.Store)},
		{vaultStore, differ("", Restart, from.Shared, to.Shared)},
		{"vault", differVault(from.Vault, to.Vault)},
		{"proxy", differ("", Restart, &from.Proxy, &to.Proxy)},
		{"admin", differ("", Restart, &from.Admin, &to.Admin)},
		{"use", differ("", Restart, from.Use, to.Use)},
	} {
		if len(b.fields) > 0 {
			changes = append(changes, Change{Action: Modify, Block: b.name, Fields: b.fields})
		}
	}
	servers := compareServers(from.byName(), to.byName())
	slices.SortFunc(servers, func(a, b Change) int { return cmp.Compare(a.Server, b.Server) })
	return append(changes, servers...)
}

func (c *Config) byName() map[string]*Server {
	m := make(map[string]*Server, len(c.Servers))
	for _, s := range c.Servers {
		m[s.Name] = s
	}
	return m
}

func compareServers(from, to map[string]*Server) (changes Changes) {
	moved := map[string]bool{}
	for name, s := range to {
		old, before := from[name], from[s.MovedFrom]
		switch {
		case old != nil:
			if fields := differServer(old, s); len(fields) > 0 {
				changes = append(changes, Change{Action: Modify, Server: name, Fields: fields})
			}
		case before != nil && to[s.MovedFrom] == nil:
			moved[s.MovedFrom] = true
			changes = append(changes, Change{Action: Rename, Server: name, From: s.MovedFrom, Fields: differServer(before, s)})
		default:
			changes = append(changes, Change{Action: Add, Server: name})
		}
	}
	for name := range from {
		if to[name] == nil && !moved[name] {
			changes = append(changes, Change{Action: Remove, Server: name})
		}
	}
	return changes
}

// differServer adds to the classes of the tags what follows from several values together: where the token goes, and whether
// there is one at all.
func differServer(from, to *Server) []Field {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	fields := differ("", Restart, from, to)
	before, after := from.OAuth, to.OAuth
	if before == nil {
		before = DefaultOAuth() // an absent block is as one that is not enabled
	}
	if after == nil {
		after = DefaultOAuth()
	}
	fields = append(fields, differ("", Restart, before, after)...)
	if from.Made != to.Made { // what it may reach depends on who wrote it
		fields = append(fields, Field{Name: "made by the API", Class: Live, Old: fmt.Sprint(from.Made), New: fmt.Sprint(to.Made)})
	}
	tokens := before.Enabled || after.Enabled
	moved := from.belongs() != to.belongs()
	for i, f := range fields {
		if f.Class == Retoken && (!tokens || f.Name == "url" && !moved) {
			fields[i].Class = Live
		}
	}
	if tokens && moved && from.URL == to.URL && from.upstream() != to.upstream() { // by the arguments of a remote program
		fields = append(fields, Field{Name: "upstream", Class: Retoken})
	}
	return fields
}

// belongs is what of upstream's address a token belongs to: its origin, and where metadata is sought there all of it.
func (s *Server) belongs() string {
	if o := s.OAuth; o != nil && o.ServerURL == "" && (o.Delegated() || o.Discovers()) {
		return s.upstream()
	}
	return s.Origin()
}

// differVault compares two connections; nil is none.
func differVault(from, to *secrets.Connection) []Field {
	before, after := secrets.Connection{}, secrets.Connection{}
	if from != nil {
		before = *from
	}
	if to != nil {
		after = *to
	}
	fields := differ("", Restart, &before, &after)
	if before.Auth.Method != after.Auth.Method {
		fields = append(fields, Field{Name: "auth", Class: Restart, Old: orNone(before.Auth.Method), New: orNone(after.Auth.Method)})
	}
	return append(fields, differ("auth.", Restart, &before.Auth, &after.Auth)...)
}

// differ compares two structs by the fields that have an hcl tag; nil is the zero struct. class is that of a field without
// a reload tag, prefix comes before its name.
func differ[T any](prefix string, class Class, from, to *T) (list []Field) {
	var zero T
	a, b := reflect.ValueOf(cmp.Or(from, &zero)).Elem(), reflect.ValueOf(cmp.Or(to, &zero)).Elem()
	for _, f := range attributes(a.Type()) {
		of := class
		if tag := f.Tag.Get("reload"); tag != "" {
			of = Class(tag)
		}
		if of == none {
			continue
		}
		list = append(list, differValue(prefix, f, of, a.FieldByIndex(f.Index), b.FieldByIndex(f.Index))...)
	}
	return list
}

func differValue(prefix string, f reflect.StructField, class Class, from, to reflect.Value) (list []Field) {
	name := f.Tag.Get("hcl")
	if from.Kind() == reflect.Slice && from.Len() == 0 && to.Len() == 0 && name != "OAUTH_RESOURCE" {
		return nil // an empty list is as none, but for a resource
	}
	x, y := from.Interface(), to.Interface()
	if m, ok := x.(map[string]secrets.Ref); ok {
		return differMap(prefix+name, class, m, y.(map[string]secrets.Ref))
	}
	if reflect.DeepEqual(x, y) {
		return nil
	}
	field := Field{Name: prefix + name, Class: class}
	before, ok1 := show(name, from)
	after, ok2 := show(name, to)
	if ok1 && ok2 && before != after {
		field.Old, field.New = before, after
	}
	return []Field{field}
}

func differMap(name string, class Class, from, to map[string]secrets.Ref) (list []Field) {
	all := maps.Clone(from)
	if all == nil {
		all = map[string]secrets.Ref{}
	}
	maps.Copy(all, to)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		a, hadIt := from[key]
		b, hasIt := to[key]
		if hadIt != hasIt || !reflect.DeepEqual(a, b) {
			list = append(list, Field{Name: name + "." + nameOnly(key), Class: class})
		}
	}
	return list
}

// show is what may be shown of a value; false: nothing.
func show(name string, v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case secrets.Ref:
		return orNone(x.String()), true // of a literal, that it is one
	case string:
		return showText(name, x)
	case []string:
		var words []string
		for _, s := range x {
			word, ok := showText(name, s)
			if !ok {
				return "", false
			}
			words = append(words, word)
		}
		return orNone(strings.Join(words, ", ")), true
	case *bool:
		if x == nil {
			return orNone(""), true
		}
		return fmt.Sprint(*x), true
	}
	return fmt.Sprint(v.Interface()), true // numbers, durations, true and false
}

// showText shows a URL up to its host, and nothing of what could hold a secret.
func showText(name, text string) (string, bool) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return orNone(""), true
	case sensitive[name]:
		return "", false
	case err == nil && u.Scheme != "" && u.Host != "":
		return printable(u.Scheme + "://" + u.Host), true
	case urls[name], strings.ContainsAny(text, `@?#\`), strings.Contains(text, "://"):
		return "", false
	}
	return printable(text), true
}

func orNone(s string) string { return cmp.Or(s, "(none)") }

var attributeCache sync.Map // reflect.Type → []reflect.StructField: of ten thousand servers all are looked at

// attributes are the fields of a struct that have an hcl tag, those of embedded structs included, in their order.
func attributes(t reflect.Type) []reflect.StructField {
	if list, ok := attributeCache.Load(t); ok {
		return list.([]reflect.StructField)
	}
	list := slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Tag.Get("hcl") == "" })
	attributeCache.Store(t, list)
	return list
}
