package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
)

// The flags of mcp-remote 0.15 that say nothing about where a request goes and what it carries: with how many values each.
var idleFlags = map[string]int{
	"--transport": 1, "--protocol": 1, "--auth-timeout": 1, "--auth-success-url": 1, "--connect-timeout": 1,
	"--headers-timeout": 1, "--body-timeout": 1, "--ping-interval": 1, "--allow-http": 0, "--debug": 0, "--silent": 0, "--enable-proxy": 0,
	"--keep-alive": 0, "--ipv4": 0, "--disable-cookies": 0, "--device-code": 0,
}

// bridge is what the arguments of mcp-remote say.
type bridge struct {
	*conversion
	url      clients.Text
	headers  map[string]clients.Text
	oauth    map[string]any
	consumed map[string]bool // variables of env that were put into something
	callback callback
}

// remote makes a remote server of one behind mcp-remote, where its flags allow that. One with an oauth_config stays: bearerd
// knows how to give that its token.
func (c *conversion) remote() error {
	words := make([]string, len(c.from.Args))
	for i, arg := range c.from.Args {
		words[i], _ = arg.Plain()
	}
	command, _ := c.from.Command.Plain()
	command, wrapped := unwrapped(command, words)
	from, ok := (&config.Server{Command: command, Args: words[wrapped:]}).RemoteArguments()
	if !ok || c.from.OAuth != nil {
		return nil
	}
	b := &bridge{conversion: c, headers: map[string]clients.Text{}, oauth: map[string]any{}, consumed: map[string]bool{}}
	why, err := b.read(c.from.Args[wrapped+from:])
	if err != nil {
		return err
	}
	if why == "" {
		why = b.variables()
	}
	if why != "" {
		c.note("stays a program (mcp-remote): %s", why)
		return nil
	}
	c.from.URL, c.from.Headers, c.from.Command, c.from.Env = b.url, b.headers, nil, nil
	if _, has := authorization(b.headers); has {
		return nil // a header of that name has priority over OAuth in mcp-remote, too
	}
	b.redirect()
	if len(b.oauth) == 0 {
		return nil
	}
	c.from.OAuth = map[string]any{
		"enabled": true, "OAUTH_VERSION": clients.Text{{Literal: "2.1"}}, "OAUTH_GRANT_TYPE": clients.Text{{Literal: "authorization_code"}},
	}
	maps.Copy(c.from.OAuth, b.oauth)
	return c.oauth()
}

// read looks at the arguments; why says what bearerd cannot do as mcp-remote does.
func (b *bridge) read(args []clients.Text) (why string, err error) {
	for i := 0; i < len(args); i++ {
		word, plain := args[i].Plain()
		values, idle := idleFlags[word]
		switch {
		case idle:
			i += values
		case strings.HasPrefix(word, "-"):
			taken, why, err := b.flag(word, args[i+1:])
			if why != "" || err != nil {
				return why, err
			}
			i += taken
		case len(b.url) == 0:
			b.url = args[i]
		default:
			if _, err := strconv.ParseUint(word, 10, 16); err != nil || !plain {
				return fmt.Sprintf("argument %d from the package on is none that is known", i+1), nil
			}
			b.callback.port = word
		}
	}
	if len(b.url) == 0 {
		return "it has no address", nil
	}
	return "", nil
}

// flag takes over a flag that bearerd has a place for; taken is how many values it has.
func (b *bridge) flag(name string, rest []clients.Text) (taken int, why string, err error) {
	if name == "--disable-resource-parameter" {
		b.oauth["OAUTH_RESOURCE"] = []clients.Text{}
		return 0, "", nil
	}
	if name == "--client-credentials" {
		b.oauth["OAUTH_GRANT_TYPE"] = clients.Text{{Literal: "client_credentials"}}
		return 0, "", nil
	}
	field, known := map[string]string{
		"--resource": "OAUTH_RESOURCE", "--token-endpoint": "OAUTH_TOKEN_URL", "--client-metadata-url": "OAUTH_CLIENT_METADATA_URL",
		"--header": "", "--authorize-param": "", "--host": "", "--callback-path": "", "--static-oauth-client-metadata": "", "--static-oauth-client-info": "",
	}[name]
	switch {
	case !known:
		return 0, nameOnly(name) + " is known to mcp-remote alone", nil
	case len(rest) == 0:
		return 0, name + " has no value", nil
	case field != "":
		b.oauth[field] = rest[0]
	case name == "--header":
		why = b.header(rest[0])
	case name == "--host":
		b.callback.host, err = b.now(name, rest[0])
	case name == "--callback-path":
		b.callback.path, err = b.now(name, rest[0])
	case name == "--authorize-param":
		why, err = b.parameter(rest[0])
	default:
		why, err = b.client(name, rest[0])
	}
	return 1, why, err
}

// nameOnly is a flag without what may be a value behind it.
func nameOnly(flag string) string {
	name, _, _ := strings.Cut(flag, "=")
	return name
}

