package relay

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// wires are pipes from a client to a server and back.
type wires struct {
	toServer, toClient     io.Writer
	fromClient, fromServer io.Reader
}

func pipe(b *testing.B) (*os.File, *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

func direct(b *testing.B) wires {
	inR, inW := pipe(b)
	outR, outW := pipe(b)
	return wires{inW, outW, inR, outR}
}

func relayed(b *testing.B) wires {
	clientR, clientW := pipe(b)
	serverR, serverW := pipe(b)
	inR, inW := pipe(b)
	outR, outW := pipe(b)
	s := New("s", outW, slog.New(slog.DiscardHandler))
	l := s.Attach(inW, serverR, func([]byte) {})
	if err := s.Switch(b.Context(), l, nil); err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(b.Context(), clientR) }()
	return wires{clientW, serverW, inR, outR}
}

// exchange measures calls whose result has that many bytes.
func exchange(b *testing.B, w wires, size int) {
	b.SetBytes(int64(size))
	answer := fmt.Sprintf(`{"result":{"content":[{"type":"text","text":"%s"}]},"jsonrpc":"2.0","id":1}`+"\n", strings.Repeat("x", size))
	go func() {
		for in := bufio.NewReaderSize(w.fromClient, 64<<10); ; {
			if _, err := in.ReadSlice('\n'); err != nil {
				return
			}
			if _, err := io.WriteString(w.toClient, answer); err != nil {
				return
			}
		}
	}()
	request, out, got := call(1)+"\n", bufio.NewReaderSize(w.fromServer, 64<<10), make([]byte, len(answer))
	for b.Loop() {
		if _, err := io.WriteString(w.toServer, request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(out, got); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmark(b *testing.B, size int) {
	b.Run("direct", func(b *testing.B) { exchange(b, direct(b), size) })
	b.Run("relay", func(b *testing.B) { exchange(b, relayed(b), size) })
}

func BenchmarkSmallCall(b *testing.B)   { benchmark(b, 100) }
func BenchmarkResult1MiB(b *testing.B)  { benchmark(b, 1<<20) }
func BenchmarkResult16MiB(b *testing.B) { benchmark(b, 16<<20) }
