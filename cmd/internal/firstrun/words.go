package firstrun

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Split takes a command line apart as a shell would, as far as quotes and backslashes go; nothing is put in for $ or *.
func Split(line string) (words []string, err error) {
	var word strings.Builder
	quote, begun := rune(0), false
	signs := []rune(line)
	for i := 0; i < len(signs); i++ {
		r, next := signs[i], rune(0)
		if i+1 < len(signs) {
			next = signs[i+1]
		}
		switch {
		case r == '\\' && quote != '\'' && (next == '"' || next == '\\' || quote == 0 && (next == '\'' || next == ' ')):
			word.WriteRune(next)
			begun = true
			i++
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && unicode.IsSpace(r):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quotation mark has no partner: write the second one, or \\ before the first")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

var (
	runners = []string{"npx", "bunx", "uvx", "pipx", "pnpm", "yarn", "bun", "node", "deno", "python", "python3", "uv", "docker", "podman", "go", "sh", "bash"}
	verbs   = []string{"run", "exec", "dlx", "tool", "x"} // words of runners, before what they run
	odd     = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
	version = regexp.MustCompile(`.@[^/]*$`)
	affixes = regexp.MustCompile(`^(mcp-server-|mcp-|server-)|(-mcp-server|-mcp|-server)$`)
)

// Suggested is a name for the server, by the host of its URL or by the program.
func (a *Answers) Suggested() string {
	name := ""
	if a.Kind == Program {
		name = fromLine(a.Line)
	} else if u, err := url.Parse(strings.TrimSpace(a.URL)); err == nil {
		name = fromHost(u.Hostname())
	}
	name = strings.Trim(odd.ReplaceAllString(name, "-"), "-_")
	if len(name) > 64 {
		name = name[:64]
	}
	if name == "" {
		return "server"
	}
	return name
}

// fromHost is the first label that tells something.
func fromHost(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return "local"
	}
	labels := strings.Split(host, ".")
	if len(labels) > 1 {
		labels = labels[:len(labels)-1]
	}
	for _, l := range labels {
		if !slices.Contains([]string{"mcp", "www", "api"}, l) {
			return l
		}
	}
	return labels[0]
}

// fromLine is the program, or what a runner such as npx is to run.
func fromLine(line string) string {
	words, err := Split(line)
	if err != nil || len(words) == 0 {
		return ""
	}
	base := func(w string) string {
		w = filepath.Base(strings.ReplaceAll(w, `\`, "/"))
		return strings.TrimSuffix(w, filepath.Ext(w))
	}
	name := base(words[0])
	if slices.Contains(runners, name) {
		for _, w := range words[1:] {
			if !strings.HasPrefix(w, "-") && !slices.Contains(verbs, w) {
				if loc := version.FindStringIndex(w); loc != nil {
					w = w[:loc[0]+1]
				}
				name = base(w)
				break
			}
		}
	}
	if cut := affixes.ReplaceAllString(name, ""); cut != "" {
		return cut
	}
	return name
}
