package importer

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// conversion is one entry on its way.
type conversion struct {
	World
	from  clients.Server
	to    *config.Server
	apart map[string]bool // variables that its envFile gives
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
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.Notes, text) {
		c.Notes = append(c.Notes, text)
	}
}

// now is a text with everything put in that the client would put in. what names it in errors.
func (c *conversion) now(what string, t clients.Text) (string, error) {
	var whole, shown strings.Builder
	for _, p := range t {
		text, err := c.part(p)
		if err != nil {
			return "", fmt.Errorf("%s %w", what, err)
		}
		whole.WriteString(text)
		shown.WriteString(cover(p, text))
	}
	c.hide(whole.String(), shown.String())
	return whole.String(), nil
}

func (c *conversion) part(p clients.Part) (string, error) {
	switch {
	case p.Variable == "PWD":
		return "", errors.New("needs PWD, which only the client knows")
	case p.Variable != "":
		value, ok := c.Lookup(p.Variable)
		if !ok && p.Default == nil {
			return "", c.unset(p.Variable)
		}
		if c.unresolved(p) {
			c.note("a text holds a $ with a name behind it that is not set here: it stays as it is written, as the client leaves it")
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

// unset is the error of a variable that is needed now.
func (c *conversion) unset(variable string) error {
	if oddName(variable) {
		return errors.New("names a variable by what looks like the secret itself: " +
			"put that into a variable, write the name of the variable there, and import again")
	}
	return fmt.Errorf("needs %s: set it and import again", variable)
}

// unresolved reports whether p is a variable that is not set, of which the client leaves what is written there.
func (c *conversion) unresolved(p clients.Part) bool {
	_, set := c.Lookup(p.Variable)
	_, own := c.from.Env[p.Variable] // that is meant for the program itself
	return !set && !own && p.Default != nil && strings.HasPrefix(*p.Default, "$")
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

// filled are the parts of an argument that something is put into; what is meant for the program itself stays as it is written.
func (c *conversion) filled(t clients.Text) clients.Text {
	return slices.DeleteFunc(slices.Clone(t), func(p clients.Part) bool {
		_, own := c.from.Env[p.Variable]
		_, set := c.Lookup(p.Variable)
		return own && !set && p.Default != nil && strings.HasPrefix(*p.Default, "${")
	})
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
	always = always || kind == "env" && c.apart[key] && !plainly(t)
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
	ref, whole := c.stored(kind, key, nil), ""
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
	case c.unresolved(p):
		c.note("%s has a $ with a name behind it that is not set here: it stays as it is written, as the client leaves it", key)
		return c.keep(kind, key, *p.Default, always)
	case p.Default != nil && (!set || value == ""):
		c.note("%s is not set here: %s gets what the file has for that case", told(p.Variable), key)
		return c.keep(kind, key, *p.Default, always)
	case !set && oddName(p.Variable):
		return secrets.Ref{}, fmt.Errorf("%s %s %w", kind, key, c.unset(p.Variable))
	case !variableName.MatchString(p.Variable):
		return secrets.Ref{}, fmt.Errorf("%s %s needs a variable of a name that no program could be given: "+
			"use a name of letters, digits and _", kind, key)
	case !set || value == "":
		c.note("%s is not set here: %s needs it where bearerd runs", p.Variable, key)
	}
	return secrets.Ref{Kind: secrets.Env, Name: p.Variable}, nil
}

// keep is a reference to a value that goes into the store, or the value itself.
func (c *conversion) keep(kind, key, text string, secret bool) (secrets.Ref, error) {
	what, line := strings.TrimSpace(kind+" "+key), strings.TrimRight(text, "\r\n")
	several := strings.ContainsAny(line, "\r\n")
	if line != text {
		c.note("%s ends with a line break, which is cut", what)
	}
	switch {
	case line == "":
		return secrets.LiteralRef(""), nil
	case strings.Contains(line, "\x00"), len(line) >= secrets.MaxValue:
		return secrets.Ref{}, fmt.Errorf("%s holds a NUL or 64 KiB, which bearerd cannot keep: put it into a file that the program reads", what)
	case several && kind != "env":
		return secrets.Ref{}, fmt.Errorf("%s has several lines, which only a variable of a program can have: write it on one line", what)
	case secret || secretValue(key, line):
	case !several && config.Writable(line):
		return secrets.LiteralRef(line), nil
	default:
		c.note("%s is kept in the store: a configuration file might give it back in another form", what)
	}
	value := secrets.New(line)
	ref := c.stored(kind, key, &value)
	c.Secrets[ref.Name] = value
	return ref, nil
}

// stored is a reference to a name in the store that is still free, or has this value already; nil: it is not known, and the one
// that is there may be meant.
func (c *conversion) stored(kind, key string, value *secrets.Secret) secrets.Ref {
	base := secretName(c.to.Name, kind, key)
	name, had := c.had(base)
	for n := 2; !had && c.uses(name, value); n++ {
		end := fmt.Sprintf("-%d", n)
		name = base[:min(len(base), maxSecret-len(end))] + end
	}
	if !had && name != base && value != nil && c.other(base, *value) {
		c.note("the store has %s already, which stays as it is: this one is kept as %s", base, name)
	}
	return secrets.Ref{Kind: secrets.Stored, Name: name}
}

// had is the name that an import before this one gave to the same secret of the same server; else base.
func (c *conversion) had(base string) (name string, found bool) {
	at := slices.IndexFunc(c.Have.Servers, func(s *config.Server) bool { return strings.EqualFold(s.Name, c.to.Name) })
	if at < 0 {
		return base, false
	}
	var names []string
	for _, r := range refs(c.Have.Servers[at]) {
		if r.Kind == secrets.Stored && !c.given(r.Name) && numbered(r.Name, base) {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return base, false
	}
	return slices.Min(names), true
}

// numbered reports whether name is base, with a number behind it or none.
func numbered(name, base string) bool {
	end, found := strings.CutPrefix(name, base)
	if number, err := strconv.Atoi(strings.TrimPrefix(end, "-")); end == "" || err == nil && number > 1 && end[0] == '-' {
		return found
	}
	return false
}

// given reports whether this server has a secret of that name.
func (c *conversion) given(name string) bool {
	_, taken := c.Secrets[name]
	return taken || slices.Contains(c.Wanted, name)
}

// uses reports whether this server, or one of another name in the configuration, has a secret of that name, or the store has it
// with another value.
func (c *conversion) uses(name string, value *secrets.Secret) bool {
	return c.given(name) || slices.ContainsFunc(c.Have.Servers, func(s *config.Server) bool {
		return !strings.EqualFold(s.Name, c.to.Name) && s.Uses(name)
	}) || value != nil && c.other(name, *value)
}
