package bridge

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`

func modernCall(id, method, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + meta + `}}`
}

func TestModernHeaders(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	for _, test := range []struct{ method, params, name string }{
		{"tools/call", `"name":"search",`, "search"},
		{"tools/call", `"name":"日本",`, "=?base64?5pel5pys?="},
		{"tools/call", `"name":"",`, "=?base64??="},
		{"tools/call", `"name":" a",`, "=?base64?IGE=?="},
		{"tools/call", `"name":"a\nb",`, "=?base64?YQpi?="},
		{"tools/call", `"name":"=?base64?x?=",`, "=?base64?PT9iYXNlNjQ/eD89?="},
		{"tools/call", `"name":5,`, ""},
		{"tools/call", ``, ""},
		{"resources/read", `"uri":"file:///a",`, "file:///a"},
		{"prompts/get", `"name":"p",`, "p"},
		{"tasks/get", `"taskId":"t",`, "t"},
		{"tools/list", `"name":"x",`, ""},
	} {
		f.send(modernCall("7", test.method, test.params))
		f.want(result("7"))
		list := s.requests(test.method)
		h := list[len(list)-1].header
		if h.Get("Mcp-Protocol-Version") != "2026-07-28" || h.Get("Mcp-Method") != test.method || h.Get("Mcp-Name") != test.name {
			t.Errorf("%s %s: %v", test.method, test.params, h)
		}
		if _, ok := h["Mcp-Name"]; ok != (test.name != "") {
			t.Errorf("%s %s: %v", test.method, test.params, h)
		}
		if h.Get("Mcp-Session-Id") != "" {
			t.Error("a session")
		}
	}
	_ = f.in.Close()
	<-f.ended
	if len(s.requests("DELETE"))+len(s.requests("GET")) > 0 {
		t.Error("it has no session")
	}
}

const schema = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},` +
	`"deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},"b":{"type":"boolean","x-mcp-header":"B"}}}`

func tools(schemas ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var list []string
		for i, s := range schemas {
			list = append(list, `{"name":"t`+string(rune('0'+i))+`","inputSchema":`+s+`}`)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","result":{"tools":[` + strings.Join(list, ",") + `]},"id":` + id(r) + `}`))
	}
}

