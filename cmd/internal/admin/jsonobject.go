package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody bounds a request that makes or changes a server.
const maxBody = 64 << 10

// fieldError is an error of the caller about one field of the request; "": about all of it.
type fieldError struct{ field, text string }

func (e *fieldError) Error() string {
	if e.field == "" || strings.HasPrefix(e.text, e.field) {
		return e.text
	}
	return e.field + ": " + e.text
}

// object is a JSON object of a request whose fields are taken out one by one. encoding/json alone would let a field count that
// is written twice, or in other letters, and would not say where an unknown one is.
type object struct {
	path   string // "" or "oauth_config."
	fields map[string]json.RawMessage
}

// readObject reads the body of a request.
func readObject(w http.ResponseWriter, r *http.Request) (*object, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return nil, &fieldError{"", "the body is over 64 KiB"}
	}
	switch {
	case err != nil:
		return nil, &fieldError{"", "the body could not be read"}
	case !utf8.Valid(body):
		return nil, &fieldError{"", "the body is not valid UTF-8"}
	case !json.Valid(body):
		return nil, &fieldError{"", "the body is not one JSON object: " + flaw(body)}
	}
	return parseObject("", body)
}

// flaw says where JSON goes wrong, without a word of it.
func flaw(body []byte) string {
	at := int64(len(body))
	if syntax := new(json.SyntaxError); errors.As(json.Unmarshal(body, new(any)), &syntax) {
		at = syntax.Offset
	}
	return fmt.Sprintf("it goes wrong at byte %d of %d", at, len(body))
}

// parseObject takes valid JSON.
func parseObject(path string, raw []byte) (*object, error) {
	o := &object{path: path, fields: map[string]json.RawMessage{}}
	d := json.NewDecoder(bytes.NewReader(raw))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, &fieldError{o.name(""), "an object is needed"}
	}
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, &fieldError{o.name(""), "the body is not one JSON object"}
		}
		if _, twice := o.fields[name]; twice {
			return nil, &fieldError{o.name(name), "it is written twice"}
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, &fieldError{o.name(name), "it is no JSON value"}
		}
		o.fields[name] = value
	}
	return o, nil
}

// name is the whole name of a field, or of the object itself; short enough for an answer whatever was sent.
func (o *object) name(field string) string {
	name := o.path + field
	if field == "" && name != "" {
		return name[:len(name)-1]
	}
	if runes := []rune(name); len(runes) > 128 {
		return string(runes[:128]) + "…"
	}
	return name
}

// take removes a field; null reports that it was written as null.
func (o *object) take(name string) (raw json.RawMessage, there, null bool) {
	raw, there = o.fields[name]
	delete(o.fields, name)
	return raw, there, there && string(raw) == "null"
}

// drop removes fields, whatever they hold.
func (o *object) drop(names []string) {
	for _, name := range names {
		delete(o.fields, name)
	}
}

// into reads a field into to, which keeps its value where the field is absent, and loses it where it is null.
func into[T any](o *object, name, kind string, to *T) error {
	raw, there, null := o.take(name)
	var fresh T // *to may point to what others read
	if there && !null && json.Unmarshal(raw, &fresh) != nil {
		return &fieldError{o.name(name), kind + " is needed"}
	}
	if there {
		*to = fresh
	}
	return nil
}

func (o *object) text(name string, to *string) error { return into(o, name, "a string", to) }

// list reads a list of strings.
func (o *object) list(name string, to *[]string) error {
	raw, there, _ := o.take(name)
	if !there {
		return nil
	}
	var parts []*string
	if json.Unmarshal(raw, &parts) != nil || slices.Contains(parts, nil) { // else a null in it would count as ""
		return &fieldError{o.name(name), "a list of strings is needed"}
	}
	*to = nil
	for _, p := range parts {
		*to = append(*to, *p)
	}
	return nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// object takes a nested one; nil: it is absent or null.
func (o *object) object(name string) (nested *object, null bool, err error) {
	raw, there, null := o.take(name)
	if !there || null {
		return nil, null, nil
	}
	nested, err = parseObject(o.path+name+".", raw)
	return nested, false, err
}

// end refuses what nobody took.
func (o *object) end() error {
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		return &fieldError{o.name(name), "there is no such field"}
	}
	return nil
}
