package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"bearerd/config"
)

// Reach says which addresses the requests for one server may connect to. It looks at the address that is connected to,
// so that a name which resolves to another one a moment later gains nothing. Link-local, multicast and unspecified
// addresses and those of cloud metadata services are never reached. Private and loopback ones are reached for a host that
// the configuration names, for one of allow_private, and for any host where the server itself is at such an address; for a
// server that the API made, whose file comes from outside, for those of allow_private alone. The zero Reach reaches public
// addresses only. It is safe for many goroutines.
//
// Where a proxy of the environment connects in our place the name of a made server is resolved here too, and all of its
// addresses must be in reach. Which of them the proxy connects to is up to the proxy.
type Reach struct{ *reach }

type reach struct {
	hosts    []string       // that may be private: of the configuration and of allow_private
	networks []netip.Prefix // of allow_private
	homes    []string       // the origins of the server itself
	home     atomic.Uint32  // where the server itself is: unknownHome, publicHome, privateHome
	made     bool           // the API made the server
	lookup   func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	unknownHome = iota
	publicHome
	privateHome
)

// NewReach lets the hosts that the configuration of s names, and those of allow_private, be at private addresses. It
// uses no network: a server that has a name counts as private once an answer of its own shows that it is, see met.
func NewReach(s *config.Server) Reach {
	r := &reach{made: s.Made, lookup: net.DefaultResolver.LookupNetIP}
	r.allow(s.AllowPrivate)
	if s.Made {
		r.home.Store(publicHome) // wherever it is, that opens nothing
		return Reach{r}
	}
	r.hosts = append(r.hosts, namedHosts(s)...)
	for _, address := range []string{s.Resource(), s.Origin()} {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			r.homes = append(r.homes, origin(u))
		}
	}
	if slices.ContainsFunc(hostsOf(s.Resource(), s.Origin()), isPrivateHost) {
		r.home.Store(privateHome)
	}
	return Reach{r}
}

func (r *reach) allow(private []string) {
	for _, allowed := range private {
		if p, err := netip.ParsePrefix(allowed); err == nil {
			r.networks = append(r.networks, p.Masked())
		} else if a, err := netip.ParseAddr(strings.Trim(allowed, "[]")); err == nil {
			r.networks = append(r.networks, netip.PrefixFrom(plainAddr(a), plainAddr(a).BitLen()))
		} else {
			r.hosts = append(r.hosts, hostName(allowed))
		}
	}
}

// namedHosts are those of the server itself and of every URL in its configuration.
func namedHosts(s *config.Server) []string {
	hosts := hostsOf(s.URL, s.Resource(), s.Origin())
	if o := s.OAuth; o != nil {
		hosts = append(hosts, hostsOf(o.ServerURL, o.TokenURL, o.AuthorizationURL, o.DeviceURL, o.RegistrationURL,
			o.RevocationURL, o.ClientMetadataURL)...)
	}
	return hosts
}

// Home is where the server itself was seen: at a private address or not. Pass it to AtHome when the server is not asked
// again.
func (r Reach) Home() (private bool) { return r.reach != nil && r.home.Load() == privateHome }

// AtHome is r for a server of which an earlier Reach has seen that it is at a private address.
func (r Reach) AtHome() Reach {
	if r.reach != nil {
		r.home.CompareAndSwap(unknownHome, privateHome)
	}
	return r
}

// hostsOf leaves out what is no URL with a host.
func hostsOf(addresses ...string) []string {
	var hosts []string
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil && u.Hostname() != "" {
			hosts = append(hosts, hostName(u.Hostname()))
		}
	}
	return hosts
}

// hostName is a host as it is compared.
func hostName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// isPrivateHost reports whether a host is at a private address whatever a resolver says.
func isPrivateHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && addrKind(a).private
}

// CheckURLs finds the first URL of s whose host is an address, or a name of this machine, that r does not reach, and the
// field that it is in. Other names are looked at when they are connected to. The error may be shown.
func (r Reach) CheckURLs(s *config.Server) (field string, err error) {
	urls := []struct{ field, value string }{{"url", s.URL}, {"args", s.Origin()}}
	if o := s.OAuth; o != nil {
		urls = append(urls, []struct{ field, value string }{
			{"OAUTH_SERVER_URL", o.ServerURL}, {"OAUTH_AUTHORIZATION_URL", o.AuthorizationURL}, {"OAUTH_TOKEN_URL", o.TokenURL},
			{"OAUTH_DEVICE_AUTHORIZATION_URL", o.DeviceURL}, {"OAUTH_REGISTRATION_URL", o.RegistrationURL},
			{"OAUTH_REVOCATION_URL", o.RevocationURL}, {"OAUTH_CLIENT_METADATA_URL", o.ClientMetadataURL},
		}...)
	}
	for _, u := range urls {
		for _, host := range hostsOf(u.value) {
			if err := r.checkHost(host); err != nil {
				return u.field, err
			}
		}
	}
	return "", nil
}

