package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"bearerd/secrets"
)

// block is where a decoded struct was written: what was there, and what was not.
type block struct {
	src    *source
	server string
	def    hcl.Range
	attrs  []value         // the values that were written and are not null
	failed map[string]bool // the values that could not be read: their errors are reported already
}

// value is where a value was written. A block has few: a list takes less room than a map.
type value struct {
	name string
	rng  hcl.Range
}

func (b *block) has(name string) bool { return b != nil && b.index(name) >= 0 }

func (b *block) index(name string) int {
	return slices.IndexFunc(b.attrs, func(v value) bool { return v.name == name })
}

// at is the place of a value, or of the block when the value was not written.
func (b *block) at(name string) place {
	if i := b.index(name); i >= 0 {
		rng := b.attrs[i].rng
		return place{src: b.src, rng: rng, server: b.server, field: name, show: showable(name, b.src, rng)}
	}
	head := b.head()
	head.field = name
	return head
}

// refuse says that a value is an error which is reported.
func (b *block) refuse(name string) {
	if b.failed == nil {
		b.failed = map[string]bool{}
	}
	b.failed[name] = true
}

func (b *block) head() place {
	return place{src: b.src, rng: b.def, server: b.server, show: length(b.def)}
}

// sensitive names the attributes whose values are never shown.
var sensitive = map[string]bool{
	"command": true, "args": true, "env": true, "headers": true, "identity": true, "metrics_key": true, "pass_env": true, "inject_env": true,
	"token": true, "role_id": true, "secret_id": true, "jwt": true,
	"OAUTH_CLIENT_SECRET": true, "OAUTH_REFRESH_TOKEN": true, "OAUTH_ADDITIONAL_PARAMS": true, "OAUTH_CUSTOM_HEADERS": true,
	"OAUTH_AUTHORIZATION_PARAMS": true,
}

// urls names the attributes that hold a URL. Of one, scheme and host are shown at most: path and query may be secret.
var urls = map[string]bool{
	"url": true, "address": true, "public_url": true, "OAUTH_TOKEN_URL": true, "OAUTH_REVOCATION_URL": true, "OAUTH_RESOURCE": true, "allow_origins": true,
	"OAUTH_AUTHORIZATION_URL": true, "OAUTH_DEVICE_AUTHORIZATION_URL": true, "OAUTH_REGISTRATION_URL": true,
	"OAUTH_SERVER_URL": true, "OAUTH_REDIRECT_URI": true, "OAUTH_CLIENT_METADATA_URL": true,
}

