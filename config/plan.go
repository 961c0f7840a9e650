package config

import (
	"fmt"
	"io"
	"strings"
)

// consequences say what a class means for a server.
var consequences = map[Class]string{
	Retoken: "new token", Respawn: "a running child keeps the old value", Rebind: "new address", Restart: "needs a restart of bearerd",
}

// WriteTo writes the changes for a person to read. It ends in one line with their number.
func (cs Changes) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	var added, changed, removed int
	for _, c := range cs {
		switch c.Action {
		case Add:
			added++
		case Remove:
			removed++
		default:
			changed++
		}
		c.write(&b)
	}
	if list := cs.RestartRequired(); len(list) > 0 {
		fmt.Fprintf(&b, "A restart of bearerd is needed, and until then nothing of this is applied: %s\n", strings.Join(list, ", "))
	}
	if len(cs) == 0 {
		b.WriteString("No changes.\n")
	} else {
		fmt.Fprintf(&b, "Plan: %d to add, %d to change, %d to remove.\n", added, changed, removed)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (c Change) write(b *strings.Builder) {
	sign := map[Action]string{Add: "+", Remove: "-", Modify: "~", Rename: "~"}[c.Action]
	what := c.Block
	if c.Server != "" {
		what = fmt.Sprintf("server %q", c.Server)
	}
	var notes []string
	if c.Action == Rename {
		notes = append(notes, fmt.Sprintf("renamed from %q", c.From))
	}
	for _, class := range c.Classes() {
		if text := consequences[class]; text != "" {
			notes = append(notes, text)
		}
	}
	fmt.Fprintf(b, "%s %s", sign, what)
	if len(notes) > 0 {
		fmt.Fprintf(b, " (%s)", strings.Join(notes, ", "))
	}
	b.WriteString("\n")
	for _, f := range c.Fields {
		fmt.Fprintf(b, "    ~ %s", f.Name)
		if f.Old != "" || f.New != "" {
			fmt.Fprintf(b, ": %s → %s", f.Old, f.New)
		}
		fmt.Fprintf(b, "   %s\n", f.Class)
	}
}
