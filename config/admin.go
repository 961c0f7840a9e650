package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"bearerd/secrets"
)

// callbackPath is where the admin listener takes the answers to sign-ins that were begun there.
const callbackPath = "/api/oauth/callback"

// Callback is where providers send browsers back to: under public_url, else at admin's listen. It is "" when no browser can
// reach the daemon.
func (c *Config) Callback() string {
	switch a := c.Admin; {
	case a.PublicURL != "":
		return a.PublicURL + callbackPath
	case a.Listen == "" || strings.HasPrefix(a.Listen, "unix:"):
		return ""
	default:
		return "http://" + a.Listen + callbackPath
	}
}

// admin checks the admin block, but for the listeners.
func (l *loader) admin(t *tree) {
	b, a := t.single["admin"], &t.cfg.Admin
	if b == nil {
		return
	}
	if b.has("public_url") {
		l.publicURL(b, &a.PublicURL)
	}
	if b.has("conf_dir") && a.ConfDir == "" {
		l.fail(b, "conf_dir", "conf_dir cannot be empty", "name a folder, or leave it out")
	}
	for _, entry := range a.AllowPrivate {
		if message, remedy := privateEntry(entry); message != "" {
			l.fail(b, "allow_private", message, remedy)
		}
	}
	l.metricsKey(b, a.MetricsKey)
}

// What is said of a metrics_key that can be guessed.
const (
	shortestMetricsKey = 20 // characters
	weakMetricsKey     = "must be at least 20 characters"
	weakMetricsRemedy  = "use one that `openssl rand -base64 24` prints"
)

// CheckMetricsKey refuses a value of metrics_key that is short enough to be guessed. The error holds nothing of it.
func CheckMetricsKey(key secrets.Secret) error {
	if utf8.RuneCountInString(key.Reveal()) < shortestMetricsKey {
		return errors.New(weakMetricsKey + ": " + weakMetricsRemedy)
	}
	return nil
}

func (l *loader) metricsKey(b *block, ref secrets.Ref) {
	const attr = "metrics_key"
	switch {
	case !b.has(attr):
	case empty(ref):
		l.fail(b, attr, attr+" cannot be empty", `set it to secret("NAME"), file("PATH") or env("NAME"), or leave it out`)
	case isLiteral(ref) && CheckMetricsKey(ref.Value) != nil:
		l.fail(b, attr, attr+" "+weakMetricsKey, weakMetricsRemedy)
	default:
		l.writtenOut(b, attr, ref, "metrics-key")
	}
}

// publicURL wants an origin, and writes it as browsers do: without a slash at its end, and without the usual port.
func (l *loader) publicURL(b *block, value *string) {
	const attr = "public_url"
	if !isHTTP(*value) {
		l.fail(b, attr, attr+" must start with https://, or with http:// on loopback", `write "https://HOST"`)
		return
	}
	u, ok := l.parseURL(b, attr, attr, *value)
	if !ok {
		return
	}
	switch {
	case u.Path != "" && u.Path != "/" || strings.Contains(*value, "?"):
		l.fail(b, attr, attr+" may not have a path or a query", `write "https://HOST": the callback is at its root`)
	case plainHTTP(*value) && !loopbackHost(u.Hostname()):
		l.fail(b, attr, "HTTPS is required for "+attr+": authorization codes would cross the network in clear",
			"use https://; plain http is accepted for loopback addresses only")
	case plainHTTP(*value) && u.Port() == "":
		l.fail(b, attr, attr+" needs a port", `write "http://127.0.0.1:PORT"`)
	default:
		*value = u.Scheme + "://" + strings.TrimSuffix(u.Host, ":")
		if u.Scheme == "https" {
			*value = strings.TrimSuffix(*value, ":443")
		}
	}
}

// metricsListen checks the listener for metrics alone, which other hosts may reach if a key is asked for.
func (l *loader) metricsListen(b *block, a *Admin) {
	const attr = "metrics_listen"
	if b.failed[attr] {
		return
	}
	message, remedy := address(b, attr, &a.MetricsListen)
	if message == "" && !loopbackAddress(a.MetricsListen) && !b.has("metrics_key") {
		message, remedy = attr+" is open to other hosts", "use 127.0.0.1:PORT or unix:PATH, or set metrics_key"
	}
	if message != "" {
		l.report(Error, b.at(attr), message, remedy)
		b.refuse(attr)
	}
}

// namedFolder is the conf_dir that the files which were read so far name, or "". It is needed before all of them are
// parsed; what is wrong with them is found then.
func (l *loader) namedFolder() string {
	for _, s := range l.sources {
		if dir := s.confDir(); dir != "" {
			return dir
		}
	}
	return ""
}

// confDir is the conf_dir of the admin block in s, as far as s can be parsed. A made file has none.
func (s *source) confDir() string {
	escaped := s.json && bytes.Contains(s.bytes, []byte(`\u`)) // a name may be written in many ways
	if s.made || !escaped && !bytes.Contains(s.bytes, []byte("conf_dir")) {
		return ""
	}
	apart, l := *s, &loader{}
	if !l.guarded(&apart) {
		return ""
	}
	if l.parse(&apart); apart.contents == nil {
		return ""
	}
	content, _, _ := apart.contents.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "admin"}}})
	for _, hb := range content.Blocks {
		var a Admin
		if l.decode(&block{src: &apart}, hb.Body, &a); a.ConfDir != "" {
			return a.ConfDir
		}
	}
	return ""
}
