package importer

import (
	"maps"
	"regexp"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/secrets"
)

// bareScheme is an Authorization without a credential; unfilled is a header that is a placeholder and nothing else.
var (
	bareScheme = regexp.MustCompile(`(?i)^\s*(bearer|basic|token)?\s*$`)
	unfilled   = regexp.MustCompile(`^\s*([A-Za-z]+ +)?\$\{[^}]*\}\s*$`)
)

// filledHeaders are the headers of an entry without an Authorization that says nothing.
func (c *conversion) filledHeaders() map[string]clients.Text {
	headers := maps.Clone(c.from.Headers)
	name, has := authorization(headers)
	if text, plain := headers[name].Plain(); has && plain && bareScheme.MatchString(text) {
		c.note("its %s header is empty, and left out", name)
		delete(headers, name)
	}
	return headers
}

// header is the value of one. A placeholder that the client sends as it is written is no credential: a person has to give it.
func (c *conversion) header(name string, t clients.Text) (secrets.Ref, error) {
	secret := strings.EqualFold(name, "Authorization")
	text, plain := t.Plain()
	if !plain || !unfilled.MatchString(text) {
		return c.value("header", name, t, secret)
	}
	ref := c.stored("header", name, nil)
	c.Wanted = append(c.Wanted, ref.Name)
	c.note("its %s header is a placeholder that this client does not fill: bearerd secret set %s takes the whole value", name, ref.Name)
	return ref, nil
}
