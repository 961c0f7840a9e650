package relay

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestPassesByteForByte(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.opened()
		for _, line := range []string{
			` { "params" : {"a":[1,{"b":"]}"}]} ,"id":1 , "method":"tools/call"}  `,
			"{\"id\":2,\"method\":\"tools/call\",\"params\":{\"a\":\"\\u00e9 \u2028 日本\\\"\"}}\r",
			`{"id":1e2,"method":"x","method":"tools/call","jsonrpc":"2.0","more":null}`,
			`[{"jsonrpc":"2.0","id":4,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]`,
			`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`,
			`{"id":5,"method":"tools/call","params":"` + strings.Repeat("x", 16<<20) + `"}`,
			"no JSON \x00\xff",
		} {
			r.say("%s", line)
			f.hears("%s", line)
		}
		for _, line := range []string{
			`{"result":{"a":[{}]}  ,"jsonrpc":"2.0","id":1}`,
			"\t{\"id\":2,\"error\":{\"code\":1,\"message\":\"\\ud83d\\ude00 é\"}} \r",
			`{"result":"` + strings.Repeat("é", 8<<20) + `","id":5}`,
			`[{"id":4,"result":{}}]`,
			`{"method":"notifications/progress","params":{"progressToken":1e2}}`,
			`{"id":100,"result":null}`,
			`{"neither":"nor"}`,
		} {
			f.say("%s", line)
			r.hears("%s", line)
		}
	})
}

// What is no MCP passes as it is; once the client has spoken MCP it could not read what is none.
func TestLinesThatAreNoMessages(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.serve(r.start())
		f.say("Welcome to the program!")
		r.hears("Welcome to the program!")
		r.say("hello")
		f.hears("hello")
		r.say("")
		f.hears("")
		r.say(hello)
		f.hears(hello)
		f.say("Listening on stdio")
		f.say("")
		f.say(`{"half":`)
		f.say(`{"id":"é/1","result":{}}`)
		r.hears(`{"id":"é/1","result":{}}`)
		if a, b := <-r.stray, <-r.stray; a != "Listening on stdio\n" || b != "{\"half\":\n" || len(r.stray) > 0 {
			t.Errorf("stray are %q and %q", a, b)
		}
	})
}

func TestTheLastLineWithoutItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		speaks      bool
		last        string
		gets, stray string
	}{
		"no MCP":              {false, "42% done", "42% done", ""},
		"a message":           {true, `{"id":1,"result":{}}`, `{"id":1,"result":{}}` + "\n", ""},
		"half a message":      {true, `{"id":1,"resu`, "", `{"id":1,"resu` + "\n"},
		"no MCP, too late":    {true, "bye", "", "bye\n"},
		"nothing but a space": {true, " ", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				f := r.serve(r.start())
				if c.speaks {
					r.say(`{"id":1,"method":"tools/call"}`)
					f.hears(`{"id":1,"method":"tools/call"}`)
				}
				write(t, f.out, c.last)
				_ = f.out.Close()
				<-f.link.Read()
				_ = r.out.Close()
				got := strings.Join(rest(r.lines), "")
				synctest.Wait()
				close(r.stray)
				if stray := strings.Join(rest(r.stray), ""); got != c.gets || stray != c.stray {
					t.Errorf("the client got %q, and %q was stray", got, stray)
				}
			})
		})
	}
}

func rest(lines chan string) (list []string) {
	for line := range lines {
		list = append(list, line)
	}
	return list
}

func TestWhatTheClientSaysLast(t *testing.T) {
	for _, last := range []string{call(7), `{"id":7,"meth`, "bye"} {
		bubble(t, func(t *testing.T, r *rig) {
			f := r.opened()
			write(t, r.in, last)
			_ = r.in.Close()
			synctest.Wait()
			f.die()
			if got := strings.Join(rest(f.lines), ""); got != last {
				t.Fatalf("the server got %q, want %q", got, last)
			}
		})
	}
}
