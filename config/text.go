package config

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"bearerd/secrets"
)

// Text is a server block as a person would write it: below the lines of comment, each attribute that differs from its
// default. It is read again as Load would, alone, and what comes out must be s: else there is no text, and each Diagnostic
// names the Field that was refused, and no value but what Load itself shows. Paths must be absolute. What the server has
// from other blocks (of Local) is written out.
func Text(s *Server, comment ...string) ([]byte, Diagnostics) {
	attributes, oauth := names(reflect.TypeFor[Server]()), names(reflect.TypeFor[OAuth]())
	f := hclwrite.NewEmptyFile()
	body := f.Body().AppendNewBlock("server", []string{s.Name}).Body()
	writeAttributes(body, s, DefaultServer(s.Name), attributes)
	if s.OAuth != nil {
		writeAttributes(body.AppendNewBlock("oauth_config", nil).Body(), s.OAuth, DefaultOAuth(), oauth)
	}
	text := hclwrite.Format(f.Bytes())
	if wrong := tooManySigns(s.Name, text); wrong != nil {
		return nil, wrong
	}
	if wrong := readBack(s, &source{path: s.Name + ".hcl", dir: "/", bytes: bytes.Clone(text)}, Admin{}, attributes, oauth); wrong != nil {
		return nil, wrong
	}
	var head strings.Builder
	for _, line := range comment {
		head.WriteString("# " + printable(line) + "\n")
	}
	return append([]byte(head.String()), text...), nil
}

// Writable reports whether a file gives back a text as it is: without control characters, and composed (NFC), as HCL makes it.
func Writable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl) && cty.NormalizeString(text) == text
}

// names are the attributes of a block, in the order in which its struct has them.
func names(t reflect.Type) (list []string) {
	for _, f := range attributes(t) {
		list = append(list, f.Tag.Get("hcl"))
	}
	return list
}

// alike are the attributes in which two servers may differ and be Same: where they are served, and what they were.
var alike = append([]string{"socket_mode", "socket_group", "moved_from"}, follows...)

// Same reports whether two servers are reached in the same way and get the same token. Their names, and what they have from
// other blocks, may differ.
func Same(a, b *Server) bool {
	for _, f := range attributes(reflect.TypeFor[Server]()) {
		x, y := reflect.ValueOf(a).Elem().FieldByIndex(f.Index), reflect.ValueOf(b).Elem().FieldByIndex(f.Index)
		if !slices.Contains(alike, f.Tag.Get("hcl")) && !reflect.DeepEqual(x.Interface(), y.Interface()) {
			return false
		}
	}
	return reflect.DeepEqual(a.OAuth, b.OAuth)
}

// Empty is the configuration in which nothing is written, for whoever makes the first file. path is where that will be.
func Empty(path string) (*Config, Diagnostics) {
	l := &loader{}
	t := newTree()
	t.cfg.Store.Path = l.statePath(&source{path: path})
	l.assemble(t)
	if l.diags.HasErrors() {
		return nil, l.diags
	}
	return t.cfg, l.diags
}

// RemoteArguments is where in Args those of the mcp-remote package begin, behind those of the program that runs it; not ok:
// the command is another one.
func (s *Server) RemoteArguments() (from int, ok bool) {
	if at := s.packageArgument(); at >= 0 {
		return at + 1, true
	}
	return 0, isMCPRemote(s.Command)
}

// Uses reports whether the server refers to secret(name).
func (s *Server) Uses(name string) bool {
	return refersTo(s, name) || s.OAuth != nil && refersTo(s.OAuth, name)
}

func refersTo[T any](v *T, name string) bool {
	is := func(r secrets.Ref) bool { return r.Kind == secrets.Stored && r.Name == name }
	value := reflect.ValueOf(v).Elem()
	return slices.ContainsFunc(attributes(value.Type()), func(f reflect.StructField) bool {
		switch x := value.FieldByIndex(f.Index).Interface().(type) {
		case secrets.Ref:
			return is(x)
		case map[string]secrets.Ref:
			return slices.ContainsFunc(slices.Collect(maps.Values(x)), is)
		}
		return false
	})
}
