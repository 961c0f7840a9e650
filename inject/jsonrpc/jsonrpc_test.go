package jsonrpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// show writes a message so that nil and empty differ.
func show(m Message) string {
	kind := ""
	for name, is := range map[string]bool{"request": m.Request(), "notification": m.Notification(), "response": m.Response()} {
		if is {
			kind += name
		}
	}
	return fmt.Sprintf("%s id=%s method=%q params=%s result=%s error=%s", kind, m.ID, m.Method, m.Params, m.Result, m.Error)
}

func TestParseOne(t *testing.T) {
	for line, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`:                  `request id=1 method="tools/list" params= result= error=`,
		`{"method":"x/y","params":{"a":[1,"]"]},"id":"a"}`:                `request id="a" method="x/y" params={"a":[1,"]"]} result= error=`,
		`{"result":{"t":"\"},{\\"},"jsonrpc":"2.0","id":5}`:               `response id=5 method="" params= result={"t":"\"},{\\"} error=`,
		`{"id":0,"result":null}`:                                          `response id=0 method="" params= result=null error=`,
		`{"id":7,"result":{},"error":null}`:                               `response id=7 method="" params= result={} error=`,
		`{"id":null,"error":{"code":-32700}}`:                             `response id= method="" params= result= error={"code":-32700}`,
		`{"id":null,"result":{}}`:                                         ` id= method="" params= result={} error=`,
		`{"method":"notifications/initialized"}`:                          `notification id= method="notifications/initialized" params= result= error=`,
		`{"method":"ping","id":null,"params":null}`:                       `notification id= method="ping" params= result= error=`,
		"  \t{ \"id\" :\t1 , \"method\" : \"ping\" , \"x\" : true } \r\n": `request id=1 method="ping" params= result= error=`,
		`{}`:             ` id= method="" params= result= error=`,
		`{"id":5}`:       ` id=5 method="" params= result= error=`,
		`{"level":"i" }`: ` id= method="" params= result= error=`,
		// what smuggles a second envelope past one that is read differently
		`{"id":1,"method":"ping","id":2}`:               `request id=2 method="ping" params= result= error=`,
		`{"id":1,"method":"ping","\u0069d":2}`:          `request id=2 method="ping" params= result= error=`,
		`{"\u006D\u0065thod":"tools\/call","id":1}`:     `request id=1 method="tools/call" params= result= error=`,
		`{"method":"ping","method":null,"result":[]}`:   ` id= method="" params= result=[] error=`,
		`{"ID":1,"Method":"ping","id ":2,"i\\u0064":3}`: ` id= method="" params= result= error=`,
		`{"params":{"id":1,"method":"a"},"method":"b"}`: `notification id= method="b" params={"id":1,"method":"a"} result= error=`,
		`{"x":"\\","id":1,"y":"\\\"","method":"m"}`:     `request id=1 method="m" params= result= error=`,
		`{"x":"0123456789abcde\\","id":1}`:              ` id=1 method="" params= result= error=`,
		`{"x":"0123456789abcdef0123456\\\",","id":1}`:   ` id=1 method="" params= result= error=`,
	} {
		m, err := ParseOne([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := show(m); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

// canary stands in bad lines, and in no error.
const canary = "canary"

func TestWhatIsNoMessage(t *testing.T) {
	for _, line := range []string{
		``, ` `, "\r\n", `canary`, `"canary"`, `1`, `null`, `{`, `{"canary`, `{"canary"`, `{"canary":`, `{"canary":"`, `{"canary":"\"`, `{"canary":"\`,
		`{"canary":[}`, `{"canary":[[]}`, `{"canary":{"a":"}`, `{"canary":1`, `{"canary":1,`, `{"canary":1,}`, `{,"canary":1}`,
		`{"canary":1 "id":2}`, `{"canary":1"id":2}`, `{"canary" 1}`, `{"canary",1}`, `{canary:1}`, `{"a"::canary}`, `{"a":,"canary":1}`, `{"a":}`,
		`{"canary":1}{"id":2}`, `{"canary":1} canary`, `{"canary":1},`, `[{"canary":1}`, `[{"canary":1},]`, `[{"canary":1}]]`, `[{"canary":1} {}]`,
		`[]`, `[ ]`, `[`, `[1]`, `["canary"]`, `[[{"canary":1}]]`, `[{"canary":1},null]`, "\xef\xbb\xbf{}",
		`{"id":{"canary":1},"method":"ping"}`, `{"id":[],"method":"ping"}`, `{"id":true,"method":"canary"}`, `{"id":canary}`,
		`{"id":1,"method":5}`, `{"id":1,"method":{"canary":1}}`, `{"id":1,"method":"canary\x"}`,
		"{\"canary\":\"0123456789abcdef0123456789\\", `{"canary":"0123456789abcdef0123456789`, `{"canary":"0123456789abcde\`,
	} {
		for _, line := range []string{line, "[" + line} { // neither is a batch of it
			messages, _, err := Parse([]byte(line))
			if err == nil {
				t.Errorf("%s: %v", line, messages)
			} else if strings.Contains(err.Error(), canary) || messages != nil {
				t.Errorf("%s: %v, %v", line, messages, err)
			}
		}
		if m, err := ParseOne([]byte(line)); err == nil || m.ID != nil {
			t.Errorf("%s: %v, %v", line, show(m), err)
		}
	}
	if _, err := ParseOne([]byte(`[{"id":1}]`)); err == nil {
		t.Error("a batch is one message")
	}
}

func TestBatch(t *testing.T) {
	line := []byte(" [ {\"id\":1,\"method\":\"ping\"} ,\t{\"method\":\"x\"},{\"result\":[{}],\"id\":\"a\"}]\r\n")
	messages, batch, err := Parse(line)
	if err != nil || !batch || len(messages) != 3 {
		t.Fatal(messages, batch, err)
	}
	if !messages[0].Request() || !messages[1].Notification() || !messages[2].Response() || string(messages[2].ID) != `"a"` {
		t.Error(messages)
	}
	most := "[" + strings.Repeat("{},", maxBatch-1) + "{}"
	if messages, _, err := Parse([]byte(most + "]")); err != nil || len(messages) != maxBatch {
		t.Error(len(messages), err)
	}
	if _, _, err := Parse([]byte(most + ",{}]")); !errors.Is(err, errTooMany) {
		t.Error(err)
	}
	if messages, batch, err := Parse([]byte(`{"id":1}`)); len(messages) != 1 || batch || err != nil {
		t.Error(messages, batch, err)
	}
}

func TestDepthIsNotLimited(t *testing.T) {
	const depth = 8 << 20
	deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	m, err := ParseOne([]byte(`{"result":` + deep + `,"id":1}`))
	if err != nil || string(m.ID) != "1" || len(m.Result) != 2*depth {
		t.Error(len(m.Result), err)
	}
	if _, err := ParseOne([]byte(`{"result":` + deep[1:] + `,"id":1}`)); err == nil {
		t.Error("a bracket too many is no error")
	}
}

func TestParseOneAllocatesNothing(t *testing.T) {
	for _, line := range []string{small, `{"method":"notifications/progress","params":{"progressToken":"abc","progress":1}}`, `{"result":{"a":[1]},"id":"x"}`} {
		b := []byte(line)
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseOne(b) }); n != 0 {
			t.Errorf("%v allocations for %s", n, line)
		}
	}
}

func TestKey(t *testing.T) {
	for _, equal := range [][]string{
		{"1", "1.0", "1e0", "10e-1", "0.1E+1", "100.00e-2", " 1 "},
		{"10", "1e1", "1.0e1", "100e-1"},
		{"0", "-0", "0.0", "-0e5", "0.000e-3"},
		{"-1", "-1.0", "-10e-1"},
		{"1.5", "15e-1", "0.15e1"}, {"15"}, {"-15"}, {"1e-1", "0.1"},
		{"9007199254740992"}, {"9007199254740993", "9007199254740993.0"},
		{"18446744073709551616", "18446744073709551616.0"},
		{"100000000000000000000000", "1e23", "1000e20"}, {"1e22"}, {"1e300"}, {"1e1000000000"}, {"1e99999999999999999999"},
		{`"1"`, `"\u0031"`}, {`"1.0"`}, {`"1e0"`},
		{`"a/b"`, `"a\/b"`, `"\u0061/b"`}, {`"é"`, `"\u00e9"`, `"\u00E9"`}, {`"😀"`, `"\ud83d\ude00"`}, {`""`}, {`"\""`}, {`"\\"`},
		{"", "null", " null "}, {`"null"`},
		{"\"\xff\"", `"\ufffd"`}, // as JavaScript and Go read it, and send it back
	} {
		for _, id := range equal {
			if Key([]byte(id)) != Key([]byte(equal[0])) {
				t.Errorf("%s has key %q, %s has %q", id, Key([]byte(id)), equal[0], Key([]byte(equal[0])))
			}
			if other, ok := keys[Key([]byte(id))]; ok && other != equal[0] {
				t.Errorf("%s and %s have one key", id, other)
			}
		}
		keys[Key([]byte(equal[0]))] = equal[0]
	}
	if Key(nil) != "" {
		t.Error("none has a key")
	}
}

var keys = map[string]string{}

func TestFailure(t *testing.T) {
	for _, test := range []struct {
		id   string
		data any
		want string
	}{
		{"5", nil, `{"jsonrpc":"2.0","id":5,"error":{"code":-32001,"message":"a <b> & \"c\""}}`},
		{`"<&\/é"`, map[string]string{"server": "x"}, `{"jsonrpc":"2.0","id":"<&\/é","error":{"code":-32001,"message":"a <b> & \"c\"","data":{"server":"x"}}}`},
		{"", false, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"a <b> & \"c\"","data":false}}`},
		{"12345678901234567890", func() {}, `{"jsonrpc":"2.0","id":12345678901234567890,"error":{"code":-32001,"message":"a <b> & \"c\""}}`},
		{"\"a\nb\"", nil, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"a <b> & \"c\""}}`},
		{"{\n}", nil, `{"jsonrpc":"2.0","id":{},"error":{"code":-32001,"message":"a <b> & \"c\""}}`},
	} {
		if got := string(Failure([]byte(test.id), -32001, `a <b> & "c"`, test.data)); got != test.want+"\n" {
			t.Errorf("%q: %s", test.id, got)
		}
	}
	if m, err := ParseOne(Failure(nil, 1, "x\n\xff", nil)); err != nil || !m.Response() || !strings.HasPrefix(string(m.Error), `{"code":1`) {
		t.Error(m, err)
	}
}

func TestField(t *testing.T) {
	const params = ` {"name":"a","_meta":{"x":1,"progress\u0054oken":"p","n":null},"list":[1],"d":1,"d":2}`
	for path, want := range map[string]string{
		"name": `"a"`, "_meta progressToken": `"p"`, "_meta x": "1", "_meta n": "null", "d": "2", "list": "[1]",
		"no": "", "Name": "", "name x": "", "list 0": "", "_meta n x": "", "no x": "",
	} {
		got := Field([]byte(params), strings.Fields(path)...)
		if string(got) != want || want == "" && got != nil {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, raw := range []string{"", "null", "[]", `"a"`, `{"a":1`, `{"a":1,`} {
		if got := Field([]byte(raw), "a"); got != nil {
			t.Errorf("%s: %s", raw, got)
		}
	}
}

func TestText(t *testing.T) {
	for raw, want := range map[string]string{
		`"a"`: "a", ` "a" `: "a", `"a\n\u00e9\ud83d\ude00"`: "a\né😀", `""`: "", "": "", "null": "", "1": "", `{"a":"b"}`: "", `"a`: "", `"a\"`: "", `"a","b"`: "",
		`"\x"`: "", "\"\xff\"": "\ufffd",
	} {
		if got := Text([]byte(raw)); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

func TestReplace(t *testing.T) {
	whole := []byte(`xx{"params":{"id":5},"id":5} yy`)
	line := whole[2 : len(whole)-3]
	m, err := ParseOne(line)
	if err != nil {
		t.Fatal(err)
	}
	before := string(whole)
	for _, test := range []struct {
		part       []byte
		with, want string
	}{
		{m.ID, `"long-one"`, `{"params":{"id":5},"id":"long-one"}`},
		{m.ID, ``, `{"params":{"id":5},"id":}`},
		{Field(m.Params, "id"), "66", `{"params":{"id":66},"id":5}`},
		{line, "x", "x"},
		{nil, "6", string(line)}, {m.ID[:0], "6", string(line)}, {make([]byte, 1, 10), "6", string(line)}, {whole, "6", string(line)}, {whole[:1], "6", string(line)},
	} {
		got := Replace(line, test.part, []byte(test.with))
		if string(got) != test.want {
			t.Errorf("%s with %s: %s", test.part, test.with, got)
		}
		if len(got) > 0 {
			got[0] = '!'
		}
	}
	if string(whole) != before {
		t.Errorf("the line itself was changed: %s", whole)
	}
}

// decoded is what encoding/json, which JavaScript agrees with, sees of an object; ok is false when that is no message.
func decoded(raw json.RawMessage) (m Message, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return m, false
	}
	var id any
	_ = json.Unmarshal(members["id"], &id)
	switch id.(type) {
	case map[string]any, []any, bool:
		return m, false
	}
	if method := members["method"]; method != nil && json.Unmarshal(method, &m.Method) != nil {
		return m, false
	}
	present := func(name string) []byte {
		if string(members[name]) == "null" {
			return nil
		}
		return members[name]
	}
	m.ID, m.Params, m.Result, m.Error = present("id"), present("params"), members["result"], present("error")
	return m, true
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		small, `{"result":{"a":[{"b":"\\\""}]},"jsonrpc":"2.0","id":5}`, `{"id":"\u0061\/","m\u0065thod":"\u0070ing","id":1.50e+1}`, `[{"id":1,"method":"ping"},{"method":"x"}]`,
		`{"error":{"code":-1,"message":"\ud800"},"id":null}`, `{"id":1,"id":null,"params":[],"params":null,"result":null}`, `{"id":{}}`, `{"method":[]}`, `[]`, `null`, `{"":"","\u0000":-0}`,
		" {\t\"x\":true ,\r\n\"id\":\"0123456789abcdef\\\\\\\"\"}", "{\"me\xffthod\":\"\xff\",\"method\":\"\xfe\"}", `{"a":[}`, `{"a":"\`, `{"a":{"b":[[[{"id":2}]]]},"id":-0}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, batch, err := Parse(line)
		if err != nil && got != nil {
			t.Fatal("messages and an error")
		}
		for _, m := range got {
			_, _, _ = Key(m.ID), Text(m.Params), Field(m.Params, "_meta", "x")
			replaced(t, line, m)
		}
		_, _, _ = Key(line), Text(line), Field(line, "a", "b")
		if !json.Valid(line) {
			return
		}
		var items []json.RawMessage
		array := json.Unmarshal(line, &items) == nil && items != nil
		if !array {
			items = []json.RawMessage{line}
		}
		if len(items) == 0 || len(items) > maxBatch {
			return
		}
		var want []Message
		for _, item := range items {
			m, ok := decoded(item)
			if !ok {
				if err == nil {
					t.Fatalf("accepted %s", item)
				}
				return
			}
			want = append(want, m)
		}
		if err != nil || batch != array || len(got) != len(want) {
			t.Fatalf("%v, batch %v, %d messages of %d", err, batch, len(got), len(want))
		}
		for i := range want {
			if show(got[i]) != show(want[i]) {
				t.Fatalf("\n got %s\nwant %s", show(got[i]), show(want[i]))
			}
			sameText(t, got[i].ID)
		}
	})
}

// replaced checks that a new id, and it alone, is in the line that Replace makes, and that Failure makes one line.
func replaced(t *testing.T, line []byte, m Message) {
	if m.ID == nil {
		return
	}
	failure := Failure(m.ID, -1, string(line), nil)
	if answer, err := ParseOne(failure); err != nil || !answer.Response() || strings.Count(string(failure), "\n") != 1 {
		t.Fatalf("%s: %v", failure, err)
	} else if json.Valid(m.ID) && Key(answer.ID) != Key(m.ID) {
		t.Fatalf("%s answers %s", answer.ID, m.ID)
	}
	n := len(Replace(line, m.ID, nil))
	if n != len(line)-len(m.ID) {
		t.Fatalf("%d bytes are left of %d without %s", n, len(line), m.ID)
	}
	after, _, err := Parse(Replace(line, m.ID, []byte(`"new"`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range after {
		if string(a.ID) == `"new"` {
			return
		}
	}
	t.Fatal("the new id is not there")
}

func sameText(t *testing.T, id []byte) {
	var text string
	if id == nil || json.Unmarshal(id, &text) != nil {
		return
	}
	if Text(id) != text || Key(id) != `"`+text || !utf8.ValidString(Key(id)) {
		t.Fatalf("%s: %q, %q", id, Text(id), Key(id))
	}
}

const small = `{"method":"tools/call","params":{"name":"search","arguments":{"query":"what is the weather in Paris today","limit":10,"page":{"size":20}},` +
	`"_meta":{"progressToken":17}},"jsonrpc":"2.0","id":1234}`

func BenchmarkParseOne(b *testing.B) {
	text := strings.Repeat("a line of a file\\n", 1<<20/18)
	object := `{"id":123,"name":"abc","tags":["x","y"],"ok":true},`
	for name, line := range map[string]string{
		"200 bytes":           small,
		"1 MiB string":        `{"result":{"content":[{"type":"text","text":"` + text + `"}]},"jsonrpc":"2.0","id":5}`,
		"1 MiB small objects": `{"result":{"list":[` + strings.Repeat(object, 1<<20/len(object)) + `{}]},"jsonrpc":"2.0","id":5}`,
		"1 MiB JSON in text":  `{"result":{"text":"` + strings.ReplaceAll(strings.Repeat(object, 1<<20/60), `"`, `\"`) + `"},"jsonrpc":"2.0","id":5}`,
		"1 MiB numbers":       `{"result":{"list":[` + strings.Repeat("0.12345,", 1<<17) + `0]},"jsonrpc":"2.0","id":5}`,
	} {
		line := []byte(line)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if _, err := ParseOne(line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
