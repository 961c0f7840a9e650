package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

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
	if wrong := tooManySigns(s.Name, text); wrong != nil {
		return nil, wrong
	}
	wrong := readBack(s, &source{path: s.Name + ".hcl", dir: "/", bytes: bytes.Clone(text), made: true}, admin, madeAttributes, madeOAuth)
	if wrong != nil {
		return nil, wrong
	}
	return text, nil
}

// readBack reads the text of a server as Load would, and says what is wrong with it, or differs from s. attributes and oauth
// are what the text may set.
func readBack(s *Server, src *source, admin Admin, attributes, oauth []string) (wrong Diagnostics) {
	l, t := &loader{}, newTree()
	t.cfg.Admin = admin
	if l.guarded(src) && l.parse(src) {
		for _, w := range l.servers(l.content(src)) {
			l.add(t, w)
		}
		l.assemble(t)
	}
	if !l.diags.HasErrors() {
		l.diags = append(l.diags, unlike(s, t.cfg.Servers[0], attributes, oauth)...)
	}
	for _, d := range l.diags.tidy() { // of a text that nobody has seen: no line of it is named
		if d.Severity == Error {
			wrong = append(wrong, Diagnostic{Server: s.Name, Field: d.Field, Message: d.Message, Remedy: d.Remedy})
		}
	}
	return wrong
}

// maxSigns is how many $ and % the values may hold. The parser splits a text at each one and joins the parts again, in a time
// that grows with the square of their number.
const maxSigns = 1000

func tooManySigns(name string, text []byte) Diagnostics {
	signs := bytes.Count(text, []byte("$")) + bytes.Count(text, []byte("%"))
	if signs <= maxSigns {
		return nil
	}
	return Diagnostics{{Server: name, Message: fmt.Sprintf("the values hold %d of the signs $ and %%, more than %d", signs, maxSigns),
		Remedy: "leave some out"}}
}

// unlike says which fields a file does not give back as they were.
func unlike(s, got *Server, attributes, oauth []string) (diags Diagnostics) {
	names := differing(s, got, attributes)
	switch {
	case (s.OAuth == nil) != (got.OAuth == nil):
		names = append(names, "oauth_config")
	case s.OAuth != nil:
		names = append(names, differing(s.OAuth, got.OAuth, oauth)...)
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
	f := hclwrite.NewEmptyFile()
	body := f.Body().AppendNewBlock("server", []string{s.Name}).Body()
	writeAttributes(body, s, DefaultServer(s.Name), madeAttributes)
	if s.OAuth != nil {
		writeAttributes(body.AppendNewBlock("oauth_config", nil).Body(), s.OAuth, DefaultOAuth(), madeOAuth)
	}
	return append([]byte(madeMark+"\n"), hclwrite.Format(f.Bytes())...)
}

// writeAttributes writes those of names that differ from their default, in that order; enabled must always be there.
func writeAttributes[T any](body *hclwrite.Body, v, standard *T, names []string) {
	known := fields(reflect.TypeFor[T]())
	for _, name := range names {
		at := known[name].Index
		x, y := reflect.ValueOf(v).Elem().FieldByIndex(at), reflect.ValueOf(standard).Elem().FieldByIndex(at)
		if name == "enabled" || !reflect.DeepEqual(x.Interface(), y.Interface()) {
			body.SetAttributeRaw(name, tokensOf(x.Interface()))
		}
	}
}

// tokensOf writes a value so that nothing in it is syntax.
func tokensOf(value any) hclwrite.Tokens {
	switch v := value.(type) {
	case bool:
		return hclwrite.TokensForValue(cty.BoolVal(v))
	case *bool:
		return tokensOf(*v)
	case int:
		return hclwrite.TokensForValue(cty.NumberIntVal(int64(v)))
	case time.Duration:
		return tokensOf(v.String())
	case []string:
		list := make([]hclwrite.Tokens, len(v))
		for i, one := range v {
			list[i] = tokensOf(one)
		}
		return hclwrite.TokensForTuple(list)
	case secrets.Ref:
		if isLiteral(v) || v.IsZero() {
			return tokensOf(v.Value.Reveal())
		}
		if v.Kind == secrets.Vault {
			return hclwrite.TokensForFunctionCall(string(v.Kind), tokensOf(v.Name), tokensOf(v.Field))
		}
		return hclwrite.TokensForFunctionCall(string(v.Kind), tokensOf(v.Name))
	case map[string]secrets.Ref:
		var entries []hclwrite.ObjectAttrTokens
		for _, name := range slices.Sorted(maps.Keys(v)) {
			entries = append(entries, hclwrite.ObjectAttrTokens{Name: tokensOf(name), Value: tokensOf(v[name])})
		}
		return hclwrite.TokensForObject(entries)
	}
	text, _ := value.(string) // there is no other type among the attributes of a server
	return hclwrite.TokensForValue(cty.StringVal(text))
}
