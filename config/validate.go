package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"bearerd/secrets"
)

// The variables that a child gets its token in unless inject_env names others.
var documentedEnv = []string{
	"ENKRYPT_ACCESS_TOKEN", "AUTHORIZATION", "OAUTH_ACCESS_TOKEN", "OAUTH_TOKEN_TYPE", "HTTP_HEADER_Authorization",
	"HTTP_HEADER_AUTHORIZATION",
}

// argumentsEnv carries the Authorization value to a server whose arguments are rewritten.
const argumentsEnv = "BEARERD_AUTHORIZATION"

// The variables that change what a child or its own children do. A token in one of them would break the child, or come
// out in its errors ("cannot find the program in PATH …").
var (
	reservedNames = []string{
		"PATH", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "LANG", "TZ", "TERM", "TMPDIR", "TMP", "TEMP", "IFS", "ENV",
		"BASH_ENV", "NODE_OPTIONS", "NODE_PATH", "NODE_EXTRA_CA_CERTS", "PERL5LIB", "PERL5OPT", "RUBYOPT", "RUBYLIB",
		"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH", "GODEBUG", "GOTRACEBACK", "SSL_CERT_FILE",
		"SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "GCONV_PATH",
	}
	reservedPrefixes = []string{"LD_", "DYLD_", "LC_", "XDG_", "PYTHON", "BASH_FUNC_"}
)

// reservedEnv reports whether a variable may not carry the token, whatever its case.
func reservedEnv(name string) bool {
	name = strings.ToUpper(name)
	return slices.Contains(reservedNames, name) ||
		slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// check validates one server.
type check struct {
	*loader
	*written
}

// fail reports an error about a value, unless it could not be read, which is reported already.
func (l *loader) fail(b *block, name, message, remedy string) {
	if !b.failed[name] {
		l.report(Error, b.at(name), message, remedy)
	}
}

func (l *loader) warn(b *block, name, message, remedy string) {
	if !b.failed[name] {
		l.report(Warning, b.at(name), message, remedy)
	}
}

// enabled reports whether the server gets a token.
func (c check) enabled() bool { return c.OAuth != nil && c.OAuth.Enabled }

func (l *loader) validate(t *tree) {
	l.global(t)
	l.vault(t)
	l.admin(t)
	l.callback = t.cfg.Callback()
	for _, w := range t.servers {
		c := check{l, w}
		if !c.target() {
			continue
		}
		if w.Made && w.Command != "" && !t.cfg.Admin.AllowStdio {
			c.fail(w.block, "command", "a server that the API made may not run a command", "set admin { allow_stdio = true }, or "+byHandRemedy)
		}
		if c.Command != "" {
			c.stdioOnly()
			c.environment()
			c.arguments()
		} else {
			c.urlOnly()
			c.upstream()
		}
		c.oneOf(w.block, "replay", c.Replay, "challenge", "always", "never")
		c.needsToken()
		c.tokenFile()
		if w.oauth != nil {
			c.oauthConfig()
		}
	}
	l.moves(t)
	l.listeners(t)
	l.stateFolder(t)
	l.tokenFiles(t)
	l.use(t)
	l.refreshTokens(t)
}

// oneOf wants one of a few words.
func (l *loader) oneOf(b *block, name, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		l.fail(b, name, fmt.Sprintf("%s must be one of %s", name, strings.Join(allowed, ", ")), "choose one of them")
	}
}

// global checks the blocks beside servers.
func (l *loader) global(t *tree) {
	if b := t.single["log"]; b != nil {
		l.oneOf(b, "level", t.cfg.Log.Level, "debug", "info", "warn", "error")
		l.oneOf(b, "format", t.cfg.Log.Format, "auto", "text", "json")
	}
	if b := t.single[fileStore]; b != nil {
		if b.has("path") && t.cfg.Store.Path == "" {
			l.fail(b, "path", "path cannot be empty", "name the state folder, or leave it out")
		}
		k := t.cfg.Store.Identity.Kind
		if k != "" && k != secrets.File && k != secrets.Credential {
			l.fail(b, "identity", `identity must be file(…) or credential(…)`,
				`write identity = file("PATH"), or leave it out to have one made`)
		}
	}
}

// target wants exactly one of command and url.
func (c check) target() bool {
	b := c.block
	switch {
	case b.failed["command"] || b.failed["url"]:
		return false
	case b.has("command") && b.has("url"):
		c.report(Error, b.at("url"), "command and url exclude each other",
			"keep command for a local program, url for a remote server")
	case !b.has("command") && !b.has("url"):
		c.report(Error, b.head(), "the server needs command or url", `write command = "…" with args, or url = "https://…"`)
	case b.has("command") && strings.TrimSpace(c.Command) == "":
		c.fail(b, "command", "command cannot be empty", "name the program")
	case b.has("url") && c.URL == "":
		c.fail(b, "url", "url cannot be empty", "write the address of the MCP server")
	default:
		return true
	}
	return false
}

