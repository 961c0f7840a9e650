package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"bearerd/secrets"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// maxGrace bounds stop_grace and kill_grace: a longer one is a slip.
const maxGrace = 10 * time.Minute

// conversion reads the value of one attribute. No type is turned into another silently.
type conversion struct {
	name string
	form string // of the struct tag
	dir  string // of the configuration file

	vault *secrets.Connection // nil: there is no vault block
}

// set stores v in the field, or says what is wrong.
func (c conversion) set(field reflect.Value, v cty.Value) (message, remedy string) {
	switch p := field.Addr().Interface().(type) {
	case *string:
		return c.text(p, v)
	case *bool:
		return c.boolean(p, v)
	case **bool:
		*p = new(bool)
		return c.boolean(*p, v)
	case *int:
		return c.whole(p, v)
	case *time.Duration:
		return c.duration(p, v)
	case *[]string:
		return c.list(p, v)
	case *secrets.Ref:
		return c.ref(p, v)
	case *map[string]secrets.Ref:
		return c.refs(p, v)
	}
	return c.name + " cannot be read by this version", "remove it" // a field of a type that decode does not know
}

func (c conversion) text(p *string, v cty.Value) (message, remedy string) {
	if c.form == "words" && isList(v) {
		var words []string
		if message, remedy = c.list(&words, v); message == "" {
			*p = strings.Join(words, " ")
		}
		return message, remedy
	}
	if v.Type() != cty.String {
		return c.wrong("a string", v)
	}
	*p = v.AsString()
	if strings.ContainsRune(*p, 0) {
		return c.name + " holds a NUL", "remove it"
	}
	if c.form == "path" {
		*p, message = c.path(*p)
		return message, "write an absolute path"
	}
	return "", ""
}

func (c conversion) boolean(p *bool, v cty.Value) (message, remedy string) {
	if v.Type() != cty.Bool {
		return c.wrong("true or false", v)
	}
	*p = v.True()
	return "", ""
}

func (c conversion) whole(p *int, v cty.Value) (message, remedy string) {
	if v.Type() != cty.Number {
		return c.wrong("a whole number", v)
	}
	const limit = 1 << 31
	n, _ := v.AsBigFloat().Int64()
	if !v.AsBigFloat().IsInt() || n >= limit || n <= -limit {
		return c.name + " must be a whole number", "write digits only"
	}
	*p = int(n)
	return "", ""
}

func (c conversion) duration(p *time.Duration, v cty.Value) (message, remedy string) {
	if v.Type() != cty.String {
		return c.wrong(`a duration such as "2s"`, v)
	}
	least, most, words := time.Duration(1), maxGrace, "over 0 and up to 10 minutes"
	switch {
	case c.name == "timeout":
		least, most, words = time.Second, time.Minute, "from 1 second to 1 minute"
	case strings.HasSuffix(c.name, "_timeout"):
		least, words = time.Second, "from 1 second to 10 minutes"
	}
	d, err := time.ParseDuration(v.AsString())
	if err != nil || d < least || d > most {
		return c.name + " must be a duration " + words + `, such as "2s"`, "write a number and a unit: ms, s, m"
	}
	*p = d
	return "", ""
}

func (c conversion) list(p *[]string, v cty.Value) (message, remedy string) {
	if c.form == "one or many" && v.Type() == cty.String {
		*p = []string{}
		if s := v.AsString(); s != "" {
			*p = []string{s}
		}
		return "", ""
	}
	if !isList(v) {
		return c.wrong("a list of strings", v)
	}
	list := []string{}
	for _, e := range v.AsValueSlice() {
		switch {
		case e.Type().Equals(refType):
			return c.name + " cannot hold a secret reference",
				"arguments and lists are visible to others: put the reference into env"
		case e.IsNull() || e.Type() != cty.String:
			return c.name + " must be a list of strings", "write each element in quotes"
		case strings.ContainsRune(e.AsString(), 0):
			return c.name + " holds a NUL", "remove it"
		}
		list = append(list, e.AsString())
	}
	*p = list
	return "", ""
}

func (c conversion) ref(p *secrets.Ref, v cty.Value) (message, remedy string) {
	switch {
	case v.Type().Equals(refType):
		*p = *(v.EncapsulatedValue().(*secrets.Ref))
	case v.Type() == cty.String && c.form == "path": // a plain path names a file
		*p = secrets.Ref{Kind: secrets.File, Name: v.AsString()}
		if p.Name == "" {
			*p = secrets.Ref{}
			return "", ""
		}
	case v.Type() == cty.String:
		*p = secrets.LiteralRef(v.AsString())
	default:
		return c.wrong("a string or a secret reference", v)
	}
	return c.checkRef(p)
}

// refs reads an object whose values are strings or references. Parameters may be numbers and booleans too.
func (c conversion) refs(p *map[string]secrets.Ref, v cty.Value) (message, remedy string) {
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return c.wrong("an object", v)
	}
	m := map[string]secrets.Ref{}
	values := v.AsValueMap()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		e := values[key]
		one := conversion{name: c.name + "." + nameOnly(key), dir: c.dir, vault: c.vault}
		if e.IsNull() || !c.allowed(e) {
			return one.name + " must be a string or a secret reference", "write the value in quotes"
		}
		if t := e.Type(); t == cty.Number || t == cty.Bool {
			e = asText(e)
		}
		var r secrets.Ref
		if message, remedy := one.ref(&r, e); message != "" {
			return message, remedy
		}
		m[key] = r
	}
	*p = m
	return "", ""
}

func (c conversion) allowed(v cty.Value) bool {
	t := v.Type()
	if t.Equals(refType) || t == cty.String {
		return true
	}
	if c.name != "OAUTH_ADDITIONAL_PARAMS" && c.name != "OAUTH_AUTHORIZATION_PARAMS" {
		return false
	}
	if t == cty.Bool {
		return true
	}
	if t != cty.Number {
		return false
	}
	exp := v.AsBigFloat().MantExp(nil) // 1e999999999 would be written out digit by digit
	return exp < 512 && exp > -512
}

func asText(v cty.Value) cty.Value {
	if v.Type() == cty.Bool {
		if v.True() {
			return cty.StringVal("true")
		}
		return cty.StringVal("false")
	}
	return cty.StringVal(v.AsBigFloat().Text('f', -1))
}

func isList(v cty.Value) bool {
	return v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType()
}

func (c conversion) wrong(want string, v cty.Value) (message, remedy string) {
	message = c.name + " must be " + want + ", not " + typeName(v)
	switch {
	case v.Type().Equals(refType):
		remedy = "write the value itself: this is no secret"
	case strings.HasPrefix(want, "a list"):
		remedy = `write ["…", "…"]`
	case strings.HasPrefix(want, "an object"):
		remedy = "write { NAME = \"…\" }"
	case v.Type() == cty.String:
		remedy = "write it without quotes"
	case strings.HasPrefix(want, "a string"), strings.HasPrefix(want, "a duration"):
		remedy = "write it in quotes"
	default:
		remedy = "write " + want
	}
	if c.name == "OAUTH_VERSION" {
		remedy = `quote it: OAUTH_VERSION = "2.1"`
	}
	return message, remedy
}