// showable is how many bytes of a value may be printed: none of a secret, nor of what could hide one.
func showable(name string, src *source, rng hcl.Range) int {
	if sensitive[name] || length(rng) == 0 || rng.End.Byte > len(src.bytes) {
		return 0
	}
	value := string(src.bytes[rng.Start.Byte:rng.End.Byte])
	host := 0
	if _, rest, found := strings.Cut(value, "://"); found {
		host = len(value) - len(rest)
	}
	switch {
	case strings.ContainsAny(value, `@?#\`):
		return 0
	case host == 0 && !urls[name]:
		return len(value)
	}
	if i := strings.IndexByte(value[host:], '/'); i >= 0 {
		return host + i
	}
	return len(value)
}

func length(rng hcl.Range) int { return max(rng.End.Byte-rng.Start.Byte, 0) }

// knownNames are the words that a snippet may always show.
var knownNames = func() map[string]bool {
	known := map[string]bool{"true": true, "false": true, "null": true, "oauth_config": true, "auth": true}
	for name := range rootBlocks {
		known[name] = true
	}
	for name := range functions {
		known[name] = true
	}
	for _, v := range []any{
		Log{}, Store{}, Shared{}, secrets.Connection{}, secrets.Auth{}, Proxy{}, Admin{}, Use{}, Server{}, OAuth{},
	} {
		for name := range fields(reflect.TypeOf(v)) {
			known[name] = true
		}
	}
	return known
}()

// OAuthFieldNames are the attributes of an oauth_config block, sorted.
func OAuthFieldNames() []string {
	return slices.Sorted(maps.Keys(fields(reflect.TypeFor[OAuth]())))
}

var fieldCache sync.Map // reflect.Type → map[string]reflect.StructField

// fields maps attribute names to the struct's fields, those of embedded structs included.
func fields(t reflect.Type) map[string]reflect.StructField {
	if m, ok := fieldCache.Load(t); ok {
		return m.(map[string]reflect.StructField)
	}
	m := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("hcl"); name != "" {
			m[name] = f
		}
	}
	fieldCache.Store(t, m)
	return m
}

// decode fills dst, a pointer to a struct that holds the defaults, from body, and returns the blocks inside it. b is
// given its attributes.
func (l *loader) decode(b *block, body hcl.Body, dst any, nested ...hcl.BlockHeaderSchema) hcl.Blocks {
	b.failed = nil
	target := reflect.ValueOf(dst).Elem()
	known := fields(target.Type())
	schema := &hcl.BodySchema{Blocks: nested}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, diags := body.Content(schema)
	for _, d := range diags {
		l.structure(b, d, schema)
	}
	b.attrs = make([]value, 0, len(content.Attributes))
	for name, attr := range content.Attributes {
		f := known[name]
		l.attribute(b, attr, target.FieldByIndex(f.Index), f.Tag.Get("form"))
	}
	return content.Blocks
}

func (l *loader) attribute(b *block, attr *hcl.Attribute, field reflect.Value, form string) {
	v, diags := attr.Expr.Value(evalContext)
	if diags.HasErrors() {
		for _, d := range diags {
			l.evaluation(b, attr.Name, d)
		}
		b.attrs = append(b.attrs, value{attr.Name, attr.Expr.Range()})
		b.refuse(attr.Name)
		return
	}
	if v.IsNull() {
		return
	}
	b.attrs = append(b.attrs, value{attr.Name, attr.Expr.Range()})
	if !v.IsWhollyKnown() {
		l.report(Error, b.at(attr.Name), attr.Name+" has no fixed value", "write the value itself")
		return
	}
	c := conversion{name: attr.Name, form: form, dir: b.src.dir, vault: l.connection}
	if message, remedy := c.set(field, v); message != "" {
		b.refuse(attr.Name)
		l.report(Error, b.at(attr.Name), message, remedy)
	}
}

// structure re-words what HCL says about names and labels.
func (l *loader) structure(b *block, d *hcl.Diagnostic, schema *hcl.BodySchema) {
	at := place{src: b.src, server: b.server}
	if d.Subject != nil {
		at.rng = *d.Subject
	}
	switch s := d.Summary; {
	case s == "Unsupported argument", s == "Unsupported block type", s == "Extraneous JSON object property":
		at.show = length(at.rng)
		message, remedy := unknownName(nameAt(at), s == "Unsupported block type", schema)
		l.report(Error, at, message, remedy)
	case duplicate(d):
		l.report(Error, at, nameAt(at)+" is set twice", "remove one of the two")
	case strings.HasPrefix(s, "Extraneous label"):
		l.report(Error, at, "too many names before the block", `write server "NAME" { … }, store "file" { … }, auth "METHOD" { … }, log { … }`)
	case strings.HasPrefix(s, "Missing"):
		l.report(Error, at, "the block has no name", `write server "NAME" { … }, store "file" { … } or auth "METHOD" { … }`)
	default:
		l.report(Error, at, "an object is needed here", "write { … } with the settings inside")
	}
}

func unknownName(name string, isBlock bool, schema *hcl.BodySchema) (message, remedy string) {
	var names []string
	for _, a := range schema.Attributes {
		names = append(names, a.Name)
		if isBlock && a.Name == name {
			return name + " is no block", "write " + name + " = …"
		}
	}
	for _, b := range schema.Blocks {
		names = append(names, b.Type)
		if b.Type == name {
			return name + " is a block", "write " + name + " { … } without ="
		}
	}
	kind := "attribute"
	if isBlock {
		kind = "block"
	}
	message = fmt.Sprintf("unknown %s %q", kind, name)
	if near := nearest(name, names); near != "" {
		return message, fmt.Sprintf("did you mean %s?", near)
	}
	return message, "remove it; known here: " + strings.Join(names, ", ")
}

// nearest is the name that name is a slip of, or "".
func nearest(name string, names []string) string {
	best, distance := "", 1+max(1, len(name)/4)
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(n), nil); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// evaluation re-words what HCL says about an expression. Names are shown only where the value is no secret.
func (l *loader) evaluation(b *block, name string, d *hcl.Diagnostic) {
	at := place{src: b.src, server: b.server, field: name}
	if d.Subject != nil {
		at.rng = *d.Subject
	}
	message, remedy := name+" has a value that cannot be computed: "+lowerFirst(d.Summary),
		"a literal ${ is written $${, a literal %{ is written %%{"
	switch d.Summary {
	case "Unknown variable", "Variables not allowed":
		message, remedy = unknownVariable(name, d.Expression)
	case "Call to unknown function":
		message, remedy = "there is no such function", "use env(…), file(…), credential(…), secret(…) or vault(…)"
		if call, ok := d.Expression.(*hclsyntax.FunctionCallExpr); ok && !sensitive[name] && !urls[name] {
			message = fmt.Sprintf("there is no function %q", call.Name)
		}
	case "Invalid template interpolation value":
		message, remedy = name+": a secret reference cannot be a part of a text", "use the reference as the whole value"
	case "Not enough function arguments", "Too many function arguments", "Invalid function argument",
		"Error in function call":
		message, remedy = name+": the function takes other arguments",
			`write env("NAME"), file("PATH"), credential("NAME"), secret("NAME") or vault("PATH", "FIELD")`
	case "Duplicate object attribute":
		message, remedy = name+" sets a name twice", "remove one of the two"
	}
	l.report(Error, at, message, remedy)
}

// unknownVariable shows the word in args alone, where what to write instead has to be taught. Elsewhere it may be a secret
// that was written without quotes.
func unknownVariable(name string, expr hcl.Expression) (message, remedy string) {
	if name != "args" && (sensitive[name] || urls[name]) || expr == nil {
		return name + " is read as the name of a variable, and there are none",
			`put the text in quotes, or write env("NAME"); a literal ${ is written $${`
	}
	variable := "X"
	if vars := expr.Variables(); len(vars) > 0 {
		variable = printable(vars[0].RootName())
	}
	return fmt.Sprintf("%s: there is no variable %q", name, variable),
		fmt.Sprintf("${…} is HCL interpolation: for a literal ${%s} write $${%s}; a text needs quotes", variable, variable)
}

// typeName says what a value is, for an error.
func typeName(v cty.Value) string {
	switch t := v.Type(); {
	case t.Equals(refType):
		return "a secret reference"
	case t == cty.String:
		return "a string"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.IsObjectType() || t.IsMapType():
		return "an object"
	}
	return "a list"
}
