//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kinds are the answers that are measured. The request is always the same POST of 108 bytes.
var kinds = []string{"small", "large", "sse"}

// answers say what upstream answers, for people.
var answers = map[string]string{
	"small": "176 bytes of JSON", "large": "64 KiB of JSON", "sse": "a stream of 20 events of 128 bytes, each written by itself",
}

const (
	events    = 20
	eventSize = 128
	smallSize = 176
	largeSize = 64 << 10
)

// startUpstreams starts nginx for small and large answers, with one worker, and a Go program for streams.
func (s *stack) startUpstreams() error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	large := largeSize / 2048 // nginx takes no parameter over 4 KiB
	conf := fmt.Sprintf(`server {
		listen %s;
		location = /small { return 200 '%s'; }
		location = /large { set $part '%s'; return 200 '%s'; }
	}`, address, rpcAnswer(smallSize), rpcAnswer(2048), strings.Repeat("$part", large))
	if _, err := s.startNginx("upstream", conf); err != nil {
		return err
	}
	s.upstreams["small"], s.upstreams["large"] = "http://"+address+"/small", "http://"+address+"/large"
	if address, err = freeAddress(); err != nil {
		return err
	}
	s.upstreams["sse"] = "http://" + address + "/sse"
	_, err = s.again("upstream", address)
	return err
}

// rpcAnswer is a JSON-RPC answer of a size.
func rpcAnswer(size int) string {
	const head, tail = `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`, `"}]}}`
	return head + strings.Repeat("0", size-len(head)-len(tail)) + tail
}

// startNginx starts one with one worker; conf is what stands in its http block.
func (s *stack) startNginx(name, conf string) (*process, error) {
	dir, err := s.folder(name)
	if err != nil {
		return nil, err
	}
	file, log := filepath.Join(dir, "conf"), filepath.Join(s.dir, name+".log")
	text := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[2]s;
events { worker_connections 4096; }
http {
	access_log off; keepalive_requests 1000000000; default_type application/json;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	%[3]s
}`, dir, log, conf)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return s.start(name, exec.Command("nginx", "-e", log, "-c", file))
}

// serveStreams is the upstream for streams: a POST is answered with events and an end, a GET with one event and silence.
// A request without a token, or with a local key of bearerd's in its place, is refused.
func serveStreams(address string) error {
	go endWithStdin()
	event := []byte("data: " + strings.Repeat("0", eventSize-len("data: \n\n")) + "\n\n")
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !found || strings.HasPrefix(token, "brd_") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		out, n := http.NewResponseController(w), events
		if r.Method == http.MethodGet {
			n = 1
		}
		for range n {
			if _, err := w.Write(event); err != nil || out.Flush() != nil {
				return
			}
		}
		if r.Method == http.MethodGet {
			<-r.Context().Done()
		}
	}))
}

// endWithStdin ends this process when the one that started it is gone.
func endWithStdin() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// route is where a kind of request goes, and what it shows there.
type route struct{ url, authorization string }

const callBody = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"0000000000"}}}`

// fetch makes the request that is measured, once.
func (r route) fetch(ctx context.Context) (body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(callBody))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	req.Header.Set("Authorization", r.authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", r.url, resp.Status)
	}
	return body, err
}