func TestParameterHeaders(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/list", tools(schema, `{"type":"object"}`, `{"properties":{"f":{"type":"number","x-mcp-header":"F"}}}`))
	f := start(t, url)
	f.send(modernCall("1", "tools/list", ""))
	var list struct {
		Result struct{ Tools []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(f.line()), &list); err != nil || len(list.Result.Tools) != 2 {
		t.Errorf("the tool at fault is not left out: %v, %v", list, err)
	}
	for arguments, want := range map[string]map[string]string{
		`{"region":"eu","deep":{"n":3.0},"b":true}`:         {"Region": "eu", "N": "3", "B": "true"},
		`{"region":"ü","deep":{"n":1.5},"b":false}`:         {"Region": "=?base64?w7w=?=", "N": "1.5", "B": "false"},
		`{"region":null,"deep":null}`:                       {"Region": "", "N": "", "B": ""},
		`{"region":{},"deep":{"n":9007199254740993},"b":0}`: {"Region": "", "N": "", "B": "0"},
	} {
		f.send(modernCall("7", "tools/call", `"name":"t0","arguments":`+arguments+`,`))
		f.want(result("7"))
		calls := s.requests("tools/call")
		for name, value := range want {
			if got := calls[len(calls)-1].header.Get("Mcp-Param-" + name); got != value {
				t.Errorf("%s: %s is %q, want %q", arguments, name, got, value)
			}
		}
	}
}

// TestToolThatWasNotListed: the server misses a header, so the tools are listed and the call sent again.
func TestToolThatWasNotListed(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/list", tools(schema))
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Param-Region") != "eu" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":` + id(r) + `,"error":{"code":-32020,"message":"Mcp-Param-Region is missing"}}`))
			return
		}
		answer(w, id(r))
	})
	f := start(t, url)
	f.send(modernCall("7", "tools/call", `"name":"t0","arguments":{"region":"eu"},`))
	f.want(result("7"))
	f.send(modernCall("8", "tools/call", `"name":"t0","arguments":{"region":"us"},`))
	f.wantError("8", "-32020")
}

func TestMarks(t *testing.T) {
	for schema, good := range map[string]bool{
		schema:                                 true,
		`{"x-mcp-header":"A","type":"string"}`: false,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A b"}}}`:                                        false,
		`{"properties":{"a":{"type":"string","x-mcp-header":""}}}`:                                           false,
		`{"properties":{"a":{"type":"string","x-mcp-header":5}}}`:                                            false,
		`{"properties":{"a":{"type":["string"],"x-mcp-header":"A"}}}`:                                        false,
		`{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`:                 false,
		`{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}`:                              false,
		`{"$defs":{"d":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}}`:                          false,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`: false,
	} {
		if _, err := marked([]byte(schema)); (err == nil) != good {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

func TestProbeOfAnOlderServer(t *testing.T) {
	for status, want := range map[int]string{404: "-32601", 400: "-32601", 405: "-32601", 502: "502"} {
		s, url := newFake(t)
		s.on("server/discover", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		f := start(t, url)
		f.send(modernCall("7", "server/discover", ""))
		f.wantError("7", want)
		f.initialize()
		f.nothing()
	}
}

func TestModernCancellation(t *testing.T) {
	s, url := newFake(t)
	gone := make(chan struct{})
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		sse(w, ": here\n\n")
		<-r.Context().Done()
		close(gone)
	})
	f := start(t, url)
	f.send(modernCall("7", "tools/call", `"name":"t",`))
	s.until("tools/call", 1)
	f.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	<-gone
	f.nothing()
	if len(s.requests("notifications/cancelled")) > 0 {
		t.Error("it was sent")
	}
}

func TestModernStreamIsNotResumed(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) { sse(w, "id: a\nretry: 1\ndata:\n\n") })
	f := start(t, url)
	f.send(modernCall("7", "tools/call", `"name":"t",`))
	f.wantError("7", "not known")
	if len(s.requests("GET")) > 0 {
		t.Error("it was resumed")
	}
}

func TestSubscription(t *testing.T) {
	s, url := newFake(t)
	ack := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}`
	n := 0
	s.on("subscriptions/listen", func(w http.ResponseWriter, r *http.Request) {
		switch n++; n {
		case 1:
			sse(w, "retry: 5\n\n", data(ack), data(`{"jsonrpc":"2.0","method":"one"}`))
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			sse(w, data(ack), data(`{"jsonrpc":"2.0","method":"two"}`), data(result(id(r))))
		}
	})
	f := start(t, url)
	f.send(modernCall(`"l"`, "subscriptions/listen", ""))
	f.want(ack)
	f.want(`{"jsonrpc":"2.0","method":"one"}`)
	f.want(`{"jsonrpc":"2.0","method":"two"}`)
	f.want(result(`"l"`))
	if list := s.requests("subscriptions/listen"); len(list) != 3 || list[0].body != list[2].body {
		t.Errorf("%v", list)
	}
}

func TestSubscriptionThatIsRefused(t *testing.T) {
	s, url := newFake(t)
	s.on("subscriptions/listen", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	f := start(t, url)
	f.send(modernCall("7", "subscriptions/listen", ""))
	f.wantError("7", "502")
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{1: "1", -2: "-2", 1.5: "1.5", 1e-7: "1e-7", 0.000001: "0.000001", 1e21: "", 9007199254740991: "9007199254740991", 123456.789: "123456.789"} {
		if got, ok := number(v); got != want || ok != (want != "") {
			t.Errorf("%v: %q, %v", v, got, ok)
		}
	}
}
