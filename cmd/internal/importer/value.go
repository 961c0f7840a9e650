package importer

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// conversion is one entry on its way.
type conversion struct {
	World
	from clients.Server
	to   *config.Server
	*Taken
}

// wantsInput is the error of a text with an input that nobody gave.
type wantsInput struct{ id string }

func (w wantsInput) Error() string {
	return fmt.Sprintf("needs the input %q: set %s and import again", w.id, InputVariable(w.id))
}

// InputVariable is the variable of the environment that gives an input.
func InputVariable(id string) string {
	return "INPUT_" + strings.ToUpper(strings.ReplaceAll(plainName(id, ""), "-", "_"))
}

func (c *conversion) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// now is a text with everything put in that the client would put in. what names it in errors.
func (c *conversion) now(what string, t clients.Text) (string, error) {
	var b strings.Builder
	for _, p := range t {
		text, err := c.part(p)
		if err != nil {
			return "", fmt.Errorf("%s %w", what, err)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (c *conversion) part(p clients.Part) (string, error) {
	switch {
	case p.Variable == "PWD":
		return "", errors.New("needs PWD, which only the client knows")
	case p.Variable != "":
		value, ok := c.Lookup(p.Variable)
		if !ok && p.Default == nil {
			return "", fmt.Errorf("needs %s: set it and import again", p.Variable)
		}
		if !ok || value == "" && p.Default != nil {
			value = *p.Default
		}
		return value, nil
	case p.Input != nil:
		if c.Ask != nil {
			if value, ok := c.Ask(p.Input); ok {
				return value, nil
			}
		}
		return "", wantsInput{p.Input.ID}
	case p.Path != "":
		b, err := c.Read(c.path(p.Path))
		if err != nil {
			return "", fmt.Errorf("needs the file %s: %w", p.Path, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	case p.Other == "userHome" && c.Home != "":
		return c.Home, nil
	case p.Other == "pathSeparator" || p.Other == "/":
		return string(filepath.Separator), nil
	case p.Other != "":
		return "", fmt.Errorf("needs %s, which only the client knows", p.Other)
	}
	return p.Literal, nil
}

// path expands ~.
func (c *conversion) path(p string) string {
	if p == "~" || strings.HasPrefix(p, "~/") {
		return c.Home + p[1:]
	}
	return p
}

// secretly reports whether what is put into a text is secret by where it comes from.
func secretly(t clients.Text) bool {
	for _, p := range t {
		if p.Input != nil || p.Path != "" || p.Variable != "" && namesSecret(p.Variable) {
			return true
		}
	}
	return false
}

// private is secretly for what is not kept apart, such as an argument: there an input is secret if the client hides it.
func private(t clients.Text) bool {
	return secretly(slices.DeleteFunc(slices.Clone(t), func(p clients.Part) bool {
		return p.Input != nil && !p.Input.Secret && !namesSecret(p.Input.ID)
	}))
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// value is a variable, a header or another named value. always tells that it is secret whatever it looks like.
func (c *conversion) value(kind, key string, t clients.Text, always bool) (secrets.Ref, error) {
	what := strings.TrimSpace(kind + " " + key)
	if len(t) == 1 {
		switch p := t[0]; {
		case p.Variable != "":
			return c.variable(kind, key, p, always)
		case p.Path != "" && filepath.IsAbs(c.path(p.Path)):
			return secrets.Ref{Kind: secrets.File, Name: filepath.Clean(c.path(p.Path))}, nil
		}
	}
	text, err := c.now(what, t)
	var wants wantsInput
	if errors.As(err, &wants) {
		return c.wanted(kind, key, t, always)
	}
	if err != nil {
		return secrets.Ref{}, err
	}
	if len(t) > 1 && slices.ContainsFunc(t, func(p clients.Part) bool { return p.Variable != "" || p.Path != "" }) {
		c.note("%s was put together now: what it is made of is not looked at again", what)
	}
	return c.keep(kind, key, text, always || secretly(t))
}

// wanted refers to what a person has to give yet.
func (c *conversion) wanted(kind, key string, t clients.Text, always bool) (secrets.Ref, error) {
	if in := t[0].Input; len(t) == 1 && in.Default != "" && !in.Secret {
		c.note("%s gets what the file has where nobody answers; %s gives another value", key, InputVariable(in.ID))
		return c.keep(kind, key, in.Default, always)
	}
	ref, whole := c.stored(kind, key), ""
	c.Wanted = append(c.Wanted, ref.Name)
	if len(t) > 1 {
		whole = ", with what stands around the input"
		if strings.HasPrefix(t[0].Literal, "Bearer ") {
			whole = `, which begins with "Bearer "`
		}
		whole = " takes the whole value" + whole
	}
	c.note("set what the client asks for: bearerd secret set %s%s", ref.Name, whole)
	return ref, nil
}

// variable refers to a variable of the environment, which bearerd reads when it is needed.
func (c *conversion) variable(kind, key string, p clients.Part, always bool) (secrets.Ref, error) {
	value, set := c.Lookup(p.Variable)
	switch {
	case p.Default != nil && (!set || value == ""):
		c.note("%s is not set here: %s gets what the file has for that case", p.Variable, key)
		return c.keep(kind, key, *p.Default, always)
	case !variableName.MatchString(p.Variable):
		return secrets.Ref{}, fmt.Errorf("%s %s needs the variable %s, which no program could be given", kind, key, p.Variable)
	case !set || value == "":
		c.note("%s is not set here: %s needs it where bearerd runs", p.Variable, key)
	}
	return secrets.Ref{Kind: secrets.Env, Name: p.Variable}, nil
}

// keep is a reference to a value that goes into the store, or the value itself.
func (c *conversion) keep(kind, key, text string, secret bool) (secrets.Ref, error) {
	line := strings.TrimRight(text, "\r\n")
	switch {
	case line == "":
		return secrets.LiteralRef(""), nil
	case strings.ContainsAny(line, "\r\n\x00"), len(line) >= secrets.MaxValue:
		return secrets.Ref{}, fmt.Errorf("%s %s has several lines or 64 KiB, which bearerd cannot keep: "+
			"put it into a file that the program reads", kind, key)
	case !secret && !secretValue(key, text) && !strings.ContainsFunc(text, unwritable):
		return secrets.LiteralRef(text), nil
	}
	ref := c.stored(kind, key)
	c.Secrets[ref.Name] = secrets.New(line)
	return ref, nil
}

// unwritable are characters that HCL may give back in another form.
func unwritable(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Mn, r) }

// stored is a reference to a name in the store that is still free.
func (c *conversion) stored(kind, key string) secrets.Ref {
	name := secretName(c.to.Name, kind, key)
	for n := 2; c.uses(name); n++ {
		end := fmt.Sprintf("-%d", n)
		base := secretName(c.to.Name, kind, key)
		name = base[:min(len(base), maxSecret-len(end))] + end
	}
	return secrets.Ref{Kind: secrets.Stored, Name: name}
}

// uses reports whether this server, or one of another name in the configuration, has a secret of that name.
func (c *conversion) uses(name string) bool {
	if _, taken := c.Secrets[name]; taken {
		return true
	}
	return slices.Contains(c.Wanted, name) || slices.ContainsFunc(c.Have.Servers, func(s *config.Server) bool {
		return !strings.EqualFold(s.Name, c.to.Name) && s.Uses(name)
	})
}
