package oauth

import (
	"slices"
	"strings"
	"unicode"

	"bearerd/config"
)

// scope accepts commas between scopes (GitHub) and a list.
func (a answer) scope() (string, bool) {
	text := a.text("scope")
	_, ok := a["scope"].(string)
	if list, isList := a["scope"].([]any); isList {
		ok = true
		for _, item := range list {
			s, _ := item.(string)
			text += " " + s
		}
	}
	return strings.Join(splitScope(text), " "), ok
}

func splitScope(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// knownScopes drops from a granted scope what may not be shown: words that are no scope (RFC 6749 §3.3) and echoes of
// what was sent or received. A requested word always stays, since a parameter that is hidden may have the same value.
func (w *wire) knownScopes(granted, requested string) string {
	var hidden []string
	for _, value := range w.hidden {
		hidden = append(hidden, splitScope(value)...) // as the granted scope was split
	}
	hidden = slices.DeleteFunc(hidden, func(s string) bool { return len(s) < 4 })
	asked := strings.Fields(requested)
	words := slices.DeleteFunc(strings.Fields(granted), func(s string) bool {
		return !slices.Contains(asked, s) && (strings.ContainsFunc(s, notInScope) || echoes(s, hidden))
	})
	return strings.Join(words, " ")
}

// notInScope is what RFC 6749 §3.3 does not allow: a scope is of %x21 / %x23-5B / %x5D-7E.
func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// plausibleScope is "" for what is no list of scopes, or over limit bytes as JSON.
func plausibleScope(text string, limit int) string {
	strange := strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && notInScope(r) })
	if strange || jsonSize(text) > limit {
		return ""
	}
	return text
}

// protocolScope reports whether a granted scope may leave s out or name it otherwise: the scopes of OpenID Connect (Google
// answers with addresses, Entra with nothing), and Entra's name for all that an application may ask for.
func protocolScope(s string) bool {
	switch s {
	case "openid", "profile", "email", "address", "phone", "offline_access":
		return true
	}
	return strings.HasSuffix(s, "/.default")
}

// checkScopes fails the acquisition, or notes the missing scopes. No scope in the answer means as requested
// (RFC 6749 §5.1).
func (w *wire) checkScopes(t *Token, c *config.OAuth) error {
	if !t.ScopeGiven {
		return nil
	}
	requested := strings.Fields(c.Scope)
	received := strings.Fields(t.Scope)
	missing := slices.DeleteFunc(slices.Clone(requested), func(s string) bool {
		return slices.Contains(received, s) || protocolScope(s)
	})
	if len(missing) == 0 {
		return nil
	}
	if !c.ValidateScopes {
		t.MissingScopes = strings.Join(missing, " ")
		return nil
	}
	cause := &ScopeError{Requested: strings.Join(requested, " "), Received: t.Scope[:min(len(t.Scope), maxText)]}
	return &Error{Op: w.op, Status: 200, CorrelationID: w.id, Final: true, Err: cause, Rotated: t.RefreshToken}
}
