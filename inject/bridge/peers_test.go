package bridge

//lint:file-ignore SA1019 the wires before 2026-07-28 have sampling

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	legacyWire = "2025-11-25"
	modernWire = "2026-07-28"
)

// peer starts a script of testdata/peers and gives it its order.
func peer(t testing.TB, script string, order any) *bufio.Scanner {
	t.Helper()
	dir := must(filepath.Abs("../../testdata/peers"))(t)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		t.Fatal("the npm packages of testdata/peers are not installed: run `make peers`")
	}
	cmd := exec.Command("node", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "NODE_NO_WARNINGS=1")
	cmd.SysProcAttr = ownGroup()
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		kill := time.AfterFunc(5*time.Second, func() { killGroup(cmd.Process) })
		defer kill.Stop()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	orders, _ := order.([]any)
	if orders == nil {
		orders = []any{order}
	}
	for _, o := range orders {
		_, _ = in.Write(append(must(json.Marshal(o))(t), '\n'))
	}
	if len(orders) > 1 {
		_ = in.Close()
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return lines
}

func serverURL(t testing.TB, script string, order any) string {
	t.Helper()
	lines := peer(t, script, order)
	var ready struct{ URL string }
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &ready) != nil {
		t.Fatalf("%s did not start", script)
	}
	return ready.URL
}

func everything(t testing.TB, transport string) string {
	return serverURL(t, "everything.mjs", map[string]string{"transport": transport})
}

// connect connects a go-sdk client through a bridge of its own.
func connect(t testing.TB, url, wire string, opts *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	b := must(New("peer", url, transport, slog.New(slog.NewTextHandler(io.Discard, nil))))(t)
	in, clientOut := io.Pipe()
	clientIn, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Run(context.Background(), in, out)
		_ = out.Close()
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, opts)
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	s, err := client.Connect(ctx, &mcp.IOTransport{Reader: clientIn, Writer: clientOut}, &mcp.ClientSessionOptions{ProtocolVersion: wire})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = clientOut.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return s
}

func callTool(t testing.TB, s *mcp.ClientSession, params *mcp.CallToolParams) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	r, err := s.CallTool(ctx, params)
	if err != nil {
		t.Fatalf("%s: %v", params.Name, err)
	}
	var text []string
	for _, c := range r.Content {
		if c, ok := c.(*mcp.TextContent); ok {
			text = append(text, c.Text)
		}
	}
	return strings.Join(text, "\n")
}

func TestEverything(t *testing.T) {
	for _, transport := range []string{"streamableHttp", "sse"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var progress, sampled, elicited, updated atomic.Int32
			update := make(chan struct{}, 100)
			s := connect(t, everything(t, transport), legacyWire, &mcp.ClientOptions{
				CreateMessageHandler: func(context.Context, *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
					sampled.Add(1)
					return &mcp.CreateMessageResult{Model: "m", Role: "assistant", Content: &mcp.TextContent{Text: "sampled-text"}}, nil
				},
				ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
					elicited.Add(1)
					return &mcp.ElicitResult{Action: "decline"}, nil
				},
				ProgressNotificationHandler: func(context.Context, *mcp.ProgressNotificationClientRequest) { progress.Add(1) },
				ResourceUpdatedHandler: func(context.Context, *mcp.ResourceUpdatedNotificationRequest) {
					updated.Add(1)
					update <- struct{}{}
				},
			})
			if got := callTool(t, s, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "h\u2028i\n"}}); !strings.Contains(got, "h\u2028i\n") {
				t.Errorf("echo: %q", got)
			}
			long := &mcp.CallToolParams{Name: "trigger-long-running-operation", Arguments: map[string]any{"duration": 0.2, "steps": 4}}
			long.SetProgressToken("p")
			callTool(t, s, long)
			callTool(t, s, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "x"}})
			if n := progress.Load(); n != 4 {
				t.Errorf("%d progress notifications", n)
			}
			if got := callTool(t, s, &mcp.CallToolParams{Name: "trigger-sampling-request", Arguments: map[string]any{"prompt": "x"}}); !strings.Contains(got, "sampled-text") {
				t.Errorf("sampling: %q", got)
			}
			callTool(t, s, &mcp.CallToolParams{Name: "trigger-elicitation-request"})
			if sampled.Load() != 1 || elicited.Load() != 1 {
				t.Errorf("%d, %d", sampled.Load(), elicited.Load())
			}
			uri := "demo://resource/dynamic/text/1"
			if err := s.Subscribe(t.Context(), &mcp.SubscribeParams{URI: uri}); err != nil {
				t.Error(err)
			}
			callTool(t, s, &mcp.CallToolParams{Name: "toggle-subscriber-updates"})
			select {
			case <-update:
			case <-time.After(patient):
				t.Error("no update came")
			}
		})
	}
}

