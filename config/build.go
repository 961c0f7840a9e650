package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"bearerd/secrets"
)

// The defaults that more than one place needs.
const (
	defaultProxyListen = "127.0.0.1:7411"
	defaultAdminListen = "127.0.0.1:7412"
	defaultBuffer      = 300 // seconds
)

// The two stores, as they are written.
const (
	fileStore  = `store "file"`
	vaultStore = `store "vault"`
)

// rootBlocks are the blocks of a file, with whether they carry a name.
var rootBlocks = map[string]bool{
	"log": false, "store": true, "vault": false, "proxy": false, "admin": false, "use": false, "server": true,
}

var serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// tree is a configuration with the blocks that it was written in.
type tree struct {
	cfg     *Config
	single  map[string]*block // log, store "file", store "vault", vault, proxy, admin, use
	auth    *block            // inside vault
	servers []*written
	names   map[string]*written // the first server of each name, in lower case
}

func newTree() *tree {
	return &tree{cfg: defaults(), single: map[string]*block{}, names: map[string]*written{}}
}

// written is a server with its blocks.
type written struct {
	*Server
	block, oauth *block
}

// Server returns the server of that name, or nil.
func (c *Config) Server(name string) *Server {
	for _, s := range c.Servers {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// build makes a configuration of what was parsed.
func (l *loader) build(sources []*source) *Config {
	t := newTree()
	l.roots(t, sources)
	if t.cfg.Store.Path == "" && !t.single[fileStore].has("path") {
		t.cfg.Store.Path = l.statePath(sources[0])
	}
	l.assemble(t)
	return t.cfg
}

// assemble fills in what depends on other values, and validates. Nothing of it is cached.
func (l *loader) assemble(t *tree) {
	l.socket(t.single["proxy"], t.cfg.Proxy.Listen, &t.cfg.Proxy.Local)
	slices.SortStableFunc(t.servers, func(a, b *written) int { return strings.Compare(a.Name, b.Name) })
	for _, w := range t.servers {
		w.inherit(t.cfg)
		t.cfg.Servers = append(t.cfg.Servers, w.Server)
	}
	if l.kept != nil {
		l.where = make(map[string]string, len(t.servers))
		for _, w := range t.servers {
			l.where[w.Name] = w.block.src.path
		}
	}
	l.validate(t)
}

// roots decodes every block, the vault block first: what vault(…) may be elsewhere follows from it.
func (l *loader) roots(t *tree, sources []*source) {
	files := make([]*content, len(sources))
	for i, s := range sources {
		files[i] = l.content(s)
		for _, hb := range files[i].roots {
			if hb.Type == "vault" {
				l.root(t, s, hb)
			}
		}
	}
	for _, c := range files {
		for _, hb := range c.roots {
			if hb.Type != "vault" {
				l.root(t, c.src, hb)
			}
		}
		for _, w := range l.servers(c) {
			l.add(t, w)
		}
	}
}

func defaults() *Config {
	return &Config{
		Log:   Log{Level: "info", Format: "auto"},
		Proxy: DefaultProxy(),
	}
}

func (l *loader) rootContent(s *source) hcl.Blocks {
	var schema []hcl.BlockHeaderSchema
	for name, labelled := range rootBlocks {
		h := hcl.BlockHeaderSchema{Type: name}
		if labelled {
			h.LabelNames = []string{"name"}
		}
		schema = append(schema, h)
	}
	slices.SortFunc(schema, func(a, b hcl.BlockHeaderSchema) int { return strings.Compare(a.Type, b.Type) })
	return l.decode(&block{src: s}, s.contents, &struct{}{}, schema...)
}

func (l *loader) root(t *tree, s *source, hb *hcl.Block) {
	b := &block{src: s, def: hb.DefRange}
	name := hb.Type
	if name == "store" {
		b.def = hb.LabelRanges[0]
		name = fmt.Sprintf("store %q", printable(hb.Labels[0]))
	}
	if first := t.single[name]; first != nil {
		l.twice(b, name, first)
		return
	}
	t.single[name] = b
	switch name {
	case "log":
		l.decode(b, hb.Body, &t.cfg.Log)
	case fileStore:
		l.decode(b, hb.Body, &t.cfg.Store)
	case vaultStore:
		t.cfg.Shared = &Shared{Mount: defaultMount, Prefix: "bearerd"}
		l.decode(b, hb.Body, t.cfg.Shared)
	case "vault":
		l.vaultBlock(t, b, hb.Body)
	case "proxy":
		l.decode(b, hb.Body, &t.cfg.Proxy)
	case "admin":
		t.cfg.Admin.Listen = defaultAdminListen
		l.decode(b, hb.Body, &t.cfg.Admin)
	case "use":
		t.cfg.Use = &Use{}
		l.decode(b, hb.Body, t.cfg.Use)
	default:
		l.report(Error, b.head(), "unknown "+name, `the kinds of store are store "file" and store "vault"`)
	}
}

func (l *loader) twice(b *block, name string, first *block) {
	l.report(Error, b.head(), name+" is declared twice", "the first is at "+position(first)+": keep one of them")
}

func (l *loader) server(s *source, hb *hcl.Block) *written {
	b, name := &block{src: s, def: hb.LabelRanges[0]}, hb.Labels[0]
	if !serverName.MatchString(name) {
		l.report(Error, b.head(), fmt.Sprintf("%q is no server name", printable(name)),
			"use letters, digits, _ and -, begin with a letter or a digit, at most 64 characters")
	} else {
		b.server = name
	}
	w := &written{block: b, Server: DefaultServer(name)}
	w.Made = s.made
	for _, nested := range l.decode(b, hb.Body, w.Server, hcl.BlockHeaderSchema{Type: "oauth_config"}) {
		l.oauthBlock(w, nested)
	}
	return w
}

// DefaultServer is a server of which nothing is written but the name, with the defaults that do not depend on others.
func DefaultServer(name string) *Server {
	return &Server{
		Name: name, TokenFileMode: "0600", Via: "proxy", Login: "command", StopGrace: 2 * time.Second, KillGrace: 5 * time.Second,
		OnRotate: "replay", OnRotateBusy: "error", Signal: "SIGHUP", Replay: "challenge",
	}
}

// DefaultProxy is a proxy block in which nothing is written.
func DefaultProxy() Proxy {
	return Proxy{
		Listen: defaultProxyListen, Local: Local{LocalAuth: "key"}, FastPath: true,
		Limits: Limits{
			MaxConnections: 4096, MaxHeadBytes: 64 << 10, MaxBodyBytes: 64 << 20, MaxAnswerHead: 256 << 10, ReplayBytes: 4 << 20,
			HeadTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute,
		},
	}
}

// add takes a server in, beside those of other files.
func (l *loader) add(t *tree, w *written) {
	t.servers = append(t.servers, w)
	name := strings.ToLower(w.Name)
	other := t.names[name]
	if other == nil {
		t.names[name] = w
		return
	}
	l.report(Error, w.block.head(), fmt.Sprintf("server %q is declared twice", printable(w.Name)),
		"the first is at "+position(other.block)+"; names are unique ignoring case: rename one")
}

func (l *loader) oauthBlock(w *written, hb *hcl.Block) {
	b := &block{src: w.block.src, server: w.block.server, def: hb.DefRange}
	if w.oauth != nil {
		l.twice(b, "oauth_config", w.oauth)
		return
	}
	w.oauth = b
	w.OAuth = DefaultOAuth()
	l.decode(b, hb.Body, w.OAuth)
	w.OAuth.Scope = strings.Join(strings.Fields(w.OAuth.Scope), " ")
}

// DefaultOAuth is an oauth_config block in which nothing is written.
func DefaultOAuth() *OAuth {
	return &OAuth{
		Version: "2.0", GrantType: "client_credentials", TokenExpiryBuffer: defaultBuffer,
		UsePKCE: true, EnforceHTTPS: true, TokenInHeaderOnly: true, ValidateScopes: true,
	}
}

// inherit fills in how the listener of a url server treats its callers: what the server says, else what the proxy block
// says. A listener of its own always asks for a key unless the server itself says otherwise, and so does a server that the
// API made, which may reach what admin says.
func (w *written) inherit(cfg *Config) {
	proxy := cfg.Proxy.Local
	if w.Made {
		proxy.LocalAuth, w.AllowPrivate = "key", cfg.Admin.AllowPrivate
	}
	if !w.block.has("url") {
		return
	}
	if !w.block.has("local_auth") {
		w.LocalAuth = proxy.LocalAuth
		if w.block.has("listen") {
			w.LocalAuth = "key"
		}
	}
	if !w.block.has("allow_hosts") {
		w.AllowHosts = proxy.AllowHosts
	}
	if !w.block.has("allow_origins") {
		w.AllowOrigins = proxy.AllowOrigins
	}
	if !w.block.has("listen") {
		w.AllowRemote, w.SocketMode, w.SocketGroup = proxy.AllowRemote, proxy.SocketMode, proxy.SocketGroup
	}
}

// statePath is the default state folder.
func (l *loader) statePath(s *source) string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bearerd")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		l.report(Error, place{src: &source{path: s.path}}, "there is no place for the state: HOME is not set",
			`write store "file" { path = "/var/lib/bearerd" }`)
		return ""
	}
	return homeState(home)
}

// position is FILE:LINE of a block.
func position(b *block) string { return fmt.Sprintf("%s:%d", b.src.path, b.def.Start.Line) }

// isLiteral reports whether the value itself is in the configuration.
func isLiteral(r secrets.Ref) bool { return r.Kind == secrets.Literal }
