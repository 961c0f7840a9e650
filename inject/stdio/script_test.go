package stdio

import (
	"strings"
	"testing"
)

// What cmd.exe gets for a script: the expected lines are those of the rules that Rust's standard library follows.
func TestScriptLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ``},
		{[]string{"-y", "pkg@1"}, ` "-y" "pkg@1"`},
		{[]string{""}, ` ""`},
		{[]string{"https://a/b?x=1&y=2"}, ` "https://a/b?x=1&y=2"`},
		{[]string{`say "hi"`}, ` "say ""hi"""`},
		{[]string{`C:\dir\`}, ` "C:\dir\\"`},
		{[]string{`a\"b`}, ` "a\\""b"`},
		{[]string{"%PATH%"}, ` "%%cd:~,%PATH%%cd:~,%"`},
		{[]string{`" & calc & "`}, ` """ & calc & """`},
	} {
		got, err := scriptLine(`C:\Program Files\nodejs\npx.cmd`, c.args)
		if want := `/e:ON /v:OFF /d /c ""C:\Program Files\nodejs\npx.cmd"` + c.want + `"`; err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", c.args, got, err, want)
		}
	}
	for _, arg := range []string{"a\nb", "a\rb", "a\x00b"} {
		if _, err := scriptLine("npx.cmd", []string{"-y", arg}); err == nil || !strings.Contains(err.Error(), "argument 2") {
			t.Errorf("%q: %v", arg, err)
		}
	}
	if _, err := scriptLine("100%.cmd", nil); err == nil {
		t.Error("a script whose name cmd.exe would change is run")
	}
}
