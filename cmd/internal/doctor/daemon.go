package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/app"
	"bearerd/inject/proxy"
)

// running is what a daemon says of itself.
type running struct {
	status admin.Status
	digest string // of its configuration
}

// of is what it says of one server's token; nil: nothing.
func (r *running) of(name string) *admin.Server {
	if r == nil {
		return nil
	}
	for i, s := range r.status.Servers {
		if s.Name == name {
			return &r.status.Servers[i]
		}
	}
	return nil
}

func (d *Doctor) daemon(ctx context.Context, ch *chart) {
	ch.take("daemon", func() finding {
		r, err := ask(ctx, app.Socket(d.config.Store.Path))
		if errors.Is(err, fs.ErrPermission) {
			return skipped(cmp.Or(d.owner, "see who may open it"), "this user may not ask at %s", app.Socket(d.config.Store.Path))
		}
		if err != nil {
			return bad("stop that program, or restart `bearerd run`", "%s answers, but not as bearerd does: %v", app.Socket(d.config.Store.Path), err)
		}
		if r == nil {
			return d.noDaemon()
		}
		d.running = r
		return d.compare(r)
	})
}

func (d *Doctor) compare(r *running) finding {
	st := r.status
	switch {
	case r.digest != d.config.Digest() && st.Reload != nil && st.Reload.Error != "":
		return bad("correct what it says, then run `bearerd reload`", "pid %d has another configuration in force, as it refused this one: %s",
			st.PID, firstLine(st.Reload.Error))
	case r.digest != d.config.Digest():
		return bad("run `bearerd reload`, which puts it in force or says why not", "pid %d has another configuration in force than %s", st.PID, d.Path)
	case st.Version != d.Version:
		return warned("restart `bearerd run`", "pid %d runs version %s, and this is %s", st.PID, st.Version, d.Version)
	}
	return good("pid %d runs version %s and this configuration", st.PID, st.Version)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// noDaemon looks whether one could begin.
func (d *Doctor) noDaemon() finding {
	needed := false
	addresses := []string{d.config.Admin.Listen, d.config.Admin.MetricsListen}
	for _, s := range d.config.Servers {
		switch {
		case s.URL == "":
		case s.Listen != "":
			needed, addresses = true, append(addresses, s.Listen)
		default:
			needed, addresses = true, append(addresses, d.config.Proxy.Listen)
		}
	}
	slices.Sort(addresses)
	for _, address := range slices.Compact(addresses) {
		err := free(address)
		if errors.Is(err, errOurs) {
			return bad("run `bearerd doctor -c` with the configuration of that one, or write another address here",
				"none runs on %s, and one of another state folder or user has its port: %v", d.config.Store.Path, err)
		}
		if err != nil {
			return bad("stop that program, or write another address in the configuration", "none runs, and it could not start: %v", err)
		}
	}
	if needed {
		return good("none runs: `bearerd exec NAME` needs none, a client with the url of a server does (`bearerd run`); its ports are free")
	}
	return good("none runs; `bearerd exec` needs none, and its ports are free")
}

// free reports who holds an address; nil: nobody.
func free(address string) error {
	if path, ok := strings.CutPrefix(address, "unix:"); ok { // to bind it would remove what is left there
		c, err := net.DialTimeout("unix", path, time.Second)
		if err != nil {
			return nil
		}
		_ = c.Close()
		return fmt.Errorf("another program answers at %s", path)
	}
	if address == "" {
		return nil
	}
	if told, err := dialled(address); told {
		return err
	}
	if err := bind(address); !proxy.InUse(err) {
		return err
	}
	time.Sleep(50 * time.Millisecond) // another doctor may just look too
	return bind(address)
}

func bind(address string) error {
	sockets, err := proxy.Listen(address)
	for _, l := range sockets {
		_ = l.Close()
	}
	return err
}

var errOurs = errors.New("another bearerd")

// isOurs reports whether a bearerd answers there, as far as it can be told: its admin listener says that it lives.
func isOurs(address string) bool {
	c := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + address + "/livez")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 100))
	return resp.StatusCode == http.StatusOK && string(b) == "alive\n"
}

// dialled is free for a loopback port that anybody may have: to bind it would take it from a daemon that begins at that
// moment. told is false where only binding tells.
func dialled(address string) (told bool, err error) {
	host, port, err := net.SplitHostPort(address)
	if n, _ := strconv.Atoi(port); err != nil || n < 1024 || host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return false, nil
	}
	told = true
	for _, host := range []string{"127.0.0.1", "::1"} {
		at := net.JoinHostPort(host, port)
		c, err := net.DialTimeout("tcp", at, 3*time.Second) // a first packet that is lost comes again after one
		if err == nil {
			_ = c.Close()
			name, pid := proxy.Holder(port)
			switch {
			case name == "bearerd":
				return true, fmt.Errorf("%w (pid %d) answers at %s", errOurs, pid, at)
			case name != "":
				return true, fmt.Errorf("%s (pid %d) answers at %s", name, pid, at)
			case isOurs(at):
				return true, fmt.Errorf("%w answers at %s", errOurs, at)
			}
			return true, fmt.Errorf("another program answers at %s", at)
		}
		if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
			told = false // it may be too busy to answer
		}
	}
	return told, nil
}

// ask asks the daemon at a socket for its status; nil without an error: none answers.
func ask(ctx context.Context, socket string) (*running, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrPermission) {
		return nil, err
	} else if err != nil {
		return nil, nil
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket)
	}
	c, err := dial(ctx, "", "")
	if errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if err != nil {
		return nil, nil // left by one that was killed
	}
	_ = c.Close()
	t := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bearerd/api/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := t.RoundTrip(r)
	if err != nil {
		return nil, errors.New("no answer")
	}
	defer resp.Body.Close()
	found := &running{digest: resp.Header.Get(admin.ConfigHeader)}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&found.status); err != nil || resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return found, nil
}
