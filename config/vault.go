package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"bearerd/secrets"
)

const (
	defaultMount        = "secret"
	defaultVaultTimeout = 20 * time.Second
	serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
)

// authMethods names the attributes of each method beside mount; those of authNeeds are required.
var (
	authMethods = map[string][]string{
		"token": {"token"}, "approle": {"role_id", "secret_id", "wrapped"}, "kubernetes": {"role", "jwt"},
		"jwt": {"role", "jwt"}, "cert": {"role"},
	}
	authNeeds = map[string][]string{
		"token": {"token"}, "approle": {"role_id", "secret_id"}, "kubernetes": {"role"}, "jwt": {"role", "jwt"},
	}
)

var mountPath = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$`)

// vaultBlock decodes the connection and its auth block, and fills in what they leave out.
func (l *loader) vaultBlock(t *tree, b *block, body hcl.Body) {
	v := &secrets.Connection{Mount: defaultMount, Timeout: defaultVaultTimeout}
	t.cfg.Vault, l.connection = v, v
	for _, hb := range l.decode(b, body, v, hcl.BlockHeaderSchema{Type: "auth", LabelNames: []string{"method"}}) {
		if t.auth != nil {
			l.twice(&block{src: b.src, def: hb.DefRange}, "auth", t.auth)
			continue
		}
		t.auth = &block{src: b.src, def: hb.LabelRanges[0]}
		v.Auth = secrets.Auth{Method: hb.Labels[0], Mount: hb.Labels[0]}
		l.decode(t.auth, hb.Body, &v.Auth)
		if v.Auth.Method == "kubernetes" && !t.auth.has("jwt") {
			v.Auth.JWT = secrets.Ref{Kind: secrets.File, Name: serviceAccountToken}
		}
	}
	l.vaultEnvironment(t, b)
}

// vaultEnvironment takes from VAULT_* variables what the blocks leave out, and notes each.
func (l *loader) vaultEnvironment(t *tree, b *block) {
	v := t.cfg.Vault
	take := func(b *block, attr, variable string, set func(string)) {
		value := os.Getenv(variable)
		if b == nil || b.has(attr) || value == "" {
			return
		}
		set(value)
		l.report(Note, b.head(), fmt.Sprintf("vault %s is taken from %s", attr, variable), "")
	}
	text := func(p *string) func(string) { return func(value string) { *p = value } }
	path := func(p *string) func(string) {
		return func(value string) {
			*p = value
			if abs, err := filepath.Abs(value); err == nil {
				*p = abs
			}
		}
	}
	take(b, "address", "VAULT_ADDR", text(&v.Address))
	take(b, "namespace", "VAULT_NAMESPACE", text(&v.Namespace))
	take(b, "ca_path", "VAULT_CACERT", path(&v.CAPath))
	take(b, "client_cert_path", "VAULT_CLIENT_CERT", path(&v.ClientCertPath))
	take(b, "client_key_path", "VAULT_CLIENT_KEY", path(&v.ClientKeyPath))
	take(b, "tls_server_name", "VAULT_TLS_SERVER_NAME", text(&v.ServerName))
	if v.Auth.Method == "token" {
		take(t.auth, "token", "VAULT_TOKEN", func(string) {
			v.Auth.Token = secrets.Ref{Kind: secrets.Env, Name: "VAULT_TOKEN"}
		})
	}
}

// vault checks the connection, how it logs in, and the store that needs it.
func (l *loader) vault(t *tree) {
	if b := t.single[vaultStore]; b != nil {
		if t.cfg.Vault == nil {
			l.report(Error, b.head(), `store "vault" needs a vault block`,
				`add vault { address = "https://…"  auth "METHOD" { … } }`)
		}
		l.vaultPath(b, "mount", t.cfg.Shared.Mount)
		l.vaultPath(b, "prefix", t.cfg.Shared.Prefix)
	}
	v, b := t.cfg.Vault, t.single["vault"]
	if v == nil {
		return
	}
	l.vaultAddress(b, v.Address)
	l.vaultPath(b, "mount", v.Mount)
	for attr, value := range map[string]string{"namespace": v.Namespace, "tls_server_name": v.ServerName} {
		if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			l.fail(b, attr, attr+" holds a character that it may not hold", "use letters, digits, - . and /")
		}
	}
	l.vaultCertificates(t, b)
	if t.auth == nil {
		l.report(Error, b.head(), "vault needs an auth block",
			`write auth "METHOD" { … } into it; METHOD is one of `+methods())
		return
	}
	l.authMethod(t)
}

func methods() string { return strings.Join(slices.Sorted(maps.Keys(authMethods)), ", ") }

func (l *loader) vaultAddress(b *block, address string) {
	const attr = "address"
	switch {
	case address == "":
		l.fail(b, attr, "address is required and cannot be empty", `write address = "https://…", or set VAULT_ADDR`)
		return
	case !isHTTP(address):
		l.fail(b, attr, "address must start with https://",
			"write the whole address of Vault, such as https://vault.example.com:8200")
		return
	case strings.Contains(address, "?"):
		l.fail(b, attr, "address may not have a query", "remove ? and what follows")
		return
	}
	u, ok := l.parseURL(b, attr, attr, address)
	if ok && plainHTTP(address) && !loopbackHost(u.Hostname()) {
		l.fail(b, attr, "HTTPS is required for address: secrets and tokens would cross the network in clear",
			"use https://; plain http is accepted for loopback addresses only")
	}
}

// vaultPath checks a mount or a prefix.
func (l *loader) vaultPath(b *block, attr, value string) {
	if !mountPath.MatchString(value) || dotted(value) {
		l.fail(b, attr, attr+" must be a path of letters, digits and _ - . with / between its parts",
			`write it without a slash at its ends, such as "kv/team"`)
	}
}

// dotted reports whether a part of a path is . or ..
func dotted(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { return part == "." || part == ".." })
}

func (l *loader) vaultCertificates(t *tree, b *block) {
	v := t.cfg.Vault
	cert := pemFile{"client_cert_path", "client certificate for Vault", v.ClientCertPath}
	key := pemFile{"client_key_path", "client key for Vault", v.ClientKeyPath}
	l.bundle(b, pemFile{"ca_path", "CA bundle for Vault", v.CAPath})
	if v.Auth.Method == "cert" && plainHTTP(v.Address) {
		l.fail(b, "address", `auth "cert" needs an https address`, "write https://, or choose another method")
	}
	needed := v.Auth.Method == "cert" || cert.path != "" || key.path != ""
	for _, f := range []pemFile{cert, key} {
		if needed && f.path == "" {
			l.fail(b, f.attr, f.attr+" is required for a client certificate",
				"set client_cert_path and client_key_path in the vault block")
		}
	}
	l.clientPair(b, cert, key)
}

// authMethod checks the auth block: it has what its method needs, and nothing else.
func (l *loader) authMethod(t *tree) {
	a, b := &t.cfg.Vault.Auth, t.auth
	own, known := authMethods[a.Method]
	if !known {
		l.report(Error, b.head(), fmt.Sprintf("unknown auth method %q", printable(a.Method)), "write one of "+methods())
		return
	}
	for _, v := range b.attrs {
		if attr := v.name; attr != "mount" && !slices.Contains(own, attr) {
			l.fail(b, attr, fmt.Sprintf("auth %q takes no %s", a.Method, attr),
				"remove it; it takes "+strings.Join(own, ", ")+" and mount")
		}
	}
	if strings.HasPrefix(a.Mount, "auth/") {
		l.fail(b, "mount", "mount begins with auth/, which belongs to the API's path", "leave auth/ out")
	} else {
		l.vaultPath(b, "mount", a.Mount)
	}
	refs := map[string]secrets.Ref{"token": a.Token, "role_id": a.RoleID, "secret_id": a.SecretID, "jwt": a.JWT}
	for _, attr := range authNeeds[a.Method] {
		remedy := "set " + attr
		if attr == "token" {
			remedy += ", or VAULT_TOKEN"
		}
		if r, isRef := refs[attr]; isRef && empty(r) || !isRef && a.Role == "" {
			l.fail(b, attr, fmt.Sprintf("%s is required and cannot be empty for auth %q", attr, a.Method), remedy)
		}
	}
	for attr, r := range refs {
		l.authRef(t, attr, r)
	}
}

// authRef refuses what could only be read by who has logged in already.
func (l *loader) authRef(t *tree, attr string, r secrets.Ref) {
	const remedy = `use file("PATH"), credential("NAME") or env("NAME")`
	switch {
	case r.Kind == secrets.Vault:
		l.fail(t.auth, attr, attr+": vault(…) cannot be read before the login to Vault", remedy)
	case r.Kind == secrets.Stored && t.cfg.Shared != nil:
		l.fail(t.auth, attr, attr+`: secret(…) is kept in Vault by store "vault", and cannot be read before the login`,
			remedy)
	case attr != "role_id": // a role id is no secret by itself
		name := ""
		if t.cfg.Shared == nil {
			name = "vault/" + attr
		}
		l.writtenOut(t.auth, attr, r, name)
	}
}

// checkVault says what is wrong with a vault(…) reference. Neither path nor field is shown: a value may stand there by
// mistake.
func (c conversion) checkVault(r secrets.Ref) (message, remedy string) {
	const form = `write vault("PATH", "FIELD"), with PATH as in vault kv get -mount=MOUNT PATH`
	if c.vault == nil {
		return "no Vault is configured", `add vault { address = "https://…"  auth "METHOD" { … } } for vault(…), ` +
			"or use env(…), file(…), credential(…) or secret(…)"
	}
	control := func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) }
	switch {
	case r.Name == "" || r.Field == "":
		return c.name + ": vault(…) needs a path and a field", form
	case strings.HasPrefix(r.Name, "data/") || strings.HasPrefix(r.Name, c.vault.Mount+"/data/"):
		return c.name + ": the path of vault(…) holds the data/ of the API's path",
			"leave out data/ and what is before it: " + form
	case dotted(r.Name) || slices.Contains(strings.Split(r.Name, "/"), ""):
		return c.name + ": the path of vault(…) has an empty part, . or ..", form
	case control(r.Name) || control(r.Field):
		return c.name + ": vault(…) holds a control character", form
	}
	return "", ""
}
