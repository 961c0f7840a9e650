package oauth

import (
	"net/http"
	"slices"
	"strings"

	"bearerd/secrets"
)

// maxChallenge is in bytes, of one value that is read and of all headers together: what is longer serves nobody.
const (
	maxChallengeValue = 4 << 10
	maxChallenges     = 64 << 10
	maxChallengeScope = 1 << 10 // as JSON: what is demanded is kept
	maxScopeWord      = 256     // of one scope
)

// Challenge is what a protected resource asks for (RFC 6750 §3, RFC 9728 §5.1). Its values are the resource's own words.
type Challenge struct {
	Bearer           bool   // there is a Bearer challenge
	Error            string // invalid_token, insufficient_scope …; "": none
	Scope            string // space-separated, fit to be sent and shown; "": none
	ResourceMetadata string // "": none
	Status           int    // of the answer that it was looked for in (HTTP), where Probe has done so; else 0
}

// ParseChallenge reads every WWW-Authenticate header of a response. The first Bearer challenge counts, and of it the first
// parameter of each name; those of other schemes are theirs.
func ParseChallenge(h http.Header) Challenge {
	read := 0
	for _, value := range h.Values("WWW-Authenticate") {
		if read += len(value); read > maxChallenges {
			break
		}
		if c := parseChallenges(value); c.Bearer {
			return c
		}
	}
	return Challenge{}
}

// parseChallenges gives the first Bearer challenge of one header (RFC 9110 §11.6.1), whose comma separates both challenges
// and parameters. Commas that are missing and values that should be quoted do not matter.
func parseChallenges(value string) Challenge {
	var c Challenge
	seen := map[string]bool{}
	s := &challengeScanner{value}
	for s.next() {
		name := s.token()
		switch {
		case name == "": // no start of anything
			s.skipItem()
		case s.assigns():
			text := s.value()
			if name = strings.ToLower(name); c.Bearer && !seen[name] && len(text) <= maxChallengeValue {
				seen[name] = true
				c.set(name, text)
			}
		case c.Bearer: // the next challenge
			return c
		default:
			c.Bearer = strings.EqualFold(name, "Bearer")
			s.skipToken68()
		}
	}
	return c
}

func (c *Challenge) set(name, text string) {
	switch name {
	case "error":
		c.Error = text
	case "scope":
		c.Scope = plausibleScope(text, maxChallengeScope)
	case "resource_metadata":
		c.ResourceMetadata = text
	}
}

// Without is c without what repeats one of the values, as they are or escaped: the words of its scope, but for those of
// known, and the address. Words that are no scope (RFC 6749 §3.3) or are over 256 bytes go too.
func (c Challenge) Without(values []secrets.Secret, known string) Challenge {
	w := &wire{}
	for _, value := range values {
		w.hide(value.Reveal())
	}
	words := slices.DeleteFunc(strings.Fields(c.Scope), func(s string) bool { return len(s) > maxScopeWord })
	c.Scope = w.knownScopes(strings.Join(words, " "), known)
	if echoes(c.Error, w.hidden) {
		c.Error = ""
	}
	if echoes(c.ResourceMetadata, w.hidden) {
		c.ResourceMetadata = ""
	}
	return c
}

// challengeScanner is the rest of a header. Each of its methods takes something off, so that every byte is looked at a
// few times at most.
type challengeScanner struct{ rest string }

const blanks = " \t"

// next moves to the next item, and reports whether there is one.
func (s *challengeScanner) next() bool {
	s.rest = strings.TrimLeft(s.rest, blanks+",")
	return s.rest != ""
}

// token takes an RFC 9110 §5.6.2 token; "" when none comes.
func (s *challengeScanner) token() string {
	return s.take(func(r byte) bool { return isAlnum(r) || strings.IndexByte("!#$%&'*+-.^_`|~", r) >= 0 })
}

func (s *challengeScanner) take(wanted func(byte) bool) string {
	i := 0
	for i < len(s.rest) && wanted(s.rest[i]) {
		i++
	}
	taken := s.rest[:i]
	s.rest = s.rest[i:]
	return taken
}

func isAlnum(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// assigns takes an equals sign and the blanks around it, if there is one.
func (s *challengeScanner) assigns() bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(s.rest, blanks), "=")
	if ok {
		s.rest = strings.TrimLeft(rest, blanks)
	}
	return ok
}

// value takes a quoted string, or what stands before the next blank or comma. A string without its end is "".
func (s *challengeScanner) value() string {
	if !strings.HasPrefix(s.rest, `"`) {
		return s.take(func(b byte) bool { return strings.IndexByte(blanks+`,"`, b) < 0 })
	}
	var text strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch b := s.rest[i]; {
		case b == '"':
			s.rest = s.rest[i+1:]
			return text.String()
		case b == '\\' && i+1 < len(s.rest):
			i++
			text.WriteByte(s.rest[i])
		default:
			text.WriteByte(b)
		}
	}
	s.rest = ""
	return ""
}

// skipItem takes what is neither a scheme nor a parameter: a string, or one byte.
func (s *challengeScanner) skipItem() {
	if strings.HasPrefix(s.rest, `"`) {
		s.value()
		return
	}
	s.rest = s.rest[1:]
}

// skipToken68 takes the token68 of a scheme that has one (RFC 9110 §11.2): it stands alone before a comma or the end.
func (s *challengeScanner) skipToken68() {
	after := challengeScanner{strings.TrimLeft(s.rest, blanks)}
	taken := after.take(func(b byte) bool { return isAlnum(b) || strings.IndexByte("-._~+/", b) >= 0 })
	after.take(func(b byte) bool { return b == '=' })
	after.rest = strings.TrimLeft(after.rest, blanks)
	if taken != "" && (after.rest == "" || after.rest[0] == ',') {
		s.rest = after.rest
	}
}
