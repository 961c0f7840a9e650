package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// maxDepth is how deep a JSON file may nest. The parser beneath calls itself for each level and has no bound of its own.
const maxDepth = 1000

// Read takes the servers out of a file. format is its kind; nil: found out by its path and its contents. An error names the
// line, where it has one, and no value.
func Read(path string, data []byte, format *Format) (*File, error) {
	file, err := read(path, data, format)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

func read(path string, data []byte, format *Format) (*File, error) {
	data, err := plainText(data)
	if err != nil {
		return nil, err
	}
	doc, err := decode(data, format != nil && format.toml || format == nil && looksTOML(path, data))
	if err != nil {
		return nil, err
	}
	if format == nil {
		if format, err = detect(path, doc); err != nil {
			return nil, err
		}
	}
	file, err := format.read(doc)
	if err != nil {
		return nil, fmt.Errorf("read as a file of %s: %w", format.Title, err)
	}
	file.Format = format
	return file, nil
}

// plainText is data without a byte order mark.
func plainText(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, errors.New("it is written in UTF-16: save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("it holds zero bytes, so it is no UTF-8 text: save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8 text: save it as UTF-8")
	}
	return data, nil
}

func decode(data []byte, isTOML bool) (map[string]any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("the file is empty")
	}
	if isTOML {
		return decodeTOML(data)
	}
	return decodeJSON(data)
}

var position = regexp.MustCompile(`line (\d+), column (\d+)`)

// decodeJSON accepts comments and trailing commas. Of two values of one name the last counts, as it does for the clients.
func decodeJSON(data []byte) (map[string]any, error) {
	if depth(data) > maxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	standard, err := hujson.Standardize(bytes.Clone(data)) // which works in place
	if err != nil {                                        // its message may quote a value
		at := position.FindStringSubmatch(err.Error())
		if at == nil {
			return nil, errors.New("it is not valid JSON")
		}
		return nil, fmt.Errorf("line %s, column %s: this is not valid JSON", at[1], at[2])
	}
	var doc any
	decoder := json.NewDecoder(bytes.NewReader(standard))
	decoder.UseNumber()
	if decoder.Decode(&doc) != nil {
		return nil, errors.New("it is not valid JSON")
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, errors.New("it holds no JSON object: a client's file starts with {")
	}
	return object, nil
}

func decodeTOML(data []byte) (map[string]any, error) {
	doc := map[string]any{}
	if err := toml.Unmarshal(data, &doc); err != nil {
		if at, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := at.Position()
			return nil, fmt.Errorf("line %d, column %d: this is not valid TOML", line, column)
		}
		return nil, errors.New("it is not valid TOML")
	}
	return doc, nil
}

// depth is how deep the brackets of JSON with comments nest.
func depth(data []byte) int {
	now, most := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		case '"':
			i = stringEnd(data, i)
		case '/':
			i = commentEnd(data, i)
		}
	}
	return most
}

// stringEnd is where the string that starts at i has its last byte.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

// commentEnd is where the comment that may start at i has its last byte.
func commentEnd(data []byte, i int) int {
	end := ""
	switch {
	case bytes.HasPrefix(data[i:], []byte("//")):
		end = "\n"
	case bytes.HasPrefix(data[i:], []byte("/*")):
		end = "*/"
	default:
		return i
	}
	n := bytes.Index(data[i+2:], []byte(end))
	if n < 0 {
		return len(data)
	}
	return i + 2 + n + len(end) - 1
}

// each hands the entries of a table to take, in the order of their names, and keeps what comes of them.
func (f *File) each(at []string, table any, take func(k keys, s *Server)) error {
	if table == nil {
		return nil
	}
	entries, ok := table.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is not an object of servers", joined(at))
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		f.one(Server{Name: name, At: append(slices.Clone(at), name)}, entries[name], take)
	}
	return nil
}

// list hands the entries of a list to take; the value of the key called name is what they are named.
func (f *File) list(at []string, list any, name string, take func(k keys, s *Server)) error {
	if list == nil {
		return nil
	}
	entries, ok := list.([]any)
	if !ok {
		return fmt.Errorf("%s is not a list of servers", joined(at))
	}
	for i, value := range entries {
		s := Server{At: append(slices.Clone(at), strconv.Itoa(i))}
		if entry, ok := value.(map[string]any); ok {
			s.Name, _ = entry[name].(string)
		}
		if s.Name == "" {
			f.Lost = append(f.Lost, fmt.Sprintf("%s: the entry has no %s", joined(s.At), name))
			continue
		}
		f.one(s, value, func(k keys, s *Server) {
			k.skip(name)
			take(k, s)
		})
	}
	return nil
}

// one reads one entry. One that cannot be read is told in Lost and does not stop the others.
func (f *File) one(s Server, value any, take func(k keys, s *Server)) {
	values, ok := value.(map[string]any)
	if !ok {
		f.Lost = append(f.Lost, fmt.Sprintf("%q: the entry is not an object", s.Name))
		return
	}
	e := &entry{}
	k := keys{entry: e, values: values, read: map[string]bool{}, expand: literal}
	take(k, &s)
	k.rest()
	if e.wrong == nil && len(s.Command) == 0 && len(s.URL) == 0 {
		e.wrong = errors.New("it names no command to start and no address to reach")
	}
	if e.wrong != nil {
		f.Lost = append(f.Lost, fmt.Sprintf("%q: %v", s.Name, e.wrong))
		return
	}
	slices.Sort(e.lost)
	s.Lost, s.Said = slices.Compact(e.lost), e.said
	f.Servers = append(f.Servers, s)
}
