package app

import (
	"context"
	"fmt"
	"slices"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// ownProxy serves one URL to processes of a child, on a loopback port and with a key that die with bearerd. Another URL has
// another one: a process that still serves goes on with the URL that it was started for, and what it has of the session there
// reaches no other.
type ownProxy struct {
	url   string // of upstream
	proxy *proxy.Proxy
	keys  proxy.Keys
}

// mostProxies is how many a child has: processes that were started for so many URLs before have long been replaced.
const mostProxies = 4

// anyPort is where an ownProxy listens.
const anyPort = "127.0.0.1:0"

// openProxy serves the URL among the arguments, for this server alone. Where it is served already, it follows the settings.
// settling is held.
func (c *child) openProxy(ctx context.Context, s *config.Server, source *engine.Source) (url string, key secrets.Secret, err error) {
	at := s.URLArgument()
	if at < 0 {
		return "", secrets.Secret{}, fmt.Errorf("server %q: args hold no http or https URL to send the token to", s.Name)
	}
	own := c.proxyFor(s)
	if own == nil {
		own = &ownProxy{url: s.Args[at], keys: proxy.NewKeys()}
		own.proxy = proxy.New(own.keys, c.app.resolve, c.app.Log)
		own.proxy.Observe(c.app.record.delivered)
	}
	cfg, err := c.route(ctx, own, s, source)
	if err != nil {
		return "", secrets.Secret{}, err
	}
	c.useProxy(own)
	served := *cfg.Servers[0]
	served.Listen = own.proxy.Bound(anyPort)[0]
	_, url = proxy.Local(cfg, &served)
	return url, own.keys.Issue(s.Name, "exec"), nil
}

// proxyFor is the one that serves the URL of s; nil: there is none.
func (c *child) proxyFor(s *config.Server) *ownProxy {
	if at := s.URLArgument(); at >= 0 {
		for _, own := range c.proxies {
			if own.url == s.Args[at] {
				return own
			}
		}
	}
	return nil
}

// useProxy makes own the newest, and closes the one that is too old.
func (c *child) useProxy(own *ownProxy) {
	c.proxies = append(slices.DeleteFunc(c.proxies, func(o *ownProxy) bool { return o == own }), own)
	if len(c.proxies) > mostProxies {
		c.proxies[0].close()
		c.proxies = slices.Delete(c.proxies, 0, 1)
	}
}

// route lets own serve with the settings of s, and with tokens from source.
func (c *child) route(ctx context.Context, own *ownProxy, s *config.Server, source *engine.Source) (*config.Config, error) {
	remote := &config.Server{
		Name: s.Name, URL: own.url, Listen: anyPort, OAuth: s.OAuth, Local: config.Local{LocalAuth: "key"}, Replay: s.Replay,
		Made: s.Made, AllowPrivate: s.AllowPrivate,
	}
	settings := config.DefaultProxy() // who may call, and where, is no matter of the configuration
	settings.Limits, settings.FastPath = c.app.config.Load().Proxy.Limits, c.app.config.Load().Proxy.FastPath
	cfg := &config.Config{Proxy: settings, Servers: []*config.Server{remote}}
	plan, err := own.proxy.Prepare(cfg, func(string) *engine.Source { return source })
	if err != nil {
		return nil, err
	}
	plan.Commit(ctx)
	return cfg, nil
}

func (own *ownProxy) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nobody is left to wait for
	own.proxy.Close(ctx)
}

// renewProxies tells the proxies, if there are some, of files that have changed.
func (c *child) renewProxies(ctx context.Context, paths []string) {
	c.settling.Lock()
	defer c.settling.Unlock()
	for _, own := range c.proxies {
		own.proxy.Renew(ctx, paths)
	}
}

func (c *child) close() {
	c.settling.Lock()
	defer c.settling.Unlock()
	for _, own := range c.proxies {
		own.close()
	}
}