// TestPeerClient is @modelcontextprotocol/client, which starts the bridge as its server.
func TestPeerClient(t *testing.T) {
	for name, test := range map[string]struct {
		url  func() string
		wire string
	}{
		"streamable": {func() string { return everything(t, "streamableHttp") }, legacyWire},
		"sse":        {func() string { return everything(t, "sse") }, legacyWire},
		"modern":     {func() string { return serverURL(t, "modern.mjs", map[string]string{}) }, modernWire},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"BRIDGE_TEST_URL": test.url(), "PATH": os.Getenv("PATH")}
			call := map[string]any{"name": "echo", "arguments": map[string]string{"message": "grüße"}}
			target := map[string]any{"command": os.Args[0], "args": []string{}, "env": env, "wire": test.wire}
			lines := peer(t, "client.mjs", []any{target, call})
			var hello struct {
				Wire, Failed string
				Tools        []string
			}
			var result struct{ Text, Failed string }
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &hello) != nil || hello.Wire != test.wire || !slices.Contains(hello.Tools, "echo") {
				t.Fatalf("%s", lines.Bytes())
			}
			if !lines.Scan() || json.Unmarshal(lines.Bytes(), &result) != nil || !strings.Contains(result.Text, "grüße") {
				t.Fatalf("%s", lines.Bytes())
			}
		})
	}
}

// TestModernPeer reads the lines themselves: the client above misses progress that comes together with the result.
func TestModernPeer(t *testing.T) {
	f := start(t, serverURL(t, "modern.mjs", map[string]string{}))
	meta := strings.TrimSuffix(meta, "}") + `,"progressToken":1,"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{}}`
	f.send(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"count","arguments":{"n":3},` + meta + `}}`)
	for range 3 {
		if line := f.line(); !strings.Contains(line, `"notifications/progress"`) {
			t.Errorf("%s", line)
		}
	}
	if line := f.line(); !strings.Contains(line, "counted 3") {
		t.Errorf("%s", line)
	}
	f.send(initialize) // it speaks no older wire
	f.wantError("0")
}

// goServer is a server of go-sdk, which speaks both wires.
func goServer(t testing.TB, opts *mcp.StreamableHTTPOptions) string {
	server := mcp.NewServer(&mcp.Implementation{Name: "go", Version: "1"}, nil)
	type in struct {
		Message string `json:"message"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "echo"}, func(ctx context.Context, r *mcp.CallToolRequest, in in) (*mcp.CallToolResult, any, error) {
		if token := r.Params.GetProgressToken(); token != nil {
			_ = r.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: 1})
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Message}}}, nil, nil
	})
	s := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, opts))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

func TestGoServer(t *testing.T) {
	for name, opts := range map[string]*mcp.StreamableHTTPOptions{
		"stream": {EventStore: mcp.NewMemoryEventStore(nil)}, "json": {JSONResponse: true}, "stateless": {Stateless: true},
	} {
		for _, wire := range []string{legacyWire, modernWire} {
			t.Run(name+" "+wire, func(t *testing.T) {
				var listed atomic.Int32
				s := connect(t, goServer(t, opts), wire, &mcp.ClientOptions{
					ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { listed.Add(1) },
				})
				for _, message := range []string{"a", strings.Repeat("x", 1<<20)} {
					if got := callTool(t, s, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": message}}); got != message {
						t.Errorf("%d bytes came", len(got))
					}
				}
				if got := s.InitializeResult().ProtocolVersion; name != "json" && name != "stream" && got != wire {
					t.Errorf("the wire is %s", got)
				}
			})
		}
	}
}

// BenchmarkCall is a small call through the bridge; BenchmarkCallDirect is the same without it.
func BenchmarkCall(b *testing.B) {
	_, url := newFake(b)
	f := start(b, url)
	f.initialize()
	b.ResetTimer()
	for range b.N {
		f.send(call7("tools/call"))
		f.want(result("7"))
	}
}

func BenchmarkCallDirect(b *testing.B) {
	_, url := newFake(b)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range b.N {
		r := must(http.NewRequest(http.MethodPost, url, strings.NewReader(call7("tools/call"))))(b)
		resp := must(transport.RoundTrip(r))(b)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