func (c check) refuse(why, remedy string, names ...string) {
	for _, name := range names {
		if c.block.has(name) {
			c.fail(c.block, name, name+" "+why, remedy)
		}
	}
}

// stdioOnly refuses what has a meaning for url servers alone, and for the other way of delivery.
func (c check) stdioOnly() {
	c.refuse("has a meaning for url servers only", "remove it, or replace command by url",
		"headers", "listen", "local_auth", "allow_hosts", "allow_origins", "allow_remote", "socket_mode", "socket_group")
	d, why := c.Delivery()
	if d == DeliverArguments {
		c.refuse("has a meaning for servers that get the token in their environment only",
			"remove it, or set is_remote = false ("+why+")",
			"inject_env", "token_file", "token_file_mode", "token_file_group")
	} else {
		c.refuse("has a meaning for mcp-remote and other remote programs only", "remove it, or set is_remote = true", "via")
	}
	if d != DeliverArguments || c.Via != "proxy" || c.RemoteProgram() == "curl" {
		c.refuse("has a meaning for url servers and for mcp-remote behind the local proxy only", "remove it", "replay")
	}
	if c.block.has("via") {
		c.oneOf(c.block, "via", c.Via, "proxy", "header")
	}
	c.rotation()
}

// urlOnly refuses what has a meaning for programs alone.
func (c check) urlOnly() {
	c.refuse("has a meaning for servers with a command only", "remove it, or replace url by command",
		"args", "env", "pass_env", "dir", "inject_env", "token_file", "token_file_mode", "token_file_group", "via",
		"stop_grace", "kill_grace", "on_rotate", "on_rotate_busy", "signal", "restart")
	if c.OAuth != nil && c.OAuth.IsRemote != nil && !*c.OAuth.IsRemote {
		c.fail(c.oauth, "is_remote", "is_remote = false contradicts url", "remove one of the two")
	}
	c.headerNames(c.block, "headers", c.Headers, forbiddenUpstream)
	if c.enabled() {
		for name := range c.Headers {
			if strings.EqualFold(name, "Authorization") {
				c.fail(c.block, "headers", "headers may not name Authorization: the token goes there",
					"remove it, or set enabled = false")
			}
		}
	}
}

// needsToken refuses settings about a token that the server does not get.
func (c check) needsToken() {
	if !c.enabled() && !(c.oauth != nil && c.oauth.failed["enabled"]) {
		c.refuse("needs an oauth_config that is enabled", "write oauth_config { enabled = true … }, or remove it",
			"inject_env", "token_file", "token_file_mode", "token_file_group", "via", "revoke_on_shutdown", "allow_users", "allow_groups",
			"login", "allow_step_up", "allow_private", "replay")
		return
	}
	c.grants()
	switch {
	case !c.RevokeOnShutdown || c.OAuth == nil:
	case c.OAuth.Rotating():
		c.fail(c.block, "revoke_on_shutdown", "revoke_on_shutdown would end the grant at each stop: its refresh token goes too",
			"remove it; `bearerd revoke "+c.Name+"` ends the grant for good")
	case c.OAuth.RevocationURL == "" && !c.OAuth.Discovers():
		c.fail(c.block, "revoke_on_shutdown", "revoke_on_shutdown needs OAUTH_REVOCATION_URL",
			"set OAUTH_REVOCATION_URL, or remove it")
	}
}

// environment checks the names of variables, and that none is set twice.
func (c check) environment() {
	b := c.block
	names := slices.Sorted(maps.Keys(c.Env))
	for _, list := range []struct {
		attr  string
		names []string
	}{{"env", names}, {"pass_env", c.PassEnv}, {"inject_env", c.InjectEnv}} {
		for _, n := range list.names {
			if !envName.MatchString(n) {
				c.fail(b, list.attr, fmt.Sprintf("%s: %q is no name of an environment variable", list.attr, nameOnly(n)),
					"use letters, digits and _, and no digit first")
			}
		}
		if dup := firstDouble(list.names); dup != "" {
			c.fail(b, list.attr, fmt.Sprintf("%s names %s twice", list.attr, nameOnly(dup)), "remove one of the two")
		}
	}
	if b.has("inject_env") && len(c.InjectEnv) == 0 {
		c.fail(b, "inject_env", "inject_env cannot be empty",
			"name at least one variable, or leave it out for the six documented ones")
	}
	for _, n := range c.InjectEnv {
		if reservedEnv(n) {
			c.fail(b, "inject_env", fmt.Sprintf("inject_env may not name %s: programs obey it, and print it in errors", n),
				"name a variable that the server reads its token from")
		}
	}
	for _, n := range c.injected() {
		if _, ok := c.Env[n]; ok {
			c.fail(b, "env", fmt.Sprintf("env sets %s, which carries the token", n),
				"remove it from env, or name other variables in inject_env")
		}
		if slices.Contains(c.PassEnv, n) {
			c.fail(b, "pass_env", fmt.Sprintf("pass_env names %s, which carries the token", n), "remove it from pass_env")
		}
	}
}

