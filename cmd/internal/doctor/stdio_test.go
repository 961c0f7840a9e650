package doctor

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bearerd/config"
)

// A program that does not answer is stopped: that is told once.
func TestAProgramThatDoesNotAnswer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no scripts")
	}
	path := filepath.Join(t.TempDir(), "slow")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread -r line\nread -r line\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var told []Step
	ch := &chart{begun: func(string, string) {}, ended: func(s Step) { told = append(told, s) }}
	p := &patient{Server: &config.Server{Name: "s", Command: path}, doctor: &Doctor{}, chart: ch}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p.program(ctx)
	if len(told) != 2 || told[0].Result != Failed || !strings.Contains(told[0].Remedy, "download") ||
		told[1].Result != Skipped || !strings.HasSuffix(told[1].Detail, "because of initialize") {
		t.Errorf("%+v", told)
	}
}

// What a program does not read is not waited for.
func TestWriteEndsWithItsContext(t *testing.T) {
	in, toChild, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := &speaker{in: toChild}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(ctx, map[string]any{"much": strings.Repeat("x", 1<<20)})
	}()
	select {
	case <-written:
	case <-time.After(5 * time.Second):
		t.Error("it is waited for")
	}
	_ = toChild.Close()
	s.writing.Wait()
}
