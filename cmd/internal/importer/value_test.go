package importer

import (
	"fmt"
	"strings"
	"testing"

	"bearerd/cmd/internal/clients"
)

func TestWhatIsSaidOfAValue(t *testing.T) {
	written := "$pwCANARY9"
	for name, c := range map[string]struct {
		text clients.Text
		says string
	}{
		"cut":       {plain("a\n"), "env LOG ends with a line break"},
		"all cut":   {plain("\r\n"), "env LOG ends with a line break"},
		"several":   {plain("a\nb"), "env LOG is kept in the store"},
		"unset":     {clients.Text{{Variable: "pwCANARY9", Default: &written}}, "LOG has a $"},
		"unset too": {clients.Text{{Literal: "a"}, {Variable: "pwCANARY9", Default: &written}}, "a text holds a $"},
	} {
		s := program("s", "npx")
		s.Env = map[string]clients.Text{"LOG": c.text}
		if said := fmt.Sprint(one(t, s).Notes); !strings.Contains(said, c.says) || strings.Contains(said, "CANARY") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// What was to become of a server that is left out is not told.
func TestNoNotesOfWhatIsLeftOut(t *testing.T) {
	s := remoteServer("s", "https://u:CANARY@mcp.example.com", map[string]clients.Text{"X": plain("a\nb")})
	if got := take(t, world(t), s)[0]; got.Why == "" || len(got.Notes) > 0 {
		t.Errorf("%+v", got)
	}
}
