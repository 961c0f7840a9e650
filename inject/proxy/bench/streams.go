//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// heldStreams is how many idle streams are held open.
const heldStreams = 256

// streamSample is the memory of a fresh proxy, in KiB.
type streamSample struct {
	Target   string
	Turn     int
	Rest     float64 // after one call of each kind
	Streams  float64 // with the streams open
	PerOne   float64 // growth for each of them
	AfterAll float64 // a second after they were closed
}

// measureStreams starts each proxy afresh, each turn, and holds streams open through it.
func (s *stack) measureStreams(ctx context.Context, set settings, r *report) error {
	for turn := range set.turns {
		for i := range proxies {
			t, err := s.launch(ctx, set, proxies[(turn+i)%len(proxies)])
			if err != nil {
				return err
			}
			found, err := t.holdStreams(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			found.Turn = turn
			r.Streams = append(r.Streams, found)
			t.process.stop()
		}
	}
	return nil
}

func (t *target) holdStreams(ctx context.Context) (found streamSample, err error) {
	found.Target = t.name
	if found.Rest, err = t.settled(ctx); err != nil {
		return found, err
	}
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	for range heldStreams {
		conn, err := t.routes["sse"].follow()
		if err != nil {
			return found, err
		}
		open = append(open, conn)
	}
	if found.Streams, err = t.settled(ctx); err != nil {
		return found, err
	}
	found.PerOne = (found.Streams - found.Rest) / heldStreams
	for _, conn := range open {
		_ = conn.Close()
	}
	found.AfterAll, err = t.settled(ctx)
	return found, err
}

// settled is the resident memory after half a second of quiet.
func (t *target) settled(ctx context.Context) (float64, error) {
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return 0, err
	}
	return resident(t.pids())
}

// follow opens a stream and reads its first event. The connection is without a client's own buffers.
func (r route) follow() (net.Conn, error) {
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if err = firstEvent(conn, u, r.authorization); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func firstEvent(conn net.Conn, u *url.URL, authorization string) error {
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: %s\r\n\r\n",
		u.Path, u.Host, authorization)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(conn)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for the first event: %w", err)
		}
		if first && !strings.Contains(line, " 200 ") {
			return fmt.Errorf("the stream was answered %q", line)
		}
		if strings.HasPrefix(line, "data:") {
			return nil
		}
	}
}
