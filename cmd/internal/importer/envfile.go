package importer

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"bearerd/cmd/internal/clients"
)

// envFile puts the variables of the entry's envFile below its own. The file is read now, as bearerd knows none.
func (c *conversion) envFile() error {
	if len(c.from.EnvFile) == 0 {
		return nil
	}
	path, err := c.now("its envFile", c.from.EnvFile)
	if err != nil {
		return err
	}
	if path = c.path(path); !filepath.IsAbs(path) {
		return errors.New("its envFile is a relative path, and only the client knows of which folder: write the whole path and import again")
	}
	data, err := c.Read(path)
	if err != nil {
		return fmt.Errorf("its envFile cannot be read: %w", err)
	}
	all := dotenv(string(data))
	c.apart = make(map[string]bool, len(all))
	for name := range all {
		_, own := c.from.Env[name]
		c.apart[name] = !own
	}
	maps.Copy(all, c.from.Env)
	c.from.Env = all
	c.note("its envFile was read now: what is changed there later is not seen")
	return nil
}

// dotenv reads lines of NAME=value: with quotes, comments and "export " before the name. Other lines say nothing.
func dotenv(text string) map[string]clients.Text {
	all := map[string]clients.Text{}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\ufeff"))
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		name, value, found := strings.Cut(line, "=")
		name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "export "))
		if text = rest; !found || !variableName.MatchString(name) {
			continue
		}
		value = strings.TrimLeft(value, " \t")
		if inside, behind, ok := quoted(value + "\n" + rest); ok {
			value, text = inside, behind
		} else {
			value, _, _ = strings.Cut(value, "#")
			value = strings.TrimSpace(value)
		}
		all[name] = clients.Text{{Literal: value}}
	}
	return all
}

// quoted is what stands in the quotes with which text begins, which may go over several lines, and the lines behind it.
func quoted(text string) (inside, behind string, ok bool) {
	mark := text[0]
	if mark != '"' && mark != '\'' && mark != '`' {
		return "", "", false
	}
	end := 1
	for end < len(text) && text[end] != mark {
		if mark == '"' && text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", "", false
	}
	line, behind, _ := strings.Cut(text[end+1:], "\n")
	if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
		return "", "", false
	}
	if inside = text[1:end]; mark == '"' {
		inside = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\"`, `"`).Replace(inside)
	}
	return inside, behind, true
}

// plainly reports whether a value that was kept apart in an envFile is surely no secret.
func plainly(t clients.Text) bool {
	text, _ := t.Plain()
	return harmless.MatchString(text) || isPath(text) || isAddress(text)
}
