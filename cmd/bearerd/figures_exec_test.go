package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// With BEARERD_FIGURES these tests measure what `bearerd exec` costs a client: beside the server alone, and beside
// mcp-remote. What is compared is measured in turns, and the medians of several rounds are given.

func needFigures(t *testing.T) {
	t.Helper()
	if os.Getenv("BEARERD_FIGURES") == "" {
		t.Skip("set BEARERD_FIGURES=1 to measure")
	}
	if raceEnabled {
		t.Skip("figures of a build with the race detector say nothing")
	}
}

// figuresPeer says which small server this binary is, when it is started again: "stdio" or "http".
const figuresPeer = "BEARERD_FIGURES_PEER"

func init() {
	switch os.Getenv(figuresPeer) {
	case "stdio":
		answerLines(os.Stdin, os.Stdout)
		os.Exit(0)
	case "http":
		answerHTTP()
	}
}

// answerLines is an MCP server that does next to nothing.
func answerLines(in io.Reader, out io.Writer) {
	reader := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		if answer := answerOne(line); answer != nil {
			_, _ = out.Write(append(answer, '\n'))
		}
	}
}

// answerOne answers a request: echo {message}, big {size}. It is nil for what is none.
func answerOne(message []byte) []byte {
	var request struct {
		ID     json.RawMessage
		Method string
		Params struct {
			Name      string
			Arguments struct {
				Message string
				Size    int
			}
		}
	}
	if json.Unmarshal(message, &request) != nil || request.ID == nil {
		return nil
	}
	result := "{}"
	switch request.Method {
	case "initialize":
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"figures","version":"1"}}`
	case "tools/list":
		result = `{"tools":[]}`
	case "tools/call":
		text := strconv.Quote(request.Params.Arguments.Message)
		if request.Params.Name == "big" {
			text = `"` + strings.Repeat("x", request.Params.Arguments.Size) + `"`
		}
		result = `{"content":[{"type":"text","text":` + text + `}]}`
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":%s}`, request.ID, result)
}

// answerHTTP is the same over Streamable HTTP, without streams. It ends with its stdin, and says its address.
func answerHTTP() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("http://%s/mcp\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body, _ := io.ReadAll(r.Body)
		answer := answerOne(body)
		w.Header().Set("Mcp-Session-Id", "figures")
		if answer == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	os.Exit(1)
}

// startFigures starts this binary as the HTTP server.
func startFigures(t *testing.T) (url string) {
	t.Helper()
	c := startPipe(t, exec.Command(os.Args[0]), figuresPeer+"=http")
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// pipe is an MCP client that does next to nothing, and its server over stdio.
type pipe struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	ended func()
	id    int
}

// startPipe starts a command, which ends with the test at the latest.
func startPipe(t *testing.T, cmd *exec.Cmd, env ...string) *pipe {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &pipe{t: t, cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10)}
	p.ended = sync.OnceFunc(func() {
		_ = in.Close()
		kill := time.AfterFunc(10*time.Second, func() { killGroup(cmd.Process.Pid) })
		defer kill.Stop()
		_, _ = io.Copy(io.Discard, p.out)
		_ = cmd.Wait() // how it ends says nothing here
	})
	t.Cleanup(p.ended)
	return p
}

// ask makes a request and gives the time until its answer was read whole.
func (p *pipe) ask(method, params string) time.Duration {
	p.t.Helper()
	p.id++
	mark := fmt.Appendf(nil, `"id":%d`, p.id)
	line := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", p.id, method, params)
	start := time.Now()
	if _, err := p.in.Write(line); err != nil {
		p.t.Fatal(err)
	}
	for {
		part, err := p.out.ReadSlice('\n')
		head := bytes.Clone(part[:min(len(part), 256)]) // the id is here or at the end
		for err == bufio.ErrBufferFull {
			part, err = p.out.ReadSlice('\n')
		}
		if err != nil {
			p.t.Fatalf("%s: %v", method, err)
		}
		if bytes.Contains(head, mark) || bytes.Contains(part, mark) {
			took := time.Since(start)
			if bytes.Contains(head, []byte(`"error":{`)) {
				p.t.Fatalf("%s gave %s", method, head)
			}
			return took
		}
	}
}

func (p *pipe) begin() {
	p.t.Helper()
	p.ask("initialize", initializeParams)
	_, _ = io.WriteString(p.in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")
	p.ask("tools/list", "{}")
}

const (
	smallCall = `{"name":"echo","arguments":{"message":"hello"}}`
	bigCall   = `{"name":"big","arguments":{"size":1048576}}`
)

// bigEcho makes a server without the tool big answer as much. Over HTTP server-everything takes 100 kB at most.
func bigEcho(size int) string {
	return `{"name":"echo","arguments":{"message":"` + strings.Repeat("x", size) + `"}}`
}

// memory is what a process holds now, and at most so far, in MB.
func memory(t testing.TB, pid int) (resident, peak float64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("only Linux tells what a process holds: %v", err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) == 2 {
			values[name], _ = strconv.ParseFloat(fields[0], 64) // kB
		}
	}
	return values["VmRSS"] / 1024, values["VmHWM"] / 1024
}

// rivals are ways to the same server whose calls are measured in turns.
type rivals struct {
	names []string
	asks  []func() time.Duration
}

func (r *rivals) add(name string, ask func() time.Duration) {
	r.names, r.asks = append(r.names, name), append(r.asks, ask)
}

// compare gives the median time of each, and of how much more than the first one it took in the same round.
func (r *rivals) compare(rounds, calls int) (p50, added []time.Duration) {
	medians, more := make([][]time.Duration, len(r.asks)), make([][]time.Duration, len(r.asks))
	for round := range rounds {
		for i, ask := range r.asks {
			took := make([]time.Duration, calls)
			for n := range took {
				took[n] = ask()
			}
			medians[i] = append(medians[i], median(took))
			more[i] = append(more[i], medians[i][round]-medians[0][round])
		}
	}
	// median sorts, so that it comes last
	for i := range r.asks {
		p50, added = append(p50, median(medians[i])), append(added, median(more[i]))
	}
	return p50, added
}

// log prints a row for each way.
func (r *rivals) log(t *testing.T, what string, rounds, calls int) {
	t.Helper()
	p50, added := r.compare(rounds, calls)
	for i, name := range r.names {
		t.Logf("%-38s %-10s p50 %9.3f ms   added %9.3f ms   x %5.2f", what, name, milliseconds(p50[i]), milliseconds(added[i]),
			float64(p50[i])/float64(p50[0]))
	}
}

// figuresHome has the server "s", with a token that lasts or ends, and tells nothing but what is wrong.
func figuresHome(t *testing.T, life time.Duration, level string, lines ...string) *home {
	t.Helper()
	h := newHome(t)
	as, grant := h.authServer()
	as.SetLifetime(life)
	h.configure(server("s", append(lines, grant)...))
	h.write("bearerd.hcl", strings.Replace(readConfiguration(t, h.path("bearerd.hcl")), `"debug"`, strconv.Quote(level), 1))
	h.token("s")
	return h
}

// pipe is `bearerd exec s`.
func (h *home) pipe(said io.Writer) *pipe {
	h.t.Helper()
	cmd := h.command(context.Background(), "exec", "s")
	cmd.Stderr = said
	return startPipe(h.t.(*testing.T), cmd)
}
