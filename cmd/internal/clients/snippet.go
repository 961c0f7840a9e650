package clients

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
)

// order is how the keys of what is written follow each other; all others come behind, by the alphabet.
var order = []string{"name", "server_name", "type", "connection_type", "transport", "command", "connection_string", "url", "httpUrl",
	"serverUrl", "args", "envs", "stdio_config", "auth_type", "headers", "http_headers", "headersHelper", "http_headers_helper", "config"}

func ordered(m map[string]any) []string {
	rank := func(key string) int {
		if i := slices.Index(order, key); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// Snippet is what a client has to have in its file to reach servers through bearerd, in the form of that file.
func (f *Format) Snippet(launches ...Launch) ([]byte, error) {
	table, list := map[string]any{}, []any{}
	var text strings.Builder
	for _, l := range launches {
		entry, err := f.launch(l)
		if err != nil {
			return nil, err
		}
		table[l.Server], list = entry, append(list, entry)
		if f.toml && text.Len() > 0 {
			text.WriteByte('\n')
		}
		if f.toml {
			text.WriteString(tomlTable(append(slices.Clone(f.in), l.Server), entry, "\n"))
		}
	}
	if f.toml {
		return []byte(text.String()), nil
	}
	var whole any = table
	if f.list {
		whole = list
	}
	for _, key := range slices.Backward(f.in) {
		whole = map[string]any{key: whole}
	}
	return append(render(whole, "\n", "  "), '\n'), nil
}

// Where names the file that a snippet goes into on a system, which is a GOOS.
func (f *Format) Where(goos string) string {
	switch {
	case goos == "windows" && f.windows != "":
		return f.windows
	case goos == "windows":
		return strings.NewReplacer("~", "%USERPROFILE%", "DATA", "%APPDATA%", "/", `\`).Replace(f.where)
	case goos == "darwin":
		return strings.ReplaceAll(f.where, "DATA", "~/Library/Application Support")
	}
	return strings.ReplaceAll(f.where, "DATA", "~/.config")
}

// render is a value as JSON. Objects and lists of them take a line for each member, nl being a line end with the indentation
// here and unit one step of it; with an empty nl all is one line.
func render(v any, nl, unit string) []byte {
	deeper := nl
	if nl != "" {
		deeper += unit
	}
	switch v := v.(type) {
	case string:
		return hujson.String(v)
	case bool:
		return hujson.Bool(v)
	case []string:
		var parts [][]byte
		for _, s := range v {
			parts = append(parts, hujson.String(s))
		}
		return enclose('[', parts, ']', "", "")
	case map[string]string:
		return render(values(v), nl, unit)
	case []any:
		var parts [][]byte
		for _, e := range v {
			parts = append(parts, render(e, deeper, unit))
		}
		return enclose('[', parts, ']', nl, deeper)
	case map[string]any:
		var parts [][]byte
		for _, key := range ordered(v) {
			member := append([]byte(hujson.String(key)), ": "...)
			parts = append(parts, append(member, render(v[key], deeper, unit)...))
		}
		return enclose('{', parts, '}', nl, deeper)
	}
	return []byte("null")
}

func enclose(open byte, parts [][]byte, end byte, nl, deeper string) []byte {
	separator := ", "
	if nl != "" {
		separator = "," + deeper
	}
	if len(parts) == 0 {
		return []byte{open, end}
	}
	out := append([]byte{open}, deeper...)
	out = append(out, bytes.Join(parts, []byte(separator))...)
	return append(append(out, nl...), end)
}

func values(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// tomlTable is a table with its header.
func tomlTable(path []string, entry map[string]any, nl string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]%s", tomlKey(path...), nl)
	for _, key := range ordered(entry) {
		fmt.Fprintf(&b, "%s = %s%s", tomlKey(key), tomlValue(entry[key]), nl)
	}
	return b.String()
}

var tomlBare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func tomlKey(path ...string) string {
	var parts []string
	for _, key := range path {
		if !tomlBare.MatchString(key) {
			key = tomlString(key)
		}
		parts = append(parts, key)
	}
	return strings.Join(parts, ".")
}

// tomlString is a basic string: as in JSON, but for DEL, which TOML wants escaped.
func tomlString(s string) string {
	return strings.ReplaceAll(string(hujson.String(s)), "\x7f", `\u007F`)
}

func tomlValue(v any) string {
	var parts []string
	switch v := v.(type) {
	case string:
		return tomlString(v)
	case []string:
		for _, s := range v {
			parts = append(parts, tomlString(s))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]string:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, tomlKey(key)+" = "+tomlString(v[key]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return `""`
}
