package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"bearerd/inject/jsonrpc"
)

// markHeader is the keyword in a tool's inputSchema that asks for an argument to be repeated in a header (SEP-2243).
const markHeader = "x-mcp-header"

// param is an argument that is repeated in the header Mcp-Param-NAME.
type param struct {
	path   []string
	header string
}

// value is the argument's value as a header shows it. There is none if the argument is missing, null or no primitive.
func (p param) value(params []byte) (string, bool) {
	raw := jsonrpc.Field(params, append([]string{"arguments"}, p.path...)...)
	var v any
	if raw == nil || json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return number(v)
	}
	return "", false
}

// number writes a number as JavaScript does. Integers that JavaScript does not hold exactly are none.
func number(v float64) (string, bool) {
	size := math.Abs(v)
	switch {
	case v == math.Trunc(v) && size > 1<<53-1:
		return "", false
	case v == 0:
		return "0", true
	case size < 1e-6:
		return strings.Replace(strconv.FormatFloat(v, 'e', -1, 64), "e-0", "e-", 1), true
	}
	return strconv.FormatFloat(v, 'f', -1, 64), true
}

// learn looks at the result of tools/list for arguments that go into headers, and gives the line for the client, without the
// tools that no HTTP client may offer.
func (b *Bridge) learn(c *call, m jsonrpc.Message, line []byte) []byte {
	if c.method != "tools/list" || c.modern == "" {
		return line
	}
	tools, err := b.remember(m.Result, jsonrpc.Field(c.params, "cursor") == nil)
	if err != nil || tools == nil {
		return line
	}
	return jsonrpc.Replace(line, jsonrpc.Field(m.Result, "tools"), tools)
}

// remember keeps what a list, or a page of one, says of headers, and forgets at its first page what was listed before. tools is
// the list without those that are at fault; nil: it may stay as it is.
func (b *Bridge) remember(result []byte, first bool) (tools []byte, err error) {
	list := jsonrpc.Field(result, "tools")
	b.mu.Lock()
	defer b.mu.Unlock()
	if first {
		clear(b.tools)
	}
	if len(b.tools) == 0 && !bytes.Contains(list, []byte(markHeader)) {
		return nil, nil
	}
	var each []json.RawMessage
	if err := json.Unmarshal(list, &each); err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(each, func(raw json.RawMessage) bool {
		name := jsonrpc.Text(jsonrpc.Field(raw, "name"))
		delete(b.tools, name)
		params, err := marked(jsonrpc.Field(raw, "inputSchema"))
		if err != nil {
			b.log.Warn("a tool is left out: its inputSchema asks for headers that may not be", "tool", name, "error", err)
			return true
		}
		if len(params) > 0 {
			b.tools[name] = params
		}
		return false
	})
	if len(kept) == len(each) {
		return nil, nil
	}
	return json.Marshal(kept)
}

// relist asks for the tools anew, in the words of a call.
func (b *Bridge) relist(ctx context.Context, c *call) {
	meta, cursor := jsonrpc.Field(c.params, "_meta"), []byte(nil)
	for range 64 { // pages
		line := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":%s`, meta)
		if cursor != nil {
			line = fmt.Appendf(line, `,"cursor":%s`, cursor)
		}
		m, err := b.self(ctx, ctx, b.none(), append(line, "}}"...))
		if err == nil {
			_, err = b.remember(m.Result, cursor == nil)
		}
		if err != nil {
			b.log.Debug("the tools could not be listed", "error", err)
			return
		}
		if cursor = jsonrpc.Field(m.Result, "nextCursor"); jsonrpc.Text(cursor) == "" {
			return
		}
	}
}

// marked finds the marked arguments of an inputSchema. An error says why the tool may not be used over HTTP.
func marked(schema []byte) ([]param, error) {
	var root any
	if !bytes.Contains(schema, []byte(markHeader)) || json.Unmarshal(schema, &root) != nil {
		return nil, nil
	}
	w := walk{seen: map[string]bool{}}
	err := w.visit(root, nil, true)
	return w.params, err
}

// elsewhere are the keywords whose schemas no chain of properties leads to.
var elsewhere = []string{"items", "prefixItems", "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems",
	"propertyNames", "oneOf", "anyOf", "allOf", "not", "if", "then", "else"}

// named are those that hold schemas by name.
var named = []string{"patternProperties", "dependentSchemas", "$defs", "definitions"}

type walk struct {
	params []param
	seen   map[string]bool // header names in lower case
}

func (w *walk) visit(node any, path []string, reachable bool) error {
	schema, ok := node.(map[string]any)
	if !ok {
		return nil
	}
	if mark, ok := schema[markHeader]; ok {
		if err := w.mark(mark, schema["type"], path, reachable); err != nil {
			return err
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, child := range properties {
		if err := w.visit(child, append(slices.Clone(path), name), reachable); err != nil {
			return err
		}
	}
	for _, branch := range branches(schema) {
		if err := w.visit(branch, path, false); err != nil {
			return err
		}
	}
	return nil
}

func branches(schema map[string]any) (list []any) {
	for _, keyword := range elsewhere {
		if several, ok := schema[keyword].([]any); ok {
			list = append(list, several...)
			continue
		}
		list = append(list, schema[keyword])
	}
	for _, keyword := range named {
		byName, _ := schema[keyword].(map[string]any)
		for _, branch := range byName {
			list = append(list, branch)
		}
	}
	return list
}

func (w *walk) mark(mark, kind any, path []string, reachable bool) error {
	name, _ := mark.(string)
	switch {
	case !reachable || len(path) == 0:
		return errors.New("a mark where no chain of properties leads to")
	case !httpguts.ValidHeaderFieldName(name):
		return errors.New("a mark that is no header name")
	case kind != "string" && kind != "integer" && kind != "boolean":
		return errors.New("a mark on what is no string, integer or boolean")
	case w.seen[strings.ToLower(name)]:
		return errors.New("two marks with one header name")
	}
	w.seen[strings.ToLower(name)] = true
	w.params = append(w.params, param{path, name})
	return nil
}
