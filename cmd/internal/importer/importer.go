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
	Held   func(name string) bool                             // whether the store has a secret of that name; it is left as it is
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
		t := Taken{Own: usesBearerd(s, p.Have)}
		if !t.Own {
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
	p.bound[key] = t.Secrets
	if t.Old {
		if len(t.Secrets) > 0 {
			t.Notes = append(t.Notes, "its secrets in the store stay as they are; they were not compared with those in the file")
		}
		t.Text, t.Secrets, t.Wanted = nil, nil, nil
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

// named converts s under the first name that is free, or that a server of the same form has.
func (p *Plan) named(s clients.Server) Taken {
	for n := 0; ; n++ {
		t := p.convert(s, candidate(s.Name, p.format.Name, n))
		if t.Server == nil {
			return t
		}
		key := strings.ToLower(t.Server.Name)
		other := p.byName[key]
		if other == nil {
			return t
		}
		held, bound := p.bound[key]
		if config.Same(other, t.Server) && (!bound || maps.EqualFunc(held, t.Secrets, secrets.Secret.Equal)) {
			t.Server, t.Old = other, true
			return t
		}
	}
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