var headerStart = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*`)

func (b *bridge) header(arg clients.Text) (why string) {
	if len(arg) == 0 {
		return "a --header is empty"
	}
	at := headerStart.FindStringSubmatch(arg[0].Literal)
	if at == nil {
		return "a --header has another form than NAME:VALUE"
	}
	value := slices.Clone(arg)
	if value[0].Literal = arg[0].Literal[len(at[0]):]; value[0].Literal == "" {
		value = value[1:]
	}
	b.headers[at[1]] = b.expand(value)
	return ""
}

var placeholder = regexp.MustCompile(`\$\{([^}]+)}`)

// expand puts in what mcp-remote would: ${VAR} from its environment, which is that of the entry first.
func (b *bridge) expand(t clients.Text) (whole clients.Text) {
	for _, p := range t {
		if own, ok := b.from.Env[p.Variable]; ok && p.Variable != "" {
			b.consumed[p.Variable] = true
			whole = append(whole, own...)
			continue
		}
		for {
			at := placeholder.FindStringSubmatchIndex(p.Literal)
			if at == nil {
				break
			}
			name := p.Literal[at[2]:at[3]]
			if at[0] > 0 {
				whole = append(whole, clients.Part{Literal: p.Literal[:at[0]]})
			}
			if own, ok := b.from.Env[name]; ok {
				b.consumed[name] = true
				whole = append(whole, own...)
			} else {
				whole = append(whole, clients.Part{Variable: name})
			}
			p.Literal = p.Literal[at[1]:]
		}
		if p.Literal != "" || p.Variable != "" || p.Input != nil || p.Path != "" || p.Other != "" {
			whole = append(whole, p)
		}
	}
	return whole
}

// paramFields are the parameters of an authorization request for which an oauth_config has fields of their own.
var paramFields = map[string]string{
	"audience": "OAUTH_AUDIENCE", "organization": "OAUTH_ORGANIZATION", "resource": "OAUTH_RESOURCE", "scope": "OAUTH_SCOPE",
}

func (b *bridge) parameter(arg clients.Text) (why string, err error) {
	text, err := b.now("--authorize-param", arg)
	name, value, found := strings.Cut(text, "=")
	if err != nil || !found {
		return "--authorize-param has another form than NAME=VALUE", err
	}
	if _, outside := b.cover[text]; outside {
		b.hide(value, hidden)
	}
	if field, own := paramFields[name]; own {
		b.oauth[field] = clients.Text{{Literal: value}}
		return "", nil
	}
	params, _ := b.oauth["OAUTH_AUTHORIZATION_PARAMS"].(map[string]clients.Text)
	if params == nil {
		params = map[string]clients.Text{}
	}
	params[name] = clients.Text{{Literal: value}}
	b.oauth["OAUTH_AUTHORIZATION_PARAMS"] = params
	return "", nil
}

// client takes over the client that mcp-remote is given: what it is known by, or what it would register.
func (b *bridge) client(flag string, arg clients.Text) (why string, err error) {
	text, err := b.now(flag, b.expand(arg))
	if err != nil {
		return "", err
	}
	_, outside := b.cover[text]
	if path, ok := strings.CutPrefix(text, "@"); ok {
		data, err := b.Read(b.path(path))
		if err != nil {
			return "the file that " + flag + " names cannot be read", nil
		}
		text, outside = string(data), true
	}
	var client map[string]any
	if json.Unmarshal([]byte(text), &client) != nil {
		return flag + " is not the JSON that it should be", nil
	}
	for name, field := range map[string]string{"client_id": "OAUTH_CLIENT_ID", "client_secret": "OAUTH_CLIENT_SECRET", "scope": "OAUTH_SCOPE"} {
		if value, _ := client[name].(string); value != "" {
			if outside {
				b.hide(value, hidden)
			}
			b.oauth[field] = clients.Text{{Literal: value}}
		}
		delete(client, name)
	}
	b.described(flag, client)
	return "", nil
}

// described takes over what else is said of the client, and tells what is not.
func (b *bridge) described(flag string, client map[string]any) {
	uris, _ := client["redirect_uris"].([]any)
	for _, uri := range uris {
		if address, ok := uri.(string); ok {
			b.callback.registered = append(b.callback.registered, address)
		}
	}
	delete(client, "redirect_uris")
	if method := client["token_endpoint_auth_method"]; flag == "--static-oauth-client-info" &&
		(method == "client_secret_basic" || method == "client_secret_post") {
		b.oauth["OAUTH_USE_BASIC_AUTH"] = method == "client_secret_basic"
		delete(client, "token_endpoint_auth_method")
	}
	if len(client) > 0 {
		b.note("of %s is not taken over: %s", flag, strings.Join(slices.Sorted(maps.Keys(client)), ", "))
	}
}

// variables looks at those of mcp-remote's variables that were put into nothing.
func (b *bridge) variables() (why string) {
	idle := slices.DeleteFunc(slices.Sorted(maps.Keys(b.from.Env)), func(name string) bool { return b.consumed[name] })
	for _, name := range idle {
		if upper := strings.ToUpper(name); strings.HasPrefix(upper, "NODE_") || strings.HasSuffix(upper, "_PROXY") {
			return "its variable " + name + " changes how it connects"
		}
	}
	if len(idle) > 0 {
		b.note("left out, as no program is started any more: %s", strings.Join(idle, ", "))
	}
	return ""
}
