package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"bearerd/secrets"
)

// Errors of what the API may not write.
var (
	ErrNoFolder = errors.New("there is no folder for servers that the API makes")
	ErrNotMade  = errors.New("this server is in a file that the API did not write")
)

// madeMark is the first line of a file that the API wrote. What the file holds came from outside, so it is read under a
// narrower schema: a person takes a made file over by removing the line.
const madeMark = "# Made by the API of bearerd. While this line stands, the API may change this file, and only what the API may " +
	"write is allowed in it."

const byHandRemedy = "remove the first line of the file to make it one that is written by hand"

// madeAttributes are what a made file may set, madeOAuth in its oauth_config.
var (
	madeAttributes = []string{"url", "headers", "command", "args", "env"}
	madeOAuth      = []string{
		"enabled", "OAUTH_VERSION", "OAUTH_GRANT_TYPE", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_REFRESH_TOKEN", "OAUTH_TOKEN_URL",
		"OAUTH_AUTHORIZATION_URL", "OAUTH_DEVICE_AUTHORIZATION_URL", "OAUTH_REGISTRATION_URL", "OAUTH_SERVER_URL",
		"OAUTH_REDIRECT_URI", "OAUTH_REVOCATION_URL", "OAUTH_SCOPE", "OAUTH_RESOURCE", "OAUTH_AUDIENCE",
		"OAUTH_USE_BASIC_AUTH", "OAUTH_ENFORCE_HTTPS",
	}
)

// madeStored are the attributes that must be references to the server's own secrets.
var madeStored = []string{"OAUTH_CLIENT_SECRET", "OAUTH_REFRESH_TOKEN"}

// OwnSecret is the name in the store of a secret of a server that the API made. Its file may refer to such names only.
func OwnSecret(server, field string) string { return "server/" + server + "/" + field }

// marked reports whether the first line of text is that of a made file.
func marked(text []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))) == madeMark
}

// made holds a made file to what the API may write. It looks at the syntax: what a value comes to says nothing about where
// it is from. Unknown names and wrong types are found when the file is decoded.
func (l *loader) made(s *source) {
	body, ok := s.contents.(*hclsyntax.Body)
	if !ok {
		return // made files are not JSON
	}
	for _, attr := range body.Attributes {
		l.report(Error, place{src: s, rng: attr.NameRange}, "a file that the API made holds one server and nothing else", byHandRemedy)
	}
	var servers []*hclsyntax.Block
	for _, b := range body.Blocks {
		if b.Type == "server" && len(b.Labels) == 1 {
			servers = append(servers, b)
		}
		if b.Type != "server" || len(servers) > 1 {
			l.report(Error, place{src: s, rng: b.TypeRange}, "a file that the API made holds one server and nothing else",
				"put this into a file of its own, or "+byHandRemedy)
		}
	}
	switch {
	case len(servers) == 0:
		l.failFile(s.path, "a file that the API made holds one server, and this one holds none", "remove the file, or its first line")
	case len(servers) == 1:
		l.madeServer(s, servers[0])
	}
}

func (l *loader) madeServer(s *source, b *hclsyntax.Block) {
	m := madeBlock{loader: l, src: s, server: b.Labels[0]}
	if filepath.Base(s.path) != m.server+".hcl" {
		m.fail(b.LabelRanges[0], "", fmt.Sprintf("a file that the API made is named as its server, and this one is not %s.hcl",
			printable(m.server)), "rename one of the two, or "+byHandRemedy)
	}
	m.body(b.Body, fields(reflect.TypeFor[Server]()), madeAttributes)
	for _, nested := range b.Body.Blocks {
		if nested.Type == "oauth_config" {
			m.body(nested.Body, fields(reflect.TypeFor[OAuth]()), madeOAuth)
		}
	}
}

// madeBlock is a block of a made file.
type madeBlock struct {
	*loader
	src    *source
	server string
}

func (m madeBlock) fail(rng hcl.Range, attr, message, remedy string) {
	at := place{src: m.src, rng: rng, field: attr}
	if serverName.MatchString(m.server) {
		at.server = m.server
	}
	m.report(Error, at, message, remedy)
}

// body checks the attributes of a block; known are all that it could have.
func (m madeBlock) body(body *hclsyntax.Body, known map[string]reflect.StructField, allowed []string) {
	for name, attr := range body.Attributes {
		_, exists := known[name]
		switch {
		case !exists: // decode says so
		case !slices.Contains(allowed, name):
			m.fail(attr.NameRange, name, name+" may be set in a file that is written by hand only", byHandRemedy)
		case !slices.Contains(madeStored, name):
			m.value(name, attr.Expr)
		case !m.own(attr.Expr):
			m.fail(attr.Expr.Range(), name, name+" must be a reference to a secret of this server here: "+m.form(), byHandRemedy)
		}
	}
}

// value wants literals, and in the values of env and headers literals or references to own secrets.
func (m madeBlock) value(name string, expr hclsyntax.Expression) {
	switch e := expr.(type) {
	case *hclsyntax.TupleConsExpr:
		for _, one := range e.Exprs {
			m.value(name, one)
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if !literalKey(item.KeyExpr) {
				m.fail(item.KeyExpr.Range(), name, name+" must be written out in a file that the API made", "write its names in quotes")
			}
			m.value(name, item.ValueExpr)
		}
	default:
		if !literal(expr) && !m.own(expr) {
			m.fail(expr.Range(), name, name+" must be written out in a file that the API made, or be "+m.form(), byHandRemedy)
		}
	}
}

// form is how a secret of this server is referred to.
func (m madeBlock) form() string {
	return fmt.Sprintf("secret(%q)", OwnSecret(printable(m.server), "…"))
}

// own reports whether an expression is a reference to a secret of the server itself. That it stands where a reference may
// is checked when it is decoded.
func (m madeBlock) own(expr hclsyntax.Expression) bool {
	call, ok := expr.(*hclsyntax.FunctionCallExpr)
	if !ok || call.Name != string(secrets.Stored) || len(call.Args) != 1 || call.ExpandFinal || !literal(call.Args[0]) {
		return false
	}
	name, diags := call.Args[0].Value(nil)
	if diags.HasErrors() || name.IsNull() || name.Type() != cty.String {
		return false
	}
	field, ok := strings.CutPrefix(name.AsString(), OwnSecret(m.server, ""))
	return ok && field != ""
}

// literal reports whether an expression is a text without interpolation, a number, true, false or null.
func literal(expr hclsyntax.Expression) bool {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return !slices.ContainsFunc(e.Parts, func(part hclsyntax.Expression) bool {
			_, ok := part.(*hclsyntax.LiteralValueExpr)
			return !ok
		})
	}
	return false
}

// literalKey reports whether the name of an entry is a word or a literal text.
func literalKey(expr hclsyntax.Expression) bool {
	key, ok := expr.(*hclsyntax.ObjectConsKeyExpr)
	if !ok || key.ForceNonLiteral {
		return false
	}
	return hcl.ExprAsKeyword(key.Wrapped) != "" || literal(key.Wrapped)
}
