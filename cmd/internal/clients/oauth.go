package clients

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"bearerd/config"
)

// signIn is the OAuth of a client that signs a person in by itself: what it does not say is discovered.
func signIn() map[string]any {
	return map[string]any{
		"enabled":          true,
		"OAUTH_VERSION":    literal("2.1"),
		"OAUTH_GRANT_TYPE": literal("authorization_code"),
	}
}

// put takes the text at a key over into an oauth_config, if it is there and says something.
func (k keys) put(oauth map[string]any, key, field string) {
	if text := k.text(key); len(text) > 0 {
		oauth[field] = text
	}
}

// putScopes takes scopes over: a list of them, or one text of all.
func (k keys) putScopes(oauth map[string]any, key string) {
	if _, one := k.values[key].(string); one {
		k.put(oauth, key, "OAUTH_SCOPE")
		return
	}
	if scope := words(k.texts(key)); len(scope) > 0 {
		oauth["OAUTH_SCOPE"] = scope
	}
}

// words joins texts by spaces.
func words(texts []Text) Text {
	out := Text{}
	for i, text := range texts {
		if i > 0 {
			out = out.add(Part{Literal: " "})
		}
		for _, p := range text {
			out = out.add(p)
		}
	}
	return out
}

// putNumber takes a number over.
func (k keys) putNumber(oauth map[string]any, key, field string) {
	text, _ := k.text(key).Plain()
	if _, err := strconv.Atoi(text); err != nil {
		k.lose(key)
		return
	}
	oauth[field] = json.Number(text)
}

// documented reads an oauth_config that has the documented names; a value that its field cannot hold is lost.
func (k keys) documented() map[string]any {
	oauth := map[string]any{"enabled": false}
	for f := range reflect.TypeFor[config.OAuth]().Fields() {
		if name := f.Tag.Get("hcl"); k.has(name) {
			k.documentedField(oauth, name, f)
		}
	}
	k.rest()
	return oauth
}

func (k keys) documentedField(oauth map[string]any, name string, f reflect.StructField) {
	kind := f.Type.Kind()
	if kind == reflect.Pointer {
		kind = f.Type.Elem().Kind()
	}
	switch kind {
	case reflect.Bool:
		text, _ := k.text(name).Plain()
		if value, err := strconv.ParseBool(strings.ToLower(text)); err == nil {
			oauth[name] = value
			return
		}
		k.lose(name)
	case reflect.Int:
		k.putNumber(oauth, name, name)
	case reflect.Map:
		oauth[name] = k.table(name)
	case reflect.Slice:
		if _, list := k.values[name].([]any); list {
			oauth[name] = k.texts(name)
			return
		}
		oauth[name] = k.text(name)
	default:
		if _, list := k.values[name].([]any); list && f.Tag.Get("form") == "words" {
			oauth[name] = words(k.texts(name))
			return
		}
		oauth[name] = k.text(name)
	}
}
