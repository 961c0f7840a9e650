package importer

import (
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// hidden stands for what is not printed.
const hidden = "NOT-SHOWN"

// Shown is the text of a server that may be printed: what looks secret in its arguments and its address is left out, and so is
// all that comes from a variable, an input or a file.
func (t Taken) Shown() []byte {
	s := *t.Server
	if s.OAuth != nil {
		o := *s.OAuth
		visit(&o, t.covered, t.coveredRef)
		s.OAuth = &o
	}
	visit(&s, t.covered, t.coveredRef)
	for _, i := range t.Visible {
		s.Args[i] = hidden
	}
	if looksSecret(s.Command) {
		s.Command = hidden
	}
	s.URL = shownAddress(s.URL)
	text, wrong := config.Text(&s, t.comment)
	if wrong != nil { // without what is hidden it may not be valid
		return []byte("# " + s.Name + " is not shown: it would not be valid without what is secret in it\n")
	}
	return text
}

// covered is a text without what was put into it.
func (t Taken) covered(text string) string {
	if cover, found := t.cover[text]; found {
		return cover
	}
	return text
}

func (t Taken) coveredRef(r secrets.Ref) secrets.Ref {
	switch r.Kind {
	case secrets.Literal:
		if cover, found := t.cover[r.Value.Reveal()]; found {
			return secrets.LiteralRef(cover)
		}
	case secrets.File:
		if cover, found := t.cover[r.Name]; found {
			r.Name = cover
		}
	}
	return r
}

// hide has Shown print cover in the place of text.
func (c *conversion) hide(text, cover string) {
	if cover == hidden {
		cover = form(text)
	}
	if text != cover {
		c.cover[text] = cover
	}
}

// hideAddress has Shown print the address, which text was made of, without what was put into it.
func (c *conversion) hideAddress(text string) {
	var shown strings.Builder
	for _, p := range c.from.URL {
		t, _ := c.part(p) // it has succeeded before
		shown.WriteString(cover(p, t))
	}
	address, _, _ := strings.Cut(strings.TrimSpace(shown.String()), "#")
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		c.hide(text, hidden)
		return
	}
	if u.User != nil {
		u.User = nil
		address = u.String()
	}
	c.hide(text, address)
}

// cover is what may be printed of a part whose text is text.
func cover(p clients.Part, text string) string {
	own := p.Variable != "" && p.Default != nil && text == *p.Default // it stands in the file
	if text == "" || p.Variable == "" && p.Input == nil && p.Path == "" || own && !namesSecret(p.Variable) {
		return text
	}
	return hidden
}

// form is what stands for a whole text, such that a path stays one and an address, too.
func form(text string) string {
	if filepath.IsAbs(text) {
		return string(filepath.Separator) + hidden
	}
	if scheme, _, found := strings.Cut(text, "://"); found && (scheme == "http" || scheme == "https") {
		return scheme + "://" + hidden
	}
	return hidden
}

// shownAddress is one without its query, and without the parts of its path that look secret.
func shownAddress(address string) string {
	address, _, query := strings.Cut(address, "?")
	parts := strings.Split(address, "/")
	for i, part := range parts {
		if i > 2 && secretSegment(part) {
			parts[i] = hidden
		}
	}
	address = strings.Join(parts, "/")
	if query {
		address += "?" + hidden
	}
	return address
}

// secretSegment reports whether a part of the path of an address looks secret.
func secretSegment(part string) bool {
	if plain, err := url.PathUnescape(part); err == nil {
		part = plain
	}
	return looksSecret(part)
}

// visit changes what a person has written in a server or its oauth_config, and copies what holds it.
func visit[T any](v *T, text func(string) string, ref func(secrets.Ref) secrets.Ref) {
	value := reflect.ValueOf(v).Elem()
	for _, f := range reflect.VisibleFields(value.Type()) {
		if f.Tag.Get("hcl") == "" {
			continue
		}
		switch p := value.FieldByIndex(f.Index).Addr().Interface().(type) {
		case *string:
			*p = text(*p)
		case *[]string:
			*p = slices.Clone(*p)
			for i := range *p {
				(*p)[i] = text((*p)[i])
			}
		case *secrets.Ref:
			*p = ref(*p)
		case *map[string]secrets.Ref:
			all := make(map[string]secrets.Ref, len(*p))
			for name, r := range *p {
				all[name] = ref(r)
			}
			if *p != nil {
				*p = all
			}
		}
	}
}

// refs are the references of a server, in no order.
func refs(s *config.Server) (list []secrets.Ref) {
	take := func(r secrets.Ref) secrets.Ref { list = append(list, r); return r }
	same := func(text string) string { return text }
	one := *s
	visit(&one, same, take)
	if s.OAuth != nil {
		o := *s.OAuth
		visit(&o, same, take)
	}
	return list
}

// Variables are those of the environment that `bearerd exec` needs for a server: its own, and what the configuration around it
// refers to.
func Variables(cfg *config.Config, s *config.Server) []string {
	all := append(refs(s), cfg.Store.Identity)
	if cfg.Vault != nil {
		auth := cfg.Vault.Auth
		visit(&auth, func(text string) string { return text }, func(r secrets.Ref) secrets.Ref { all = append(all, r); return r })
	}
	names := slices.Clone(s.PassEnv)
	for _, r := range all {
		if r.Kind == secrets.Env {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
