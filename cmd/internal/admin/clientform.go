package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// draft is what a server is to become, with the secrets that its file refers to. They are in neither its file nor a log.
type draft struct {
	server *config.Server
	old    *config.Server            // that is changed; nil: a new one is made
	own    map[string]secrets.Secret // that came with the request, by their field: client_secret, header/X-Api-Key
}

// readClient reads the JSON of a server into a draft. What it leaves out is as in old; nil: as for a new server.
func readClient(w http.ResponseWriter, r *http.Request, old *config.Server) (*draft, error) {
	o, err := readObject(w, r)
	if err != nil {
		return nil, err
	}
	d := &draft{server: config.DefaultServer(""), old: old, own: map[string]secrets.Secret{}}
	if old != nil {
		d.server = copyServer(old)
		o.drop(shownOnly)
	}
	d.server.Made = true
	was := d.server.Name
	if err := o.text("name", &d.server.Name); err != nil {
		return nil, err
	}
	switch {
	case old != nil && d.server.Name != was:
		return nil, &fieldError{"name", fmt.Sprintf("the server is %q: make another one, or leave it out", was)}
	case !serverName.MatchString(d.server.Name):
		return nil, &fieldError{"name", "use letters, digits, _ and -, begin with a letter or a digit, at most 64 characters"}
	}
	for _, read := range []func(*object) error{d.connection, d.authentication, tools, (*object).end} {
		if err := read(o); err != nil {
			return nil, err
		}
	}
	if old != nil {
		if err := d.stays(old); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// What GET shows beside what can be set. A PUT of the whole answer changes nothing by it.
var (
	shownOnly = []string{"id", "mcp_client_id", "oauth_config_id", "made", "grant_type", "delivery", "state", "error", "remedy",
		"local_url", "token", "upstream", "history"}
	shownOnlyOAuth = []string{"has_client_secret", "has_refresh_token"}
)

// copyServer is a copy whose changes the original does not see.
func copyServer(s *config.Server) *config.Server {
	c := *s
	c.Headers, c.Env = maps.Clone(s.Headers), maps.Clone(s.Env)
	if s.OAuth != nil {
		o := *s.OAuth
		c.OAuth = &o
	}
	return &c
}

// connection reads how the server is reached.
func (d *draft) connection(o *object) error {
	s := d.server
	kind, program := connection(s)
	if s.URL == "" && s.Command == "" {
		kind, program = "http", ""
	}
	if err := o.text("connection_type", &kind); err != nil {
		return err
	}
	address, shown := s.URL, withoutValues(s.URL)
	if err := o.text("connection_string", &address); err != nil {
		return err
	}
	stdio, _, err := o.object("stdio_config")
	switch {
	case err != nil:
		return err
	case kind == "http" || kind == "sse":
		if stdio != nil {
			return &fieldError{"stdio_config", `it belongs to connection_type "stdio"`}
		}
		if address == "" {
			return &fieldError{"connection_string", "the URL of the MCP server is needed"}
		}
		if address != shown { // else it is what the API has shown, not what is configured
			s.URL = address
		}
		s.Command, s.Args, s.Env = "", nil, nil
		s.LocalAuth = "key"
		return nil
	case kind != "stdio":
		return &fieldError{"connection_type", "it is one of http, sse, stdio"}
	case address != s.URL && address != "" && address != program: // which the API has shown there
		return &fieldError{"connection_string", `with connection_type "stdio" the program is in stdio_config`}
	}
	s.URL, s.Headers, s.Local = "", nil, config.Local{}
	return d.stdio(stdio)
}

func (d *draft) stdio(o *object) error {
	s := d.server
	if o != nil {
		if err := o.text("command", &s.Command); err != nil {
			return err
		}
		if err := o.list("args", &s.Args); err != nil {
			return err
		}
		if err := d.references(o, "env", "env/", &s.Env); err != nil {
			return err
		}
		if err := o.end(); err != nil {
			return err
		}
	}
	if s.Command == "" {
		return &fieldError{"stdio_config.command", "the program is needed"}
	}
	return nil
}

// authentication reads how upstream knows us.
func (d *draft) authentication(o *object) error {
	s, was := d.server, authType(d.server)
	kind := was
	given := len(o.fields["auth_type"]) > 0 && !isNull(o.fields["auth_type"])
	if err := o.text("auth_type", &kind); err != nil {
		return err
	}
	if err := d.references(o, "headers", "header/", &s.Headers); err != nil {
		return err
	}
	oauth, removed, err := o.object("oauth_config")
	switch {
	case err != nil:
		return err
	case !given && removed:
		kind, s.OAuth = "", nil
	case !given && oauth != nil:
		kind = authOAuth
	case !given && s.OAuth == nil:
		kind = ""
	case !slices.Contains([]string{authOAuth, authHeaders, authNone}, kind):
		return &fieldError{"auth_type", "it is one of oauth, headers, none"}
	}
	if kind == authOAuth && (removed || oauth == nil && s.OAuth == nil) {
		return &fieldError{"oauth_config", "OAuth configuration is required when auth_type is 'oauth'"}
	}
	if kind != authOAuth && kind != was { // else it is one that is not enabled
		s.OAuth = nil
	}
	switch {
	case kind != authOAuth && oauth != nil:
		return &fieldError{"oauth_config", "it belongs to auth_type \"oauth\""}
	case kind == authHeaders && len(s.Headers) == 0:
		return &fieldError{"headers", "headers are required when auth_type is 'headers'"}
	case kind == authNone && len(s.Headers) > 0:
		return &fieldError{"headers", "there are headers: set auth_type to \"headers\", or headers to null"}
	case s.URL == "" && len(s.Headers) > 0:
		return &fieldError{"headers", "a program gets no headers"}
	case oauth != nil:
		return d.oauth(oauth)
	}
	return nil
}

// references reads an object of secrets. A null removes one, and what is left out stays.
func (d *draft) references(o *object, name, prefix string, to *map[string]secrets.Ref) error {
	nested, null, err := o.object(name)
	switch {
	case err != nil:
		return err
	case null:
		*to = nil
		return nil
	case nested == nil:
		return nil
	}
	if *to == nil {
		*to = map[string]secrets.Ref{}
	}
	for _, key := range slices.Sorted(maps.Keys(nested.fields)) {
		if isNull(nested.fields[key]) {
			delete(*to, key)
			continue
		}
		if !secrets.ValidName(config.OwnSecret(d.server.Name, prefix+key)) || strings.Contains(key, "/") {
			return &fieldError{nested.name(key),
				"such a name cannot be kept: it begins with a letter or a digit, then come those and . _ -"}
		}
		ref := secrets.Ref{}
		if err := d.secret(nested, key, prefix+key, &ref); err != nil {
			return err
		}
		(*to)[key] = ref
	}
	if len(*to) == 0 {
		*to = nil
	}
	return nil
}

// secret reads a secret, which only the store will hold.
func (d *draft) secret(o *object, name, field string, to *secrets.Ref) error {
	value, before := "", len(o.fields)
	if err := o.text(name, &value); err != nil {
		return err
	}
	switch {
	case len(o.fields) == before:
		return nil
	case value == "":
		*to = secrets.Ref{}
		return nil
	case strings.ContainsAny(value, "\r\n\x00"):
		return &fieldError{o.name(name), "it must be one line of text"}
	case len(value) >= secrets.MaxValue:
		return &fieldError{o.name(name), "it must be smaller than 64 KiB"}
	}
	d.own[field], *to = secrets.New(value), ownRef(d.server.Name, field)
	return nil
}

// tools wants all of them: a list that is not followed must not look as if it were.
func tools(o *object) error {
	list := []string{"*"}
	null := isNull(o.fields["tools_to_execute"])
	if err := o.list("tools_to_execute", &list); err != nil || null {
		return err
	}
	if !slices.Equal(list, []string{"*"}) {
		return &fieldError{"tools_to_execute", `bearerd hands on every tool: write ["*"], or leave it out`}
	}
	return nil
}
