package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// lookupTimeout is for a name that a proxy is to be asked for. Where no name can be resolved each request would wait for it.
const lookupTimeout = 5 * time.Second

// checkName refuses a name, of which checkHost knows nothing, unless all that it resolves to is in reach. What
// allow_private names is not looked at: it may be known to the proxy alone.
func (r Reach) checkName(ctx context.Context, host string) error {
	name := hostName(host)
	if _, err := netip.ParseAddr(host); err == nil || isPrivateHost(name) || slices.Contains(r.hosts, name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addresses, err := r.lookup(ctx, "ip", host)
	if err == nil && len(addresses) == 0 {
		err = errors.New("no address")
	}
	if err != nil { // as of a dial that has failed: asking again may help
		return &net.OpError{Op: "dial", Net: "tcp", Err: &unresolvedError{host}}
	}
	for _, a := range addresses {
		if err := r.permit(host, a); err != nil {
			return err
		}
	}
	return nil
}

// unresolvedError is a refusal to ask a proxy for what cannot be judged.
type unresolvedError struct{ host string }

func (e *unresolvedError) Error() string {
	return fmt.Sprintf("%s cannot be resolved here, so that a server that the API made may not ask the proxy of the environment for it: "+
		"list it in admin { allow_private = [%q] } if that is right", e.host, hostName(e.host))
}

// strange says why a host is not taken from outside: what one program reads as a name, and another one as an address. The
// end of it tells (WHATWG URL, "ends in a number"): no name of the Internet ends so, and inet_aton takes 127.1, 0x7f.1 and 017.
func strange(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "is no host name in ASCII: write it as xn--… does"
	}
	labels := strings.Split(hostName(host), ".")
	last := labels[len(labels)-1]
	digits, hex := strings.CutPrefix(last, "0x")
	set := "0123456789"
	if hex {
		set += "abcdef"
	}
	if strings.Trim(digits, set) == "" {
		return "may be read as an address or as a name: write an address in full, as 192.0.2.1"
	}
	return ""
}
