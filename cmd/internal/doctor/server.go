package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// patient is one server that is looked at.
type patient struct {
	*config.Server
	doctor  *Doctor
	chart   *chart
	oauth   *config.OAuth             // nil: it gets no token
	source  *engine.Source            // nil: it gets no token
	remote  string                    // the URL of upstream; "": a plain program
	values  map[string]secrets.Secret // of what it refers to
	tls     *tls.Config               // for every request that is about it
	reach   oauth.Reach
	found   *engine.Found // nil: not yet, or not to be had
	token   *held         // nil: none to go on with
	because string        // the step that keeps the next ones from being taken; "": none
}

// held is a token to go on with.
type held struct {
	access secrets.Secret
	cert   *tls.Certificate // that it may be bound to
	kept   bool             // it was there before; else it is fresh
}

// examine takes the steps of one server.
func (d *Doctor) examine(ctx context.Context, ch *chart, s *config.Server) {
	p := &patient{Server: s, doctor: d, chart: ch, values: map[string]secrets.Secret{}, reach: oauth.NewReach(s), remote: remote(s)}
	if s.OAuth != nil && s.OAuth.Enabled {
		p.oauth = s.OAuth
		p.source, _ = d.engine.Source(s.Name) // it has one, as it is enabled
	}
	p.step("secrets", p.secrets(ctx))
	if s.Command != "" {
		p.step("command", p.command)
	}
	if p.oauth != nil && p.oauth.UseMTLS {
		p.step("client certificate", func() finding { return p.clientCertificate(ctx) })
	}
	brief, cancel := context.WithTimeout(ctx, limit)
	conf, err := oauth.TLSConfig(brief, p.oauth, d.resolve)
	cancel()
	if err != nil { // the step before, or the loader, has told what is wrong
		p.because = cmp.Or(p.because, "secrets")
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	p.tls = conf
	if p.remote != "" {
		p.step("upstream", func() finding { return p.address(ctx, "url", p.remote) })
	}
	if p.oauth != nil {
		p.grant(ctx)
	}
	p.mcp(ctx)
}

// remote is the address of the MCP server; "": it is a program.
func remote(s *config.Server) string {
	if s.URL != "" {
		return s.URL
	}
	if delivery, _ := s.Delivery(); delivery == config.DeliverArguments && s.URLArgument() >= 0 {
		return s.Args[s.URLArgument()]
	}
	return ""
}

// step takes a step, unless an earlier one makes it useless.
func (p *patient) step(name string, look func() finding) Result {
	if look == nil {
		return OK
	}
	if p.because != "" {
		p.chart.skip(p.because, name)
		return Skipped
	}
	r := p.chart.take(name, look)
	if r == Failed {
		p.because = name
	}
	return r
}

// secrets resolves what the server refers to; nil: it refers to nothing.
func (p *patient) secrets(ctx context.Context) func() finding {
	list := Uses(p.Server)
	if len(list) == 0 {
		return nil
	}
	return func() finding {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for _, u := range list {
			if p.because = p.doctor.unread(u.Ref); p.because != "" {
				return skipped("", "%s: not looked at because of %s", u.What, p.because)
			}
			v, err := p.doctor.resolve.ResolveText(ctx, u.Ref)
			if owner := p.doctor.owner; errors.Is(err, fs.ErrPermission) && owner != "" {
				p.because = p.doctor.broken
				return skipped(owner, "%s: only that user may read it", u.What)
			}
			if err != nil {
				return p.noSecret(u, err)
			}
			p.values[u.What] = v
		}
		refs := len(slices.DeleteFunc(list, func(u Use) bool { return u.Ref.Kind == secrets.Literal }))
		return good("references with a value: %d", refs)
	}
}

// noSecret is Doctor.noSecret. What comes after needs the value in any case.
func (p *patient) noSecret(u Use, err error) finding {
	f := p.doctor.noSecret(u, err)
	if f.result == Warned {
		p.because = "secrets"
	}
	return f
}

// command finds the program, and tells what the daemon knows of those that run.
func (p *patient) command() finding {
	if err := stdio.LookPath(p.Server, p.values["env PATH"]); err != nil {
		return bad("install the program, or correct command (its full path always works)", "%v", err)
	}
	if info, err := os.Stat(p.Dir); p.Dir != "" && (err != nil || !info.IsDir()) {
		return bad("make that folder, or correct dir", "dir: there is no folder %s", p.Dir)
	}
	if r := p.doctor.running; r != nil {
		for _, t := range r.status.Trouble {
			if t.Server == p.Name {
				return warned("see its own log; `bearerd status` has more", "%s is there, but `bearerd exec` (pid %d) is in trouble: %s: %s",
					p.Command, t.PID, t.State, t.Reason)
			}
		}
	}
	return good("%s", p.Command)
}

// clientCertificate reads the pair that is presented.
func (p *patient) clientCertificate(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	pair, err := oauth.NewKeyPair(p.oauth, p.doctor.resolve).Current(ctx)
	if err != nil {
		return bad("correct OAUTH_CLIENT_CERT_PATH and OAUTH_CLIENT_KEY_PATH: a PEM certificate and the key that belongs to it", "%v", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return bad("have it issued anew", "the client certificate cannot be read")
	}
	now := time.Now()
	const remedy = "have it issued anew; the files are read again by themselves"
	switch {
	case now.After(leaf.NotAfter):
		return bad(remedy, "the client certificate has expired on %s", day(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return bad("wait until then, have it issued anew, or set this machine's clock", "the client certificate is not valid before %s", day(leaf.NotBefore))
	case ending(leaf, now):
		return warned(remedy, "the client certificate expires on %s", day(leaf.NotAfter))
	}
	return good("valid until %s", day(leaf.NotAfter))
}

const soon = 21 * 24 * time.Hour

// ending reports a certificate that is in its last three weeks; one of a short life, in the last third of it.
func ending(c *x509.Certificate, now time.Time) bool {
	return c.NotAfter.Sub(now) < min(soon, c.NotAfter.Sub(c.NotBefore)/3)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// told is what the daemon says of the server; nil: nothing.
func (p *patient) told() *admin.Server { return p.doctor.running.of(p.Name) }

// client makes requests as the program does: by its proxies and rules, without redirects.
func (p *patient) client(cert *tls.Certificate) *http.Client {
	conf := p.tls.Clone()
	if cert != nil {
		oauth.Present(conf, cert)
	}
	return &http.Client{
		Transport: &http.Transport{Proxy: p.reach.Proxy, DialContext: p.reach.Dial, TLSClientConfig: conf, DisableKeepAlives: true,
			DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// shown is an address without what may be a key in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	return fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, u.EscapedPath())
}

// remedyOf is the reason and the remedy that the engine has for an error.
func remedyOf(err error) (cause, remedy string) {
	if e, ok := errors.AsType[*engine.Error](err); ok {
		return e.Cause(), e.Remedy
	}
	return err.Error(), ""
}
