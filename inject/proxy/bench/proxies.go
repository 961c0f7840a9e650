//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// proxies are those that are compared; targets are these and the upstreams themselves.
var (
	proxies = []string{"bearerd", "bearerd, fast_path = false", "nginx", plain}
	targets = append([]string{"direct"}, proxies...)
)

// plain is ReverseProxy as its documentation shows it. It breaks some answers: where upstream answers before the transport has looked
// for the end of the request's body, the server closes that body and the transport the connection. So its failures are counted
// and shown, while those of all others end the run.
const plain = "ReverseProxy"

// fixedToken is what all but bearerd show upstream.
const fixedToken = "Bearer 0123456789012345678901234567890123456789"

// target is a way to the upstreams.
type target struct {
	name    string
	process *process // of the proxy; nil: there is none
	routes  map[string]route
}

// launch starts a proxy and waits until it gives the answers that upstream gives. What it adds to s.upstreams is served too.
func (s *stack) launch(ctx context.Context, set settings, name string) (*target, error) {
	t := &target{name: name, routes: map[string]route{}}
	var err error
	switch name {
	case "direct":
		for kind, to := range s.upstreams {
			t.routes[kind] = route{to, fixedToken}
		}
	case "nginx":
		err = s.launchNginx(t)
	case plain:
		err = s.launchPlain(t)
	default:
		err = s.launchBearerd(ctx, t, set.bearerd, name == "bearerd")
	}
	if err != nil {
		return nil, err
	}
	return t, s.compare(ctx, t)
}

// compare looks whether each answer is that of upstream.
func (s *stack) compare(ctx context.Context, t *target) error {
	for _, kind := range kinds {
		var want []byte
		err := await(ctx, func() (err error) {
			want, err = route{s.upstreams[kind], fixedToken}.fetch(ctx)
			return err
		})
		if err != nil {
			return err
		}
		var got []byte
		err = await(ctx, func() (err error) {
			got, err = t.routes[kind].fetch(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s: the %s answer has %d bytes and is another than that of upstream with %d", t.name, kind, len(got), len(want))
		}
	}
	return nil
}

// at routes each kind to the same path of a proxy.
func (t *target) at(address string, upstreams map[string]string) {
	for kind := range upstreams {
		t.routes[kind] = route{"http://" + address + "/" + kind, fixedToken}
	}
}

// launchNginx: answers stay in memory, and streams are passed on as they come.
func (s *stack) launchNginx(t *target) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	t.at(address, s.upstreams)
	var blocks, locations strings.Builder
	for kind, to := range s.upstreams {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		fmt.Fprintf(&blocks, "upstream up_%s { server %s; keepalive 512; keepalive_requests 1000000000; }\n", kind, u.Host)
		extra := "proxy_buffers 20 4k;"
		if kind == "sse" {
			extra = "proxy_buffering off;"
		}
		fmt.Fprintf(&locations, `location = /%[1]s { proxy_pass http://up_%[1]s%[2]s; proxy_http_version 1.1; proxy_set_header Connection '';
			proxy_set_header Authorization '%[3]s'; proxy_read_timeout 1h; %[4]s }
		`, kind, u.Path, fixedToken, extra)
	}
	t.process, err = s.startNginx("nginx", blocks.String()+"server { listen "+address+"; "+locations.String()+"}")
	return err
}

func (s *stack) launchPlain(t *target) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	t.at(address, s.upstreams)
	order, err := json.Marshal(map[string]any{"listen": address, "upstreams": s.upstreams})
	if err != nil {
		return err
	}
	t.process, err = s.again("plain", string(order))
	return err
}

// servePlain is the ReverseProxy, over http.DefaultTransport.
func servePlain(order string) error {
	var o struct {
		Listen    string
		Upstreams map[string]string
	}
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	go endWithStdin()
	mux := http.NewServeMux()
	for kind, to := range o.Upstreams {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		mux.Handle("/"+kind, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.Path = u.Scheme, u.Host, u.Path
			r.Out.Header.Set("Authorization", fixedToken)
		}})
	}
	return http.ListenAndServe(o.Listen, mux)
}

func (s *stack) launchBearerd(ctx context.Context, t *target, program string, fast bool) error {
	dir, err := s.folder("bearerd")
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	t.at(address, s.upstreams)
	file := filepath.Join(dir, "bearerd.hcl")
	if err := os.WriteFile(file, []byte(s.configuration(dir, address, fast)), 0o600); err != nil {
		return err
	}
	if t.process, err = s.start("bearerd", exec.Command(program, "-c", file, "run")); err != nil {
		return err
	}
	for kind, r := range t.routes {
		err := await(ctx, func() (err error) {
			r.authorization, err = localKey(ctx, program, file, kind)
			return err
		})
		if err != nil {
			return err
		}
		t.routes[kind] = r
	}
	return nil
}

// configuration is that of bearerd: a server for each upstream.
func (s *stack) configuration(dir, address string, fast bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "log { level = \"error\" }\nstore \"file\" { path = %q }\nproxy {\n  listen = %q\n  fast_path = %t\n}\n",
		filepath.Join(dir, "state"), address, fast)
	for kind, to := range s.upstreams {
		fmt.Fprintf(&text, `server %q {
  url = %q
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.0"
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_CLIENT_ID     = "bench"
    OAUTH_CLIENT_SECRET = "bench"
    OAUTH_TOKEN_URL     = %q
  }
}
`, kind, to, s.as.TokenURL())
	}
	return text.String()
}

// localKey is the Authorization that a client shows bearerd, as client-config tells it.
func localKey(ctx context.Context, program, file, server string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "-c", file, "client-config", server).Output()
	if err != nil {
		return "", fmt.Errorf("bearerd client-config %s: %w", server, err)
	}
	var snippet struct {
		MCPServers map[string]struct{ Headers map[string]string }
	}
	if err := json.Unmarshal(out, &snippet); err != nil {
		return "", fmt.Errorf("bearerd client-config %s: %w", server, err)
	}
	key := snippet.MCPServers[server].Headers["Authorization"]
	if key == "" {
		return "", fmt.Errorf("bearerd client-config %s told no key", server)
	}
	return key, nil
}

// pids are the processes of the proxy: nginx has one that works and one that watches it.
func (t *target) pids() []int {
	if t.process == nil {
		return nil
	}
	pid := t.process.cmd.Process.Pid
	return slices.Insert(children(pid), 0, pid)
}
