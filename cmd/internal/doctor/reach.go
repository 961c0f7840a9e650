package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"bearerd/engine/oauth"
	"bearerd/inject/proxy"
)

// stages notes how far a request came, and how long each stage took.
type stages struct {
	mu                sync.Mutex // guards what follows; a dial may end after the request has
	dns, dial, secure time.Duration
	connected         bool                 // something took a connection
	shaken            *tls.ConnectionState // nil: no TLS yet
}

// trace is for one request. Several addresses may be tried at once: the last one counts.
func (s *stages) trace() *httptrace.ClientTrace {
	var dns, dial, secure time.Time
	begin := func(at *time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		*at = time.Now()
	}
	end := func(at *time.Time, took *time.Duration) {
		s.mu.Lock()
		defer s.mu.Unlock()
		*took = time.Since(*at)
	}
	return &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { begin(&dns) },
		DNSDone:      func(httptrace.DNSDoneInfo) { end(&dns, &s.dns) },
		ConnectStart: func(_, _ string) { begin(&dial) },
		ConnectDone: func(_, _ string, err error) {
			end(&dial, &s.dial)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.connected = s.connected || err == nil
		},
		TLSHandshakeStart: func() { begin(&secure) },
		TLSHandshakeDone: func(c tls.ConnectionState, err error) {
			end(&secure, &s.secure)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err == nil {
				s.shaken = &c
			}
		},
	}
}

func (s *stages) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := ""
	for _, stage := range []struct {
		name string
		took time.Duration
	}{{"DNS", s.dns}, {"TCP", s.dial}, {"TLS", s.secure}} {
		if stage.took > 0 {
			text += fmt.Sprintf(", %s %s", stage.name, stage.took.Round(10*time.Microsecond))
		}
	}
	return text
}

// address connects to where a URL leads, and looks at the certificate. field is where the URL is from.
func (p *patient) address(ctx context.Context, field, address string) finding {
	u, err := url.Parse(address)
	if err != nil {
		return bad("correct "+field, "%s is no URL", field)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &stages{}
	to := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}).String() // the path is for later
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, s.trace()), http.MethodHead, to, nil)
	if err != nil {
		return bad("correct "+field, "%s is no URL", field)
	}
	r.Header.Set("User-Agent", "bearerd")
	start := time.Now()
	resp, err := p.client(nil).Transport.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
		p.doctor.dates.note(u.Host, resp.Header, time.Now())
	}
	s.mu.Lock()
	shaken, dialled, connected := s.shaken, s.dial > 0, s.connected
	s.mu.Unlock()
	if connected && shaken == nil && errors.Is(err, context.DeadlineExceeded) {
		speaks := map[string]string{"https": "TLS", "http": "HTTP"}[u.Scheme]
		return bad("verify host and port in "+field+": does what listens there speak "+speaks+", and does it hang?",
			"%s: %s takes the connection, and says nothing for %s", speaks, u.Host, limit)
	}
	refused := false
	if op, ok := errors.AsType[*net.OpError](err); ok {
		refused = op.Op == "remote error" // with TLS 1.3 a client's certificate is judged after the handshake
	}
	if err != nil && (shaken == nil || refused) && (u.Scheme == "https" || !dialled || isDial(err)) {
		return p.unreached(field, u, time.Since(start), err)
	}
	where := u.Scheme + "://" + u.Host + s.String()
	if shaken == nil || len(shaken.PeerCertificates) == 0 {
		return good("%s", where)
	}
	leaf := shaken.PeerCertificates[0]
	if ending(leaf, time.Now()) {
		return warned("have whoever runs it renew the certificate", "%s; its certificate expires on %s", where, day(leaf.NotAfter))
	}
	return good("%s; certificate until %s", where, day(leaf.NotAfter))
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// unreached says what kept a connection from being made.
func (p *patient) unreached(field string, u *url.URL, took time.Duration, err error) finding {
	said := oauth.PlainError(u.Host, took, err)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return bad("verify HTTPS_PROXY and HTTP_PROXY, or list the host in NO_PROXY", "%v", said)
	}
	if errors.Is(err, oauth.ErrOutOfReach) {
		return bad("list it in allow_private if that is right", "%v", said)
	}
	if f, ok := p.mistrusted(u, said, err); ok {
		return f
	}
	switch {
	case isUnresolved(err):
		return bad("verify the host in "+field+", and the network: does it need a VPN, or HTTPS_PROXY?", "DNS: %v", said)
	case proxy.Refused(err):
		return bad("verify host and port in "+field+", and that the server runs", "TCP: %v", said)
	case errors.Is(err, context.DeadlineExceeded):
		return bad("verify host and port in "+field+"; a firewall, or a missing HTTPS_PROXY, looks like this too", "TCP: %v", said)
	case errors.Is(err, context.Canceled):
		return skipped("", "interrupted")
	}
	return bad("verify "+field+", and what stands between here and "+u.Host, "%v", said)
}

func isUnresolved(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// mistrusted tells the ways apart in which TLS does not come about.
func (p *patient) mistrusted(u *url.URL, said, err error) (f finding, ok bool) {
	const clock = "; if this machine's clock is wrong, set it"
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		if time.Now().Before(e.Cert.NotBefore) {
			return bad("have whoever runs it correct the certificate"+clock, "TLS: the certificate of %s is not valid before %s", u.Host, day(e.Cert.NotBefore)), true
		}
		return bad("have whoever runs it renew the certificate"+clock, "TLS: the certificate of %s has expired on %s", u.Host, day(e.Cert.NotAfter)), true
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		by := ""
		if e.Cert != nil {
			by = fmt.Sprintf(" (%.100q)", e.Cert.Issuer.CommonName)
		}
		remedy := "set OAUTH_CA_BUNDLE_PATH to the PEM file of that authority"
		switch {
		case p.oauth == nil:
			remedy = "have this machine trust that authority, or set SSL_CERT_FILE"
		case !p.oauth.CABundlePath.IsZero():
			remedy = "put the certificate of that authority into the file of OAUTH_CA_BUNDLE_PATH, which takes the place of the system's"
		}
		return bad(remedy, "TLS: the certificate of %s is signed by an unknown authority%s", u.Host, by), true
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		names := ""
		if e.Certificate != nil {
			names = fmt.Sprintf(": it is for %.200q", strings.Join(e.Certificate.DNSNames, " "))
		}
		return bad("write the host that the certificate names, or have it issued for this one", "TLS: the certificate is not valid for %s%s", u.Hostname(), names), true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		remedy := "it seems to want a client certificate: set OAUTH_USE_MTLS, OAUTH_CLIENT_CERT_PATH and OAUTH_CLIENT_KEY_PATH"
		if p.oauth != nil && p.oauth.UseMTLS {
			remedy = "verify OAUTH_CLIENT_CERT_PATH: is it issued by an authority that the server takes?"
		}
		return bad(remedy, "%v", said), true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return bad("write the port that speaks TLS", "%v", said), true
	}
	return finding{}, false
}
