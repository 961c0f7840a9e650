package login

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"bearerd/inject/proxy"
)

// tries is how many ports are tried for a movable redirect.
const tries = 20

// listen binds the redirect's port before anything else happens: an answer must not arrive at another program. It gives the redirect
// with the port that was had. Loopback is bound for IPv4 and IPv6 alike, as a browser takes either for localhost.
func listen(f *Flow) ([]net.Listener, *url.URL, error) {
	redirect, port, err := parseRedirect(f.Redirect)
	if err != nil {
		return nil, nil, fmt.Errorf("server %q: %w", f.Server, err)
	}
	var first error
	tries := tries
	if !f.Movable {
		tries = 1
	}
	for next := port; next <= min(port+tries-1, 65535); next++ {
		sockets, err := proxy.Listen(net.JoinHostPort(redirect.Hostname(), strconv.Itoa(next)))
		if err == nil {
			_, had, _ := net.SplitHostPort(sockets[0].Addr().String())
			redirect.Host = net.JoinHostPort(redirect.Hostname(), had)
			return sockets, redirect, nil
		}
		if first == nil {
			first = err
			if underWay := f.underWay(port, err); underWay != nil {
				return nil, nil, underWay
			}
		}
		if !proxy.InUse(err) && !proxy.Barred(err) {
			break
		}
	}
	if f.Movable {
		return nil, nil, fmt.Errorf("server %q: none of the ports %d to %d can be had for the answer of the sign-in: %w", f.Server, port,
			min(port+tries-1, 65535), first)
	}
	return nil, nil, f.fixed(first)
}

// underWay is the error for a port at which another process waits for this very sign-in; nil: it is held by something else.
func (f *Flow) underWay(port int, err error) error {
	if !f.Pending || !proxy.InUse(err) {
		return nil
	}
	name, pid := proxy.Holder(strconv.Itoa(port))
	who := fmt.Sprintf(" (%s, pid %d)", name, pid)
	switch {
	case name == "":
		who = ""
	case !isBearerd(name) || !isFor(pid, f.Server):
		return nil
	}
	return fmt.Errorf("a sign-in for %s is under way already%s: finish it in the browser, or stop it and run this again", f.Server, who)
}

// fixed is the error for a port that was agreed with the provider and cannot be had.
func (f *Flow) fixed(err error) error {
	remedy := ""
	if redirect, _ := url.Parse(f.Redirect); proxy.InUse(err) {
		remedy = ", for OAUTH_REDIRECT_URI and at the provider"
		if name, _ := proxy.Holder(redirect.Port()); isBearerd(name) {
			remedy += "; if that is another sign-in, finish it and run this again"
		}
	}
	return fmt.Errorf("server %q: the answer of the sign-in is to arrive at %s: %w%s", f.Server, f.Redirect, err, remedy)
}

// isFor reports whether a process names a server in its arguments, as far as these can be told.
func isFor(pid int, server string) bool {
	arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err != nil || slices.Contains(strings.Split(string(arguments), "\x00"), server)
}

// isBearerd reports whether a process is one of ours by its name.
func isBearerd(name string) bool { return strings.HasPrefix(name, "bearerd") }

// parseRedirect wants what can be listened on: plain http on loopback, with a port (RFC 8252 §7.3).
func parseRedirect(redirect string) (*url.URL, int, error) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || !proxy.LoopbackHost(u.Host) || u.Port() == "" {
		return nil, 0, errors.New("its OAUTH_REDIRECT_URI is no address of this machine that can be listened on: " +
			"for `bearerd login` it must be http://127.0.0.1:PORT/PATH or http://localhost:PORT/PATH")
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port > 65535 {
		return nil, 0, errors.New("the port in its OAUTH_REDIRECT_URI is none")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, port, nil
}
