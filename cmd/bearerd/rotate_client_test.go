//lint:file-ignore SA1019 sessions of 2025-11-25 have roots and sampling, which the next wire has not

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// template is a call to be made many times; # in its arguments, which are JSON, stands for a number that no other has.
type template struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func calling(name, arguments string) template { return template{name, json.RawMessage(arguments)} }

// goClient is a session of the go-sdk.
type goClient struct {
	t       testing.TB
	session *mcp.ClientSession
	wire    *wiretap
	stderr  *buffer
	number  atomic.Int64

	mu      sync.Mutex     // guards what follows
	updated []time.Time    // when a resource was said to be
	changed map[string]int // list_changed by kind
}

// goClient connects to `bearerd exec NAME`, and answers what the server asks.
func (h *home) goClient(name string, version string) *goClient {
	h.t.Helper()
	c := &goClient{t: h.t, stderr: &buffer{}, changed: map[string]int{}}
	cmd := h.command(context.Background(), "exec", name)
	cmd.Stderr = tee{&h.said, c.stderr}
	c.wire = newWiretap(&mcp.CommandTransport{Command: cmd, TerminateDuration: 15 * time.Second})
	client := mcp.NewClient(&mcp.Implementation{Name: "go-peer", Version: "1"}, c.options())
	client.AddRoots(&mcp.Root{URI: "file:///peer", Name: "peer"})
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	defer cancel()
	var err error
	if c.session, err = client.Connect(ctx, c.wire, &mcp.ClientSessionOptions{ProtocolVersion: version}); err != nil {
		h.t.Fatalf("the client could not connect: %v\n%s", err, c.stderr)
	}
	h.t.Cleanup(func() { _ = c.session.Close() })
	return c
}

type tee []*buffer

func (t tee) Write(p []byte) (int, error) {
	for _, b := range t {
		_, _ = b.Write(p)
	}
	return len(p), nil
}

// thinking is how long an answer to the server takes, so that requests are often open when the server is exchanged.
const thinking = 150 * time.Millisecond

func (c *goClient) options() *mcp.ClientOptions {
	var people atomic.Int64
	return &mcp.ClientOptions{
		CreateMessageHandler: func(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			time.Sleep(thinking)
			text := ""
			if content, ok := r.Params.Messages[0].Content.(*mcp.TextContent); ok {
				text = "sampled: " + content.Text
			}
			return &mcp.CreateMessageResult{Model: "peer", Role: "assistant", Content: &mcp.TextContent{Text: text}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			name := fmt.Sprintf("person %d;", people.Add(1))
			time.Sleep(thinking)
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": name, "check": true}}, nil
		},
		ResourceUpdatedHandler: func(context.Context, *mcp.ResourceUpdatedNotificationRequest) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.updated = append(c.updated, time.Now())
		},
		ToolListChangedHandler:     func(context.Context, *mcp.ToolListChangedRequest) { c.change("tools") },
		PromptListChangedHandler:   func(context.Context, *mcp.PromptListChangedRequest) { c.change("prompts") },
		ResourceListChangedHandler: func(context.Context, *mcp.ResourceListChangedRequest) { c.change("resources") },
	}
}

func (c *goClient) change(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed[kind]++
}

func (c *goClient) updates() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.updated...)
}

func (c *goClient) changes(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed[kind]
}

// call makes one call. A failure is one of the protocol; the tool's own is Error.
func (c *goClient) call(what template) called {
	n := c.number.Add(1)
	text := strings.ReplaceAll(string(what.Arguments), `"#"`, fmt.Sprint(n))
	text = strings.ReplaceAll(text, "#", fmt.Sprint(n))
	done := called{Name: what.Name, Arguments: json.RawMessage(text), From: time.Now().UnixMilli()}
	params := &mcp.CallToolParams{Name: what.Name, Arguments: done.Arguments}
	params.SetProgressToken(fmt.Sprintf("progress-%d", n))
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	defer cancel()
	result, err := c.session.CallTool(ctx, params)
	done.To = time.Now().UnixMilli()
	if err != nil {
		done.Failed = err.Error()
		if answer, ok := errors.AsType[*jsonrpc.Error](err); ok {
			done.Failed = fmt.Sprintf("%d %s", answer.Code, answer.Message)
		}
		return done
	}
	done.Error = result.IsError
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok {
			done.Text += text.Text
		}
	}
	done.Progress = c.wire.progress(fmt.Sprintf("progress-%d", n))
	return done
}

// text calls a tool that must succeed.
func (c *goClient) text(what template) string {
	c.t.Helper()
	done := c.call(what)
	if done.Failed != "" || done.Error {
		c.t.Fatalf("calling %s: %s %s", what.Name, done.Failed, done.Text)
	}
	return done.Text
}

// loop makes the calls in turn, from several callers, until halt.
func (c *goClient) loop(calls []template, callers int, pause time.Duration, note func(called)) (halt func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for first := range callers {
		wg.Go(func() {
			for i := first; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(pause):
				}
				note(c.call(calls[i%len(calls)]))
			}
		})
	}
	halt = sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	c.t.Cleanup(halt)
	return halt
}

// close ends the session in order; nothing may have gone wrong on the wire. An exit code other than 0 must be among codes.
func (c *goClient) close(codes ...int) {
	c.t.Helper()
	err := c.session.Close()
	var exit *exec.ExitError
	if errors.As(err, &exit) && slices.Contains(codes, exit.ExitCode()) {
		err = nil
	}
	if err != nil {
		c.t.Errorf("closing the session: %v\n%s", err, c.stderr)
	}
	for _, fault := range c.wire.verdict() {
		c.t.Error("on the wire: " + fault)
	}
}

func (c *goClient) subscribe(uri string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	defer cancel()
	if err := c.session.Subscribe(ctx, &mcp.SubscribeParams{URI: uri}); err != nil {
		c.t.Fatalf("subscribing to %s: %v", uri, err)
	}
}

// tools are the names that the server lists now.
func (c *goClient) tools() (names []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	defer cancel()
	for tool, err := range c.session.Tools(ctx, nil) {
		if err != nil {
			c.t.Fatalf("listing the tools: %v", err)
		}
		names = append(names, tool.Name)
	}
	return names
}