// injected names the variables that carry the token.
func (c check) injected() []string {
	d, _ := c.Delivery()
	switch {
	case !c.enabled():
		return nil
	case d == DeliverArguments:
		return []string{argumentsEnv}
	case c.InjectEnv != nil:
		return c.InjectEnv
	}
	return documentedEnv
}

func firstDouble(names []string) string {
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return n
		}
		seen[n] = true
	}
	return ""
}

// arguments checks args of a server that gets a token.
func (c check) arguments() {
	if !c.enabled() || c.block.failed["args"] {
		return
	}
	for i, arg := range c.Args {
		next := ""
		if i+1 < len(c.Args) {
			next = c.Args[i+1]
		}
		if namesAuthorization(arg, next) {
			c.fail(c.block, "args", "args hold an Authorization header already", "remove it: bearerd adds the token")
		}
		if isHTTP(arg) && c.OAuth.TokenInHeaderOnly && hasTokenQuery(arg) {
			c.fail(c.block, "args", "args hold a URL with an access_token query parameter",
				"remove it: the token goes into a header")
		}
	}
	if d, _ := c.Delivery(); d == DeliverArguments {
		c.remoteArgument()
	}
}

// remoteArgument checks the URL that a remote program connects to.
func (c check) remoteArgument() {
	program := c.RemoteProgram()
	urls := 0
	for _, arg := range c.Args {
		if isHTTP(arg) {
			urls++
		}
	}
	switch {
	case programName(c.Command) == "curl":
		c.curlArguments()
		return
	case program == "" && urls != 1:
		c.fail(c.oauth, "is_remote", fmt.Sprintf("is_remote = true needs exactly one http(s) URL in args, found %d", urls),
			"keep the one URL that the program connects to, or use url instead of command")
		return
	case c.URLArgument() < 0:
		c.fail(c.block, "args", "mcp-remote needs an http(s) URL in args", "add the address of the MCP server")
		return
	}
	c.tokenTarget(c.block, "args", "the URL in args", c.Args[c.URLArgument()])
}

// namesAuthorization finds --header Authorization:…, --header=Authorization:…, -H and -HAuthorization:….
func namesAuthorization(arg, next string) bool {
	value := ""
	switch {
	case arg == "--header" || arg == "-H":
		value = next
	case strings.HasPrefix(arg, "--header="):
		value = strings.TrimPrefix(arg, "--header=")
	case strings.HasPrefix(arg, "-H"):
		value = strings.TrimPrefix(arg, "-H")
	}
	name, _, found := strings.Cut(value, ":")
	return found && strings.EqualFold(strings.TrimSpace(name), "Authorization")
}

// The headers that are not for the configuration to set.
var (
	forbiddenUpstream = []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Trailer", "Expect", "Keep-Alive",
		"Proxy-Authorization", "Proxy-Connection",
	}
	forbiddenToken = append([]string{"Authorization", "Content-Type", "X-Correlation-ID", "X-Request-ID"},
		forbiddenUpstream...)
)

func (c check) headerNames(b *block, attr string, headers map[string]secrets.Ref, forbidden []string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		lower := strings.ToLower(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			c.fail(b, attr, fmt.Sprintf("%s: %q is no header name", attr, nameOnly(name)), "use letters, digits and -")
		case slices.ContainsFunc(forbidden, func(f string) bool { return strings.EqualFold(f, name) }):
			c.fail(b, attr, fmt.Sprintf("%s may not name %s", attr, name), "remove it: bearerd sets it itself")
		case seen[lower]:
			c.fail(b, attr, fmt.Sprintf("%s names %s twice", attr, name), "header names ignore case: keep one")
		}
		seen[lower] = true
		if r := headers[name]; isLiteral(r) && !httpguts.ValidHeaderFieldValue(r.Value.Reveal()) {
			c.fail(b, attr, fmt.Sprintf("%s.%s holds a character that no header may hold", attr, nameOnly(name)),
				"remove control characters")
		}
	}
}
