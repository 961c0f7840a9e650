//go:build unix

package stdio

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/secrets"
)

// writes keeps what was written, each Write by itself.
type writes struct {
	mu   sync.Mutex
	list []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, string(p))
	return len(p), nil
}

// said starts a child, waits for it and returns what was written for it.
func said(t *testing.T, mode string) []string {
	t.Helper()
	s := server(program(t, "child"))
	s.Env = map[string]secrets.Ref{"KEY": {Kind: secrets.Env}, "PEM": {Kind: secrets.File}}
	l, err := ByEnv(s, token, vars(childVar, mode, "KEY", odd, "PEM", "first line\nsecond line"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var w writes
	if code := startSaying(t, s, l, -1, &w).Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	return w.list
}

func TestATokenThatTheChildPrintsIsMasked(t *testing.T) {
	lines := said(t, "leak")
	if len(lines) != 13 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "[search] <") && line != "[search] [masked]>\n" || !strings.HasSuffix(line, "\n") ||
			!strings.Contains(line, masked) || strings.Contains(line, "canary") {
			t.Errorf("%q", line)
		}
	}
}

func TestAnEndlessLine(t *testing.T) {
	lines := said(t, "endless")
	cut := 64<<20 + lineMax - 5 + len(canary) - lineMax
	want := "[search] " + strings.Repeat("x", lineMax-5) + fmt.Sprintf("[masked] … %d bytes were cut\n", cut)
	if len(lines) != 1 || lines[0] != want {
		t.Errorf("%d lines, the first ends in %q", len(lines), lines[0][max(0, len(lines[0])-60):])
	}
}

func TestAFloodTakesLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	lines := said(t, "flood")
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	passed, dropped := 0, 0
	for _, line := range lines {
		n := 0
		if _, err := fmt.Sscanf(line, "[search] … %d lines of its stderr were dropped: more than 200 a second", &n); err == nil {
			dropped += n
		} else {
			passed++
		}
	}
	if passed+dropped != floodLines || passed < linesMax || passed > linesMax*(2+int(took/time.Second)) {
		t.Errorf("%d lines were passed on, %d dropped, in %s", passed, dropped, took)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d lines took %d KiB of memory", floodLines, got>>10)
	}
}

func TestAtMost200LinesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w writes
		e := newStderr(nil, "search", &Launch{}, &w)
		for range 3 {
			for range 1000 {
				e.pass([]byte("x"), 0)
			}
			time.Sleep(400 * time.Millisecond)
		}
		if len(w.list) != linesMax {
			t.Errorf("%d lines in the first second", len(w.list))
		}
		e.pass([]byte("y"), 0)
		want := "[search] … 2800 lines of its stderr were dropped: more than 200 a second\n"
		if len(w.list) != linesMax+2 || w.list[linesMax] != want || w.list[linesMax+1] != "[search] y\n" {
			t.Errorf("then %q", w.list[linesMax:])
		}
		if !e.due().IsZero() {
			t.Error("nothing was dropped, but something is due")
		}
	})
}

// Nothing comes any more, but what was dropped is told.
func TestDroppedLinesAreToldInSilence(t *testing.T) {
	r, w := pipe(t)
	out, in := io.Pipe()
	e := readStderr(r, "search", &Launch{}, in)
	go func() { _, _ = io.WriteString(w, strings.Repeat("x\n", 250)+"half") }()
	lines := bufio.NewReader(out)
	for range linesMax {
		_, _ = lines.ReadString('\n')
	}
	line, err := lines.ReadString('\n')
	if err != nil || line != "[search] … 50 lines of its stderr were dropped: more than 200 a second\n" {
		t.Errorf("got %q, %v", line, err)
	}
	_, _ = io.WriteString(w, " a line")
	_ = w.Close()
	if line, err := lines.ReadString('\n'); err != nil || line != "[search] half a line\n" {
		t.Errorf("got %q, %v", line, err)
	}
	<-e.done
}

func TestAStrayLineGoesTheSameWay(t *testing.T) {
	var w bytes.Buffer
	e := newStderr(nil, "search", launchWith(t, canary), &w)
	e.stray([]byte("\x1b[1mnot JSON " + canary))
	e.stray(bytes.Repeat([]byte("é"), 5<<20))
	first, second, _ := strings.Cut(w.String(), "\n")
	want := fmt.Sprintf("[search] %s … %d bytes were cut\n", strings.Repeat("é", lineMax/2), 10<<20-lineMax)
	if first != "[search] not JSON [masked]" || second != want {
		t.Errorf("got %q, %d bytes", first, len(second))
	}
}

// Somebody out of reach keeps stderr open.
func TestStderrThatStaysOpenIsGivenUp(t *testing.T) {
	r, w := pipe(t)
	var out writes
	p := &Process{stderr: readStderr(r, "search", &Launch{}, &out)}
	_, _ = io.WriteString(w, "last\nwords")
	start := time.Now()
	p.drained()
	<-p.stderr.done
	if took := time.Since(start); took < drain || took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if got := strings.Join(out.list, ""); got != "[search] last\n[search] words\n" {
		t.Errorf("got %q", got)
	}
}

// The client does not read bearerd's stderr: the child cannot write on, but it can be ended.
func TestAClientThatDoesNotReadStderr(t *testing.T) {
	s := server(program(t, "child"))
	s.StopGrace, s.KillGrace = time.Millisecond, time.Millisecond
	l, err := ByEnv(s, token, does("flood"), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	c := startSaying(t, s, l, -1, in)
	_, _ = out.Read(make([]byte, 1)) // it has begun
	c.Stop(t.Context())
	start := time.Now()
	if code := c.Wait(); code != 143 || time.Since(start) > 10*time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(start))
	}
	_ = out.CloseWithError(os.ErrClosed)
	<-c.stderr.done
}

func BenchmarkStderrFlood(b *testing.B) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	e := readStderr(r, "search", &Launch{}, io.Discard)
	b.ReportAllocs()
	out := bufio.NewWriterSize(w, 64<<10)
	for b.Loop() {
		_, _ = out.WriteString("a line of some forty bytes, as they come\n")
	}
	_, _ = out.Flush(), w.Close()
	<-e.done
}
