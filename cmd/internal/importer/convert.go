package importer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// convert makes a server of that name of an entry. An error of it is why the entry is left out.
func (p *Plan) convert(s clients.Server, name string) Taken {
	c := &conversion{World: p.World, from: s, to: config.DefaultServer(name),
		Taken: &Taken{Secrets: map[string]secrets.Secret{}, cover: map[string]string{}}}
	if err := c.all(); err != nil {
		return Taken{Why: err.Error()}
	}
	c.Server = c.to
	return *c.Taken
}

func (c *conversion) all() error {
	if err := c.oauth(); err != nil {
		return err
	}
	if err := c.envFile(); err != nil {
		return err
	}
	if err := c.remote(); err != nil {
		return err
	}
	if len(c.from.Command) > 0 {
		if err := c.program(); err != nil {
			return err
		}
	}
	if len(c.from.URL) > 0 {
		if err := c.address(); err != nil {
			return err
		}
	}
	if len(c.from.Lost) > 0 {
		c.note("has no place in bearerd: %s", strings.Join(c.from.Lost, ", "))
	}
	for _, said := range c.from.Said {
		c.note("%s", said)
	}
	if c.from.Off {
		c.note("is switched off in the file: the client still decides whether it is used")
	}
	return nil
}

// program is a server that is started.
func (c *conversion) program() (err error) {
	if c.to.Command, err = c.now("its command", c.from.Command); err != nil {
		return err
	}
	if wholeLine(c.to.Command) {
		return errors.New("its command holds arguments, which belong in args: write the program alone into command, the rest into args, and import again")
	}
	if looksSecret(c.to.Command) {
		c.note("its command looks as if it held a secret: it stays there, and the configuration holds it")
	}
	before := ""
	for i, t := range c.from.Args {
		arg, err := c.now(fmt.Sprintf("its argument %d", i+1), t)
		if err != nil {
			return err
		}
		if secretFlag(arg, before) || private(c.filled(t)) {
			c.Visible = append(c.Visible, i)
			c.note("argument %d looks like a secret: it stays an argument, which the configuration holds and other programs can see", i+1)
		}
		c.to.Args, before = append(c.to.Args, arg), arg
	}
	if c.to.Env, err = c.values("env", c.from.Env); err != nil {
		return err
	}
	c.to.PassEnv = slices.DeleteFunc(slices.Clone(c.from.PassEnv), func(name string) bool { _, set := c.to.Env[name]; return set })
	for _, name := range c.to.PassEnv {
		if _, set := c.Lookup(name); !set && oddName(name) {
			return c.unset(name)
		}
	}
	if len(c.to.PassEnv) == 0 {
		c.to.PassEnv = nil
	}
	return c.folder()
}

// wholeLine reports whether a command is a program with its arguments in one text. A path may have white space, too.
func wholeLine(command string) bool {
	words := strings.Fields(command)
	if len(words) < 2 || isFile(command) {
		return false
	}
	return !strings.ContainsAny(words[0], `/\`) || isFile(words[0])
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// folder is the working directory. Where a client starts a program of which the file does not say it, it starts bearerd.
func (c *conversion) folder() error {
	dir, err := c.now("its working directory", c.from.Dir)
	if err != nil || dir == "" {
		return err
	}
	if dir = c.path(dir); !filepath.IsAbs(dir) {
		return fmt.Errorf("its working directory is relative: write the whole path and import again")
	}
	c.to.Dir = filepath.Clean(dir)
	return nil
}

// values are the variables of a program, or the headers of a remote server; nil: there are none.
func (c *conversion) values(kind string, from map[string]clients.Text) (map[string]secrets.Ref, error) {
	var values map[string]secrets.Ref
	for _, name := range slices.Sorted(maps.Keys(from)) {
		take := c.header
		if kind != "header" {
			take = func(name string, t clients.Text) (secrets.Ref, error) { return c.value(kind, name, t, false) }
		}
		ref, err := take(name, from[name])
		if err != nil {
			return nil, err
		}
		if values == nil {
			values = map[string]secrets.Ref{}
		}
		values[name] = ref
	}
	return values, nil
}

// address is a remote server.
func (c *conversion) address() error {
	text, err := c.now("its url", c.from.URL)
	if err != nil {
		return err
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "#") // no request carries it
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("its url is not valid")
	}
	headers := c.filledHeaders()
	if user := u.User; user != nil {
		u.User = nil
		text = u.String()
		headers = c.basic(headers, user)
	}
	c.to.URL = text
	c.hideAddress(text)
	credential := private(c.from.URL) || holdsSecret(u)
	if credential {
		c.note("its url looks as if it held a secret: it stays there, and the configuration holds it")
	}
	enabled := c.to.OAuth != nil && c.to.OAuth.Enabled
	name, has := authorization(headers)
	if enabled && has {
		c.note("its %s header is left out: the token goes there", name)
		delete(headers, name)
	}
	if c.to.Headers, err = c.values("header", headers); err != nil {
		return err
	}
	kept := func(r secrets.Ref) bool { return r.Kind != secrets.Literal }
	c.signIn(u, credential || slices.ContainsFunc(slices.Collect(maps.Values(c.to.Headers)), kept))
	if has && !enabled {
		c.note("its %s header is a fixed credential: bearerd delivers it, and cannot renew it", name)
	}
	return nil
}

// holdsSecret reports whether the query or a part of the path of an address is a secret, such as Zapier's are.
func holdsSecret(u *url.URL) bool {
	query := u.Query()
	return slices.ContainsFunc(strings.Split(u.Path, "/"), looksSecret) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(query)), func(name string) bool {
			return slices.ContainsFunc(query[name], func(value string) bool { return secretValue(name, value) })
		})
}

// basic turns the user and the password of an address into the header that clients make of them (RFC 7617), if there is room.
func (c *conversion) basic(headers map[string]clients.Text, user *url.Userinfo) map[string]clients.Text {
	if _, has := authorization(headers); has || c.to.OAuth != nil && c.to.OAuth.Enabled {
		c.note("the user and password in its url are left out: the Authorization header has another credential")
		return headers
	}
	if headers == nil {
		headers = map[string]clients.Text{}
	}
	password, _ := user.Password()
	value := "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
	headers["Authorization"] = clients.Text{{Literal: value}}
	c.note("the user and password in its url became an Authorization header")
	return headers
}

// authorization is the header of that name, however it is written.
func authorization(headers map[string]clients.Text) (name string, has bool) {
	for name := range headers {
		if strings.EqualFold(name, "Authorization") {
			return name, true
		}
	}
	return "", false
}

// signIn gives a server without a credential of its own a grant that is found out, as its client would have.
func (c *conversion) signIn(u *url.URL, credential bool) {
	clear := strings.EqualFold(u.Scheme, "http") && !loopback(u.Hostname())
	switch {
	case clear && c.to.OAuth == nil:
		c.note("its url is plain http: what it is sent can be read on the way, and no token is sent to it")
	case c.to.OAuth != nil || credential:
	case strings.EqualFold(u.Scheme, "https"):
		c.to.OAuth = config.DefaultOAuth()
		c.to.OAuth.Enabled, c.to.OAuth.Version, c.to.OAuth.GrantType = true, "2.1", "authorization_code"
		c.note("has no credential in the file: sign in with `bearerd login %s`; if it needs none, remove oauth_config", c.to.Name)
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}
