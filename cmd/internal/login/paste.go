package login

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// readLines passes on the lines that a person pastes, until r is closed or ctx ends.
func readLines(ctx context.Context, r io.Reader, lines chan<- string) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxQuery)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" {
			continue
		}
		select {
		case lines <- line:
		case <-ctx.Done():
			return
		}
	}
}

// queryOf cuts the query out of a pasted address; a query alone is taken as it is.
func queryOf(line string) string {
	if before, after, found := strings.Cut(line, "?"); found && !strings.Contains(before, "=") {
		line = after
	}
	query, _, _ := strings.Cut(line, "#")
	return query
}
