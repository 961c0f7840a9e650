package importer

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/inject/proxy"
)

// The longest names that a server and a secret may have.
const (
	maxServer = 64
	maxSecret = 128
)

// candidate is the nth name for a server: its own, with the client's name behind it, with a number behind that.
func candidate(name, client string, n int) string {
	end := ""
	switch {
	case n == 1:
		end = "-" + client
	case n > 1:
		end = fmt.Sprintf("-%s-%d", client, n)
	}
	base := plainName(name, "")
	if base == "" {
		base = "server"
	}
	return strings.TrimRight(base[:min(len(base), maxServer-len(end))], "-") + end
}

// plainName leaves letters, digits, _, - and the signs of also; other ones become a -. It begins with a letter or a digit.
func plainName(name, also string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || strings.ContainsRune(also, r) {
			b.WriteRune(r)
		} else if s := b.String(); !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(strings.TrimLeft(b.String(), "-_"+also), "-")
}

// secretName is what a secret is called in the store.
func secretName(server, kind, key string) string {
	name := strings.TrimSuffix("import/"+server+"/"+kind, "/") + "/"
	if key = plainName(key, "."); key == "" {
		key = "value"
	}
	return name + key[:min(len(key), maxSecret-len(name))]
}

// usesBearerd reports whether an entry starts bearerd, or asks its proxy. A note says what is wrong with that.
func usesBearerd(s clients.Server, have *config.Config) (own bool, notes []string) {
	if command, ok := s.Command.Plain(); ok && len(s.Command) > 0 {
		at := -1
		if isBearerd(command) {
			at = 0
		}
		words := []string{command}
		for _, arg := range s.Args {
			word, _ := arg.Plain()
			if words = append(words, word); at < 0 && isBearerd(word) { // npx bearerd exec NAME
				at = len(words) - 1
			}
		}
		if at < 0 || !slices.Contains(words[at+1:], "exec") {
			return false, nil
		}
		return true, unknownServer(words[at+1:], have)
	}
	if text, _ := s.Headers["Authorization"].Plain(); strings.HasPrefix(text, "Bearer "+proxy.KeyPrefix) {
		return true, nil
	}
	text, _ := s.URL.Plain()
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false, nil
	}
	return slices.ContainsFunc(have.Servers, func(known *config.Server) bool {
		return u.Host == known.Listen || u.Host == have.Proxy.Listen && strings.TrimSuffix(u.Path, "/") == "/"+known.Name
	}), nil
}

// unknownServer says that the server which bearerd is told to start is not configured. Words with options may mean
// another configuration.
func unknownServer(words []string, have *config.Config) []string {
	if len(words) < 2 || words[0] != "exec" || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") }) {
		return nil
	}
	if slices.ContainsFunc(have.Servers, func(known *config.Server) bool { return strings.EqualFold(known.Name, words[1]) }) {
		return nil
	}
	return []string{fmt.Sprintf("it starts `bearerd exec %s`, but no server of this configuration has that name", words[1])}
}

// isBearerd reports whether a word names the program.
func isBearerd(word string) bool {
	base := strings.ToLower(path.Base(strings.ReplaceAll(word, `\`, "/")))
	base, _, _ = strings.Cut(base, "@") // as the npm package
	return strings.TrimSuffix(base, ".exe") == "bearerd"
}
