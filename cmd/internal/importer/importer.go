// Package importer turns what the file of an MCP client says into servers of bearerd's configuration: it decides what is a
// secret, what a name becomes, and what cannot be carried over. It writes no file and keeps no secret itself.
package importer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// World is what the importer knows of where it runs.
type World struct {
	Have   *config.Config                                     // the configuration that the servers are added to
	Home   string                                             // the home directory; "": there is none
	Lookup func(name string) (value string, ok bool)          // a variable of the environment
	Read   func(path string) ([]byte, error)                  // a file that a value is made of
	Ask    func(in *clients.Input) (value string, given bool) // an input of the client; nil: none is known
	// Compare tells whether the store has a secret of that name, which is left as it is, and whether it is this one. nil: it has none.
	Compare func(name string, value secrets.Secret) (there, same bool)
}

// other reports whether the store has another secret of that name.
func (w World) other(name string, value secrets.Secret) bool {
	if w.Compare == nil {
		return false
	}
	there, same := w.Compare(name, value)
	return there && !same
}

// lacks reports whether the store has no secret of that name.
func (w World) lacks(name string, value secrets.Secret) bool {
	if w.Compare == nil {
		return false
	}
	there, _ := w.Compare(name, value)
	return !there
}

// Taken is what became of one entry of a file.
type Taken struct {
	Name    string   // in the file
	At      []string // where it is in there
	Server  *config.Server
	Text    []byte                    // of Server, to be added to the configuration; nil: nothing is
	Why     string                    // it was left out; then there is no Server. Holds no value
	Old     bool                      // Server is one that the configuration has already
	Own     bool                      // the entry uses bearerd already; then there is no Server
	Notes   []string                  // for the person; they hold no value
	Secrets map[string]secrets.Secret // to be kept in the store, by name
	Wanted  []string                  // names of secrets that are to be set, as they are not known
	Visible []int                     // arguments that look as if they were secret, from 0

	cover   map[string]string // what Shown prints in the place of texts that something was put into
	comment string            // above Text
}

// Plan is what is to be added to a configuration.
type Plan struct {
	World
	byName map[string]*config.Server            // in lower case: those of the configuration, and those taken so far
	bound  map[string]map[string]secrets.Secret // the secrets of the entry that a server is already taken for, by name as above
	format *clients.Format                      // of the file that is taken
	origin string
}

// New is a plan that adds nothing yet.
func New(w World) *Plan {
	p := &Plan{World: w, byName: map[string]*config.Server{}, bound: map[string]map[string]secrets.Secret{}}
	for _, s := range w.Have.Servers {
		p.byName[strings.ToLower(s.Name)] = s
	}
	return p
}

// Take turns the servers of a file into such of bearerd, in their order. What it decides follows from the file, the
// configuration and the answers alone, so that the same again finds everything there. origin is told in a comment above each.
func (p *Plan) Take(file *clients.File, origin string) (list []Taken) {
	p.format, p.origin = file.Format, origin
	for _, s := range file.Servers {
		var t Taken
		if t.Own, t.Notes = usesBearerd(s, p.Have); !t.Own {
			t = p.take(s)
		}
		t.Name, t.At = s.Name, s.At
		list = append(list, t)
	}
	return list
}

// take asks a person only for what the configuration does not have.
func (p *Plan) take(s clients.Server) Taken {
	ask := p.Ask
	p.Ask = nil
	t := p.named(s)
	if p.Ask = ask; !t.Old && ask != nil {
		t = p.named(s)
	}
	if t.Server == nil {
		return t
	}
	key := strings.ToLower(t.Server.Name)
	_, bound := p.bound[key]
	p.bound[key] = t.Secrets
	if t.Old { // what is to be said of it was said when it was added
		t.Text, t.Wanted, t.Notes, t.Secrets = nil, nil, nil, maps.Clone(t.Secrets)
		maps.DeleteFunc(t.Secrets, func(name string, value secrets.Secret) bool { return bound || !p.lacks(name, value) })
		if len(t.Secrets) > 0 {
			t.Notes = []string{"the store had lost its secrets, which are kept there again"}
		}
		return t
	}
	t.comment = fmt.Sprintf("%s, imported from %s (%s)", s.Name, p.origin, p.format.Title)
	text, wrong := config.Text(t.Server, t.comment)
	if wrong != nil {
		return Taken{Why: reasons(wrong)}
	}
	t.Text, p.byName[key] = text, t.Server
	return t
}

// named converts s under the first name that is free, or that a server of the same form with the same secrets has.
func (p *Plan) named(s clients.Server) Taken {
	apart := ""
	for n := 0; ; n++ {
		t := p.convert(s, candidate(s.Name, p.format.Name, n))
		if t.Server == nil {
			return t
		}
		key := strings.ToLower(t.Server.Name)
		other := p.byName[key]
		if other == nil {
			if apart != "" {
				t.Notes = append(t.Notes, fmt.Sprintf("%q is the same with other secrets: this one is a server of its own", apart))
			}
			return t
		}
		if !config.Same(other, t.Server) {
			continue
		}
		if p.sameSecrets(key, t.Secrets) {
			t.Server, t.Old = other, true
			return t
		}
		if apart == "" {
			apart = other.Name
		}
	}
}

// sameSecrets reports whether a server that is there has no other secrets than these.
func (p *Plan) sameSecrets(key string, values map[string]secrets.Secret) bool {
	if held, bound := p.bound[key]; bound {
		return maps.EqualFunc(held, values, secrets.Secret.Equal)
	}
	for name, value := range values {
		if p.other(name, value) {
			return false
		}
	}
	return true
}

// reasons says in one line what the configuration has against a server.
func reasons(wrong config.Diagnostics) string {
	var list []string
	for _, d := range wrong {
		list = append(list, d.Message+": "+d.Remedy)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), "; ")
}
