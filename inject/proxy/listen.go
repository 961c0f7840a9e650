package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bearerd/secrets/disk"
)

func isUnix(address string) bool { return strings.HasPrefix(address, "unix:") }

// Listen binds a configured address. A loopback one is bound for IPv4 and IPv6 or not at all: a program that asks for
// localhost tries both, and whoever held the other one would be shown the local key.
func Listen(address string) ([]net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err := ListenUnix(path)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts := []string{host}
	if ip := net.ParseIP(host); host == "localhost" || host == "127.0.0.1" || ip.Equal(net.IPv6loopback) {
		hosts = []string{"127.0.0.1", "::1"}
	}
	return listenAll(hosts, port)
}

func listenAll(hosts []string, port string) (sockets []net.Listener, err error) {
	for try := 0; ; try++ {
		sockets, err = listenEach(hosts, port)
		if port == "0" && InUse(err) && try < 10 {
			continue // the port that was free on the first host is taken on the second
		}
		return sockets, err
	}
}

func listenEach(hosts []string, port string) (sockets []net.Listener, err error) {
	for i, host := range hosts {
		address := net.JoinHostPort(host, port)
		l, err := (&net.ListenConfig{Control: exclusive}).Listen(context.Background(), "tcp", address)
		if i > 0 && absent(err) {
			continue // this machine has no IPv6
		}
		if err != nil {
			for _, s := range sockets {
				_ = s.Close()
			}
			return nil, fmt.Errorf("cannot listen on %s: %w%s", address, cause(err), heldBy(port, err))
		}
		sockets = append(sockets, l)
		_, port, _ = net.SplitHostPort(l.Addr().String())
	}
	return sockets, nil
}

// cause is the reason without the address, which the message has already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func heldBy(port string, err error) string {
	if !InUse(err) {
		return ""
	}
	if name, pid := Holder(port); name != "" {
		return fmt.Sprintf(": the port is held by %s (pid %d); stop it or choose another port", name, pid)
	}
	return ": another program holds the port; stop it or choose another port"
}

// ListenUnix binds a socket that only its owner may use. A socket that nobody listens on any more is removed.
func ListenUnix(path string) (net.Listener, error) {
	if err := makeWay(path); err != nil {
		return nil, fmt.Errorf("cannot listen on unix socket %s: %w", path, err)
	}
	l, err := (&net.ListenConfig{Control: private}).Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on unix socket %s: %w", path, cause(err))
	}
	if disk.Modes {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func makeWay(path string) error {
	if len(path) > 100 {
		return errors.New("its path must be shorter than 100 bytes")
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, os.ErrNotExist) {
		return errors.New("the folder does not exist: create it")
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return errors.New("a file that is no socket is there: remove it or choose another path")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = c.Close()
		return errors.New("another program answers there: stop it or choose another path")
	case !Refused(err): // a socket of another kind, a busy one, or not ours to use
		return fmt.Errorf("a socket is there that may be in use (%w): remove it or choose another path", cause(err))
	}
	return os.Remove(path)
}
