package firstrun

import (
	"fmt"
	"strings"
)

// attribute is one with its value in HCL.
type attribute struct{ name, value string }

// Text is the file.
func (a *Answers) Text() []byte {
	var b strings.Builder
	b.WriteString("# Made by `bearerd init`. `bearerd check` says what each server gets.\n\n")
	if a.Store == Vault && a.SignIn != NoToken {
		a.vault(&b)
	}
	fmt.Fprintf(&b, "server %s {\n", quoted(a.Server()))
	if a.Kind == Program {
		a.program(&b)
	} else {
		write(&b, "  ", attribute{"url", quoted(a.URL)})
	}
	if a.SignIn == Key {
		into := map[string]string{Remote: "headers", Program: "env"}[a.Kind]
		fmt.Fprintf(&b, "\n  %s = {\n    %s = %s\n  }\n", into, quoted(a.carrier()), call("secret", a.Server()))
	}
	if a.signsIn() {
		b.WriteString("\n  oauth_config {\n")
		write(&b, "    ", a.oauth()...)
		b.WriteString("  }\n")
	}
	b.WriteString("}\n")
	return []byte(b.String())
}

func (a *Answers) program(b *strings.Builder) {
	words, err := Split(a.Line)
	if err != nil || len(words) == 0 {
		words = []string{a.Line}
	}
	attributes := []attribute{{"command", quoted(words[0])}}
	if len(words) > 1 {
		list := make([]string, len(words)-1)
		for i, w := range words[1:] {
			list[i] = quoted(w)
		}
		attributes = append(attributes, attribute{"args", "[" + strings.Join(list, ", ") + "]"})
	}
	write(b, "  ", attributes...)
}

// oauth are the attributes of oauth_config.
func (a *Answers) oauth() (list []attribute) {
	add := func(name, value string) {
		if value != "" {
			list = append(list, attribute{name, value})
		}
	}
	text := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			add(name, quoted(value))
		}
	}
	add("enabled", "true")
	text("OAUTH_VERSION", "2.1")
	text("OAUTH_GRANT_TYPE", map[string]string{Machine: "client_credentials", Refresh: "refresh_token"}[a.SignIn])
	if a.Delegated() {
		text("OAUTH_GRANT_TYPE", "authorization_code")
		if a.Kind == Program {
			text("OAUTH_SERVER_URL", a.ServerURL)
		}
	}
	if a.SignIn == Browser {
		return list
	}
	text("OAUTH_CLIENT_ID", a.ClientID)
	if a.hasSecret() {
		add("OAUTH_CLIENT_SECRET", call("secret", a.Server()))
	}
	switch a.SignIn {
	case Refresh:
		add("OAUTH_REFRESH_TOKEN", call("secret", a.Server()+refreshName))
		text("OAUTH_TOKEN_URL", a.TokenURL)
	case Machine:
		text("OAUTH_TOKEN_URL", a.TokenURL)
		text("OAUTH_SCOPE", a.Scope)
	case OwnClient:
		text("OAUTH_SCOPE", a.Scope)
	}
	return list
}

func (a *Answers) vault(b *strings.Builder) {
	login := map[string][]attribute{
		"token":      {{"token", call("env", "VAULT_TOKEN")}},
		"approle":    {{"role_id", quoted(a.Role)}, {"secret_id", call("file", a.RoleFile)}},
		"kubernetes": {{"role", quoted(a.Role)}},
	}
	b.WriteString("vault {\n")
	write(b, "  ", attribute{"address", quoted(a.Address)})
	if a.Method != "" {
		fmt.Fprintf(b, "\n  auth %s {\n", quoted(a.Method))
		write(b, "    ", login[a.Method]...)
		b.WriteString("  }\n")
	}
	b.WriteString("}\n\n# Tokens and secrets are kept in Vault, below secret/bearerd.\nstore \"vault\" {}\n\n")
}

// write writes attributes with their signs of equality in one column.
func write(b *strings.Builder, indent string, attributes ...attribute) {
	width := 0
	for _, a := range attributes {
		width = max(width, len(a.name))
	}
	for _, a := range attributes {
		fmt.Fprintf(b, "%s%-*s = %s\n", indent, width, a.name, a.value)
	}
}

func call(function, argument string) string { return function + "(" + quoted(argument) + ")" }

// quoted is a text in HCL in which nothing is syntax.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
			if (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{") {
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
