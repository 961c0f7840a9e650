package config

import (
	"fmt"
	"strings"
)

// moves checks the former names of renamed servers. One may stay in the file after the rename: it then says nothing.
func (l *loader) moves(t *tree) {
	const attr = "moved_from"
	taken := map[string]*written{}
	for _, w := range t.servers {
		if !w.block.has(attr) {
			continue
		}
		key := strings.ToLower(w.MovedFrom)
		other := t.names[key]
		switch first := taken[key]; {
		case !serverName.MatchString(w.MovedFrom):
			l.fail(w.block, attr, "moved_from is no server name", "write the name that the server had, or remove it")
		case strings.EqualFold(w.MovedFrom, w.Name):
			l.fail(w.block, attr, "moved_from is the server's own name", "write the name that it had, or remove it")
		case other != nil:
			l.fail(w.block, attr, fmt.Sprintf("moved_from names server %q, which is still there", other.Name),
				"the server at "+position(other.block)+" keeps its tokens: remove it, or remove moved_from")
		case first != nil:
			l.fail(w.block, attr, fmt.Sprintf("moved_from of server %q names the same server", first.Name),
				"the first is at "+position(first.block)+": one of them can have what was stored")
		default:
			taken[key] = w
		}
	}
}
