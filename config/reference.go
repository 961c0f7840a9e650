package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"bearerd/secrets"
)

// Attribute is a row of docs/configuration.md, in Markdown.
type Attribute struct{ Name, Type, Default, Meaning string }

// Block is a table of docs/configuration.md: the attributes of one kind of block.
type Block struct {
	Name       string // as it is written: server "NAME"
	Attributes []Attribute
}

// Reference describes every attribute: its name and form by the tags of the structs, its default by what the loader begins
// with, its meaning by wordsOf. The program itself has no use for it. An attribute without words, and words without an
// attribute, are errors.
func Reference() (blocks []Block, err error) {
	for _, of := range []struct {
		name     string
		defaults any // a struct
	}{
		{"log", defaults().Log}, {"vault", secrets.Connection{Mount: defaultMount, Timeout: defaultVaultTimeout}},
		{`auth "METHOD"`, secrets.Auth{}}, {vaultStore, Shared{Mount: defaultMount, Prefix: "bearerd"}}, {fileStore, Store{}},
		{"proxy", DefaultProxy()}, {"admin", Admin{Listen: defaultAdminListen}}, {"use", Use{}},
		{`server "NAME"`, *DefaultServer("")}, {"oauth_config", *DefaultOAuth()},
	} {
		words := map[string]Attribute{}
		for _, w := range wordsOf[of.name] {
			words[w.Name] = w
		}
		b := Block{Name: of.name}
		v := reflect.ValueOf(of.defaults)
		for _, w := range wordsOf[of.name] {
			f, known := fields(v.Type())[w.Name]
			if !known {
				return nil, fmt.Errorf("%s has no attribute %s, which has words", of.name, w.Name)
			}
			field := v.FieldByIndex(f.Index)
			if w.Default != "" && !field.IsZero() {
				return nil, fmt.Errorf("%s of %s has a default in the code, and other words for it in wordsOf", w.Name, of.name)
			}
			b.Attributes = append(b.Attributes, described(w, field, f.Tag.Get("form")))
		}
		for name := range fields(v.Type()) {
			if words[name].Meaning == "" {
				return nil, fmt.Errorf("%s of %s has no words: write them into wordsOf", name, of.name)
			}
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// described fills in what follows from the code.
func described(w Attribute, v reflect.Value, form string) Attribute {
	if w.Type == "" {
		w.Type = typeWords(v, form)
	}
	if w.Default == "" {
		w.Default = defaultText(v, form)
	}
	return w
}

func typeWords(v reflect.Value, form string) string {
	switch v.Interface().(type) {
	case secrets.Ref:
		if form == "path" {
			return "path or reference"
		}
		return "string or reference"
	case map[string]secrets.Ref:
		return "object"
	case bool, *bool:
		return "boolean"
	case int:
		return "whole number"
	case time.Duration:
		return "duration"
	}
	switch {
	case form == "words" || form == "one or many":
		return "string or list of strings"
	case v.Kind() == reflect.Slice:
		return "list of strings"
	case form == "path":
		return "path"
	}
	return "string"
}

// defaultText is a default as it would be written; "" where there is none, or none that the block itself knows.
func defaultText(v reflect.Value, form string) string {
	switch d := v.Interface().(type) {
	case bool, int:
		return fmt.Sprintf("`%v`", d)
	case []string:
		if form == "" { // else one that is not written is no empty one
			return "`[]`"
		}
	case map[string]secrets.Ref:
		return "`{}`"
	case string:
		if d != "" {
			return fmt.Sprintf("`%q`", d)
		}
	case time.Duration:
		text := d.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		return fmt.Sprintf("`%q`", text)
	}
	return ""
}
