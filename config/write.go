package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"bearerd/secrets"
)

// Make is the text of the file in which the API writes s, under the admin block that is in force. It is read again as Load
// would, and what comes out must be s: else there is no text, and each Diagnostic names the Field that was refused. What
// follows from other blocks (the Local part, AllowPrivate) is left out of that, and so is a field that may not be written
// and is zero: it gets its default. Secrets must be references to names of OwnSecret.
func Make(s *Server, admin Admin) ([]byte, Diagnostics) {
	if !serverName.MatchString(s.Name) {
		return nil, Diagnostics{{Field: "name", Message: fmt.Sprintf("%q is no server name", printable(s.Name)),
			Remedy: "use letters, digits, _ and -, begin with a letter or a digit, at most 64 characters"}}
	}
	text := madeText(s)
	l, t := &loader{}, newTree()
	t.cfg.Admin = admin
	src := &source{path: s.Name + ".hcl", dir: "/", bytes: bytes.Clone(text), made: true}
	if l.guarded(src) && l.parse(src) {
		for _, w := range l.servers(l.content(src)) {
			l.add(t, w)
		}
		l.assemble(t)
	}
	if !l.diags.HasErrors() {
		l.diags = append(l.diags, unlike(s, t.cfg.Servers[0])...)
	}
	if !l.diags.HasErrors() {
		return text, nil
	}
	var wrong Diagnostics
	for _, d := range l.diags.tidy() { // of a text that nobody has seen: no line of it is named
		if d.Severity == Error {
			wrong = append(wrong, Diagnostic{Server: s.Name, Field: d.Field, Message: d.Message, Remedy: d.Remedy})
		}
	}
	return nil, wrong
}

// unlike says which fields a file does not give back as they were.
func unlike(s, got *Server) (diags Diagnostics) {
	names := differing(s, got, madeAttributes)
	switch {
	case (s.OAuth == nil) != (got.OAuth == nil):
		names = append(names, "oauth_config")
	case s.OAuth != nil:
		names = append(names, differing(s.OAuth, got.OAuth, madeOAuth)...)
	}
	for _, name := range names {
		diags = append(diags, Diagnostic{Server: s.Name, Field: name, Message: name + " cannot be written to a file as it is",
			Remedy: "use plain text in it: UTF-8, composed (NFC), without control characters and repeated spaces"})
	}
	return diags
}

// follows are the attributes that a made server has from other blocks.
var follows = []string{"local_auth", "allow_hosts", "allow_origins", "allow_remote", "allow_private"}

func differing[T any](want, got *T, written []string) (names []string) {
	a, b := reflect.ValueOf(want).Elem(), reflect.ValueOf(got).Elem()
	for _, f := range attributes(a.Type()) {
		name, x, y := f.Tag.Get("hcl"), a.FieldByIndex(f.Index), b.FieldByIndex(f.Index)
		unsaid := x.IsZero() && !slices.Contains(written, name)
		if !unsaid && !slices.Contains(follows, name) && !reflect.DeepEqual(x.Interface(), y.Interface()) {
			names = append(names, name)
		}
	}
	return names
}

func madeText(s *Server) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nserver %s {\n", madeMark, quote(s.Name))
	writeAttributes(&b, "  ", s, DefaultServer(s.Name), madeAttributes)
	if s.OAuth != nil {
		b.WriteString("  oauth_config {\n")
		writeAttributes(&b, "    ", s.OAuth, DefaultOAuth(), madeOAuth)
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return []byte(b.String())
}

// writeAttributes writes those of names that differ from their default, in that order; enabled must always be there.
func writeAttributes[T any](b *strings.Builder, indent string, v, standard *T, names []string) {
	known, width := fields(reflect.TypeFor[T]()), 0
	values := map[string]string{}
	for _, name := range names {
		at := known[name].Index
		x, y := reflect.ValueOf(v).Elem().FieldByIndex(at), reflect.ValueOf(standard).Elem().FieldByIndex(at)
		if name == "enabled" || !reflect.DeepEqual(x.Interface(), y.Interface()) {
			values[name], width = expression(indent, x.Interface()), max(width, len(name))
		}
	}
	for _, name := range names {
		if text, ok := values[name]; ok {
			fmt.Fprintf(b, "%s%-*s = %s\n", indent, width, name, text)
		}
	}
}

// expression writes a value so that nothing in it is syntax.
func expression(indent string, value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case *bool:
		return strconv.FormatBool(*v)
	case []string:
		list := make([]string, len(v))
		for i, one := range v {
			list[i] = quote(one)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case secrets.Ref:
		if isLiteral(v) || v.IsZero() {
			return quote(v.Value.Reveal())
		}
		return string(v.Kind) + "(" + quote(v.Name) + ")"
	case map[string]secrets.Ref:
		var b strings.Builder
		b.WriteString("{\n")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fmt.Fprintf(&b, "%s  %s = %s\n", indent, quote(name), expression("", v[name]))
		}
		return b.String() + indent + "}"
	}
	text, _ := value.(string) // there is no other type among what may be written
	return quote(text)
}

// maxSigns is how many $ and % of a text are written as they are. The parser splits the text at each one and joins the parts
// again, in a time that grows with the square of their number.
const maxSigns = 100

// quote is a text as a literal of HCL: one line, with the two beginnings of a template doubled.
func quote(text string) string {
	var b strings.Builder
	many := strings.Count(text, "$")+strings.Count(text, "%") > maxSigns
	b.WriteByte('"')
	for i, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !unicode.IsPrint(r), many && (r == '$' || r == '%'):
			fmt.Fprintf(&b, `\u%04x`, r)
		case (r == '$' || r == '%') && strings.HasPrefix(text[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