// Proxy is the Proxy of an http.Transport: the one that the environment names. Such a proxy connects in our place, so that
// for a server that the API made a host out of reach is refused here. It may resolve the host.
func (r Reach) Proxy(req *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || r.reach == nil || !r.made {
		return proxy, err
	}
	host := req.URL.Hostname()
	if err := r.checkHost(host); err != nil {
		return nil, err
	}
	if proxy == nil && !isProxy(net.JoinHostPort(host, portOf(req.URL))) { // else Dial looks at the address
		return nil, nil
	}
	return proxy, r.checkName(req.Context(), host)
}

// Dial is the DialContext of an http.Transport. A refusal wraps ErrOutOfReach.
func (r Reach) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	if !isProxy(address) {
		d.ControlContext = func(_ context.Context, _, to string, _ syscall.RawConn) error { return r.check(host, to) }
	}
	return d.DialContext(ctx, network, address)
}

// isProxy reports whether address is that of a proxy which the environment names. What such a proxy connects to is seen
// by the proxy alone, so that nothing is checked there: what goes to the same address without the proxy is for Proxy to judge.
func isProxy(address string) bool {
	for _, scheme := range []string{"http", "https"} {
		u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: scheme, Host: "target.invalid"}})
		if err != nil || u == nil {
			continue
		}
		if strings.EqualFold(address, net.JoinHostPort(u.Hostname(), portOf(u))) {
			return true
		}
	}
	return false
}

// portOf is the port that net/http connects to.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if port := map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]; port != "" {
		return port
	}
	return "80"
}

// met remembers where the server itself is, once it has answered at remote over TLS that is verified. Nothing less tells:
// whoever owns a name may point it at an inner host that takes a connection, or answers in clear, on some port. The first
// answer decides: a name that points elsewhere later must not open the private network to what its metadata names.
func (r Reach) met(at *url.URL, remote string) {
	to, err := netip.ParseAddrPort(remote)
	if r.reach == nil || err != nil || at.Scheme != "https" || !slices.Contains(r.homes, origin(at)) {
		return
	}
	seen := uint32(publicHome)
	if addrKind(to.Addr()).private {
		seen = privateHome
	}
	r.home.CompareAndSwap(unknownHome, seen)
}

// check refuses, by a *reachError, to connect to an address and port for a host.
func (r Reach) check(host, remote string) error {
	to, err := netip.ParseAddrPort(remote)
	if err != nil {
		return fmt.Errorf("%s: the address cannot be judged", host)
	}
	return r.permit(host, to.Addr())
}

// checkHost refuses a host that is an address out of reach. Of a name it knows nothing until it is connected to. It is for
// requests that a proxy makes for us, and for addresses that are only kept.
func (r Reach) checkHost(host string) error {
	if why := strange(host); why != "" && r.reach != nil && r.made {
		return &reachError{host: host, why: why}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.permit(host, a)
	}
	if isPrivateHost(hostName(host)) {
		return r.permit(host, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

func (r Reach) permit(host string, a netip.Addr) error {
	kind := addrKind(a)
	if kind.name == "" || kind.private && r.allowsPrivate(host, a) {
		return nil
	}
	return &reachError{host: host, addr: plainAddr(a), kind: kind, made: r.reach != nil && r.made}
}

func (r Reach) allowsPrivate(host string, a netip.Addr) bool {
	if r.reach == nil {
		return false
	}
	return r.Home() || slices.Contains(r.hosts, hostName(host)) ||
		slices.ContainsFunc(r.networks, func(p netip.Prefix) bool { return p.Contains(plainAddr(a)) })
}

// ErrOutOfReach is wrapped by the refusal to connect to an address.
var ErrOutOfReach = errors.New("the address is out of reach")

// reachError is a refusal to connect. Its text holds a host and an address alone.
type reachError struct {
	host string
	addr netip.Addr
	kind kind
	made bool
	why  string // in place of the others: the host itself is refused
}

func (e *reachError) Is(target error) bool { return target == ErrOutOfReach }

func (e *reachError) Error() string {
	if e.why != "" {
		return strconv.QuoteToASCII(e.host) + " " + e.why
	}
	where := e.host + " is at " + e.addr.String() + ", " + e.kind.name + " address"
	if a, err := netip.ParseAddr(e.host); err == nil && plainAddr(a) == e.addr {
		where = e.host + " is " + e.kind.name + " address"
	}
	switch {
	case e.kind.private && e.made:
		return fmt.Sprintf("%s, which a server that the API made may not use: list it in admin { allow_private = [%q] } if that is right", where, e.addr)
	case e.kind.private:
		return where + ", and metadata named it: add it to allow_private if that is right"
	}
	return where + ", which is never connected to"
}
