package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"bearerd/secrets"
)

// refType is opaque to HCL, so a reference cannot be put into a text or taken for a string.
var refType = cty.Capsule("secret reference", reflect.TypeFor[secrets.Ref]())

// functions make the references.
var functions = map[string]function.Function{
	"env":        refFunction(secrets.Env),
	"file":       refFunction(secrets.File),
	"credential": refFunction(secrets.Credential),
	"secret":     refFunction(secrets.Stored),
	"vault":      refFunction(secrets.Vault),
}

// evalContext has functions and no variables. An empty map of variables makes HCL say "unknown variable" each time.
var evalContext = &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{}}

func refFunction(kind secrets.Kind) function.Function {
	spec := &function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type:   function.StaticReturnType(refType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			ref := &secrets.Ref{Kind: kind, Name: args[0].AsString()}
			if len(args) > 1 {
				ref.Field = args[1].AsString()
			}
			return cty.CapsuleVal(refType, ref), nil
		},
	}
	if kind == secrets.Vault {
		spec.Params = append(spec.Params, function.Parameter{Name: "field", Type: cty.String})
	}
	return function.New(spec)
}

// checkRef says what is wrong with a reference or a literal, and makes the path of a file absolute.
func (c conversion) checkRef(r *secrets.Ref) (message, remedy string) {
	switch r.Kind {
	case secrets.Literal:
		if strings.ContainsAny(strings.TrimRight(r.Value.Reveal(), "\r\n"), "\r\n\x00") {
			return c.name + " holds a line break or a NUL", "write the value on one line"
		}
		return "", ""
	case secrets.Vault:
		return c.checkVault(*r)
	case secrets.File:
		if r.Name == "" {
			break
		}
		abs, message := c.path(r.Name)
		r.Name = abs
		return message, "write an absolute path"
	case secrets.Env:
		if !envName.MatchString(r.Name) {
			return c.name + ": env(…) needs the name of an environment variable", `write env("NAME")`
		}
		return "", ""
	case secrets.Credential:
		if strings.Contains(r.Name, "/") || r.Name == "." || r.Name == ".." {
			return c.name + ": credential(…) needs a name, not a path", `write credential("NAME") as in LoadCredential=NAME:PATH`
		}
	case secrets.Stored:
		if r.Name != "" && !secrets.ValidName(r.Name) {
			return c.name + ": secret(…) needs a name of letters, digits and . _ - /, at most 128",
				"choose another name with `bearerd secret set NAME`"
		}
	}
	if r.Name == "" {
		return c.name + ": " + string(r.Kind) + "(…) needs a name", "write " + string(r.Kind) + `("…")`
	}
	return "", ""
}

// path expands ~ and makes a path absolute; relative ones start at the configuration file.
func (c conversion) path(p string) (abs, message string) {
	if p == "" {
		return "", ""
	}
	if p == "~" || strings.HasPrefix(p, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return p, c.name + " begins with ~ and HOME is not set"
		}
		p = home + p[1:]
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(c.dir, p)
	}
	return filepath.Clean(p), ""
}
