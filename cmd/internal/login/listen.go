package login

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"syscall"

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
	for next := port; next <= min(port+tries-1, 65535); next++ {
		sockets, err := proxy.Listen(net.JoinHostPort(redirect.Hostname(), strconv.Itoa(next)))
		if err == nil {
			_, had, _ := net.SplitHostPort(sockets[0].Addr().String())
			redirect.Host = net.JoinHostPort(redirect.Hostname(), had)
			return sockets, redirect, nil
		}
		if first == nil {
			first = err
		}
		if !f.Movable || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			break
		}
	}
	if f.Movable {
		return nil, nil, fmt.Errorf("server %q: none of the ports %d to %d can be had for the answer of the sign-in: %w", f.Server, port,
			min(port+tries-1, 65535), first)
	}
	return nil, nil, fmt.Errorf("server %q: the answer of the sign-in is to arrive at port %d, as OAUTH_REDIRECT_URI says: %w", f.Server, port, first)
}

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
