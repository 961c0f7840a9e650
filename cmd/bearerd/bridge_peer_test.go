package main_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// goPeer is an MCP server of the go-sdk over Streamable HTTP, on one wire: the stateless one, or with sessions.
type goPeer struct {
	URL       string
	waiting   atomic.Int64 // calls of the tool wait that came
	cancelled atomic.Int64 // calls of it that the server was told to give up
	end       chan struct{}
}

const clockResource = "peer://clock"

// startGoPeer starts one. Tools: echo {message}; count {n, pause}, n progress notifications, each after pause ms; wait, which
// lasts until it is given up. Its resource says every 100 ms that it has changed.
func startGoPeer(t testing.TB, stateless bool) *goPeer {
	p := &goPeer{end: make(chan struct{})}
	server := p.server()
	ctx, cancel := context.WithCancel(context.Background())
	ticking := make(chan struct{})
	go func() {
		defer close(ticking)
		for tick := time.NewTicker(100 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			_ = server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: clockResource})
		}
	}()
	s := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: stateless}))
	t.Cleanup(func() {
		cancel()
		<-ticking
		close(p.end)
		s.CloseClientConnections()
		s.Close()
	})
	p.URL = s.URL + "/mcp"
	return p
}

func (p *goPeer) server() *mcp.Server {
	accept := func(context.Context, *mcp.SubscribeRequest) error { return nil }
	server := mcp.NewServer(&mcp.Implementation{Name: "go-server", Version: "1"}, &mcp.ServerOptions{
		SubscribeHandler:   accept,
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	type message struct {
		Message string `json:"message"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(_ context.Context, _ *mcp.CallToolRequest, in message) (*mcp.CallToolResult, any, error) {
		return textResult(in.Message), nil, nil
	})
	type steps struct {
		N     int `json:"n"`
		Pause int `json:"pause"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "count"}, func(ctx context.Context, r *mcp.CallToolRequest, in steps) (*mcp.CallToolResult, any, error) {
		for i := range in.N {
			time.Sleep(time.Duration(in.Pause) * time.Millisecond)
			params := &mcp.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1), Total: float64(in.N)}
			if err := r.Session.NotifyProgress(ctx, params); err != nil {
				return nil, nil, err
			}
		}
		return textResult("counted " + strconv.Itoa(in.N)), nil, nil
	})
	mcp.AddTool(server, &mcp.Tool{Name: "wait"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		p.waiting.Add(1)
		select {
		case <-ctx.Done():
			p.cancelled.Add(1)
		case <-p.end: // go-sdk does not cancel a stateless call whose answer nobody waits for
		}
		return nil, nil, errors.New("given up")
	})
	read := func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: clockResource, Text: time.Now().String()}}}, nil
	}
	server.AddResource(&mcp.Resource{URI: clockResource, Name: "clock"}, read)
	return server
}

func textResult(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
